"""Stage 2, aligning signal tokens to the decoders: what the core says at a run becomes the decoder's own condition.

Trained: the output projections and the rows of the signal tokens. The loss is the cross-entropy of the reply, the
distance between projected signals and the caption's condition, and, if asked for, that of the denoiser so conditioned.
`python -m training.align_outputs --help`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from training.aids import reading_aids
from training.alignment import AlignmentModel
from training.config import StageOptions, add_distance, stage_options, stage_parser
from training.data import load_data, open_data
from training.denoising import DENOISED, add_latents, denoiser_of
from training.features import Progress, no_progress
from training.loop import Step
from training.parts import load_parts, save_parts
from training.prepare import prepare
from training.previews import preview_signals
from training.stage import Stage, check_output, follow, run_stage

DEFAULTS = StageOptions(output=Path("."), steps=2500, batch_size=32, learning_rate=1e-3, num_samples=12000)


@dataclass(frozen=True)
class AlignOutputsOptions:
    """What stage 2 is told: what every stage is, and how much the denoising loss counts (0: it is not computed)."""

    stage: StageOptions
    denoising_weight: float = 0.0


def run(options: AlignOutputsOptions, progress: Progress = no_progress) -> Iterator[Step]:
    """Train stage 2 step by step; when the iterator ends, the output folder is a model to load."""
    stage = options.stage
    check_output(stage)
    manifest = open_data(stage.data)
    parts = load_parts(stage)
    data = load_data(manifest, "make", stage.num_samples, stage.seed, reads=frozenset(), makes=frozenset(parts.outputs))
    train = prepare(data.train, parts.pipe, {}, parts.decoders, stage.cache, progress=progress)
    shown = prepare(data.shown, parts.pipe, {}, parts.decoders, stage.cache)
    denoised = {m: decoder for m, decoder in parts.decoders.items() if options.denoising_weight > 0 and m in DENOISED}
    if denoised:
        train = add_latents(train, data.train, denoised, stage.cache, progress=progress)
    denoisers = {modality: denoiser_of(decoder.part) for modality, decoder in denoised.items()}
    parts.free_decoders()
    model = AlignmentModel(
        parts.core,
        {},
        parts.outputs,
        distance=stage.distance,
        distance_weight=stage.distance_weight,
        units=train.units(),
        lenses=train.lenses(),
        denoisers=denoisers,
        denoising_weight=options.denoising_weight,
        aids=reading_aids(parts, stage.seed, makes=parts.outputs),
    )
    model.train_only([*model.outputs.parameters(), parts.core.input_rows, parts.core.output_rows])
    yield from run_stage(
        Stage(
            "align-outputs",
            model,
            train,
            preview=lambda: preview_signals(model, shown),
            save=lambda: save_parts(parts, stage.output, outputs=parts.outputs),
        ),
        stage,
    )


def main(argv: list[str] | None = None) -> None:
    """Read the command line and run the stage."""
    parser = stage_parser(str(__doc__), DEFAULTS)
    add_distance(parser, DEFAULTS)
    parser.add_argument(
        "--denoising-weight", type=float, default=0.0, help="weight of the frozen denoiser's loss; 0 leaves it out"
    )
    arguments = parser.parse_args(argv)
    try:
        options = AlignOutputsOptions(stage_options(arguments), denoising_weight=arguments.denoising_weight)
        follow(lambda progress: run(options, progress), options.stage.steps, options.stage.output)
    except (ValueError, FileExistsError) as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
