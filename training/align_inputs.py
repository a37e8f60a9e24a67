"""Stage 1, aligning encoders to the core: it learns to say the caption of what an encoder sees or hears.

Trained: the input projections of one encoder and the embeddings of the media marks; the core stays frozen.
`python -m training.align_inputs --help`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from encoders.registry import ENCODERS
from training.aids import reading_aids
from training.alignment import AlignmentModel
from training.config import StageOptions, stage_options, stage_parser
from training.data import load_data, open_data
from training.features import Progress, no_progress
from training.loop import Step
from training.parts import load_parts, save_parts
from training.prepare import prepare
from training.previews import preview_replies
from training.slips import with_slips
from training.stage import Stage, check_output, follow, run_stage

DEFAULTS = StageOptions(output=Path("."), steps=2500, batch_size=32, learning_rate=5e-3, num_samples=8000)


@dataclass(frozen=True)
class AlignInputsOptions:
    """What stage 1 is told: what every stage is, and which encoder to align."""

    stage: StageOptions
    encoder: str = "imagebind"


def run(options: AlignInputsOptions, progress: Progress = no_progress) -> Iterator[Step]:
    """Train stage 1 step by step; when the iterator ends, the output folder is a model to load."""
    stage = options.stage
    check_output(stage)
    manifest = open_data(stage.data)
    parts = load_parts(stage, encoder=options.encoder)
    data = load_data(
        manifest, "describe", stage.num_samples, stage.seed, reads=frozenset(parts.inputs), makes=frozenset()
    )
    train = prepare(data.train, parts.pipe, parts.encoders, {}, stage.cache, progress=progress)
    if manifest is None:
        train = with_slips(train, parts.core.tokenizer, stage.seed)
    shown = prepare(data.shown, parts.pipe, parts.encoders, {}, stage.cache)
    model = AlignmentModel(parts.core, parts.inputs, {}, aids=reading_aids(parts, stage.seed, reads=parts.inputs))
    model.train_only([*model.inputs.parameters(), parts.core.input_rows])
    yield from run_stage(
        Stage(
            "align-inputs",
            model,
            train,
            preview=lambda: preview_replies(model, shown),
            save=lambda: save_parts(parts, stage.output, inputs=parts.inputs),
        ),
        stage,
    )


def main(argv: list[str] | None = None) -> None:
    """Read the command line and run the stage."""
    parser = stage_parser(str(__doc__), DEFAULTS)
    parser.add_argument("--encoder", choices=tuple(ENCODERS), default="imagebind", help="the encoder to align")
    arguments = parser.parse_args(argv)
    try:
        options = AlignInputsOptions(stage_options(arguments), encoder=arguments.encoder)
        follow(lambda progress: run(options, progress), options.stage.steps, options.stage.output)
    except (ValueError, FileExistsError) as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
