"""Stage 3, instruction tuning: over whole dialogues the core learns, through LoRA, when to say and when to make what.

Trained: a LoRA adapter on all linear layers of the core, both sides' projections and the rows of the new tokens.
`python -m training.instruct --help`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import LoraConfig

from pipelines.core import LanguageCore
from training.aids import reading_aids
from training.alignment import AlignmentModel
from training.config import StageOptions, add_distance, stage_options, stage_parser
from training.data import load_data, open_data
from training.features import Progress, no_progress
from training.folded_lora import folded
from training.loop import Step
from training.parts import load_parts, save_parts
from training.prepare import prepare
from training.previews import preview_replies, preview_signals
from training.slips import with_slips
from training.stage import Stage, check_output, follow, run_stage

DEFAULTS = StageOptions(output=Path("."), steps=1100, batch_size=32, learning_rate=1e-3, num_samples=30000)


@dataclass(frozen=True)
class InstructOptions:
    """What stage 3 is told: what every stage is, and the adapter's size (Hu et al. 2021: scale alpha / rank)."""

    stage: StageOptions
    rank: int = 32
    alpha: int = 64
    dropout: float = 0.0


def run(options: InstructOptions, progress: Progress = no_progress) -> Iterator[Step]:
    """Train stage 3 step by step; when the iterator ends, the output folder is a model to load."""
    stage = options.stage
    check_output(stage)
    manifest = open_data(stage.data)
    parts = load_parts(stage)
    reads, makes = frozenset(parts.inputs), frozenset(parts.outputs)
    data = load_data(manifest, "talk", stage.num_samples, stage.seed, reads=reads, makes=makes)
    train = prepare(data.train, parts.pipe, parts.encoders, parts.decoders, stage.cache, progress=progress)
    shown = prepare(data.shown, parts.pipe, parts.encoders, parts.decoders, stage.cache)
    if manifest is None:
        train = with_slips(train, parts.core.tokenizer, stage.seed)
    attach_adapter(parts.core, options)
    parts.free_decoders()
    model = AlignmentModel(
        parts.core,
        parts.inputs,
        parts.outputs,
        distance=stage.distance,
        distance_weight=stage.distance_weight,
        units=train.units(),
        lenses=train.lenses(),
        aids=reading_aids(parts, stage.seed, reads=reads, makes=makes),
    )
    adapter = [parameter for name, parameter in parts.core.named_parameters() if "lora_" in name]
    rows = [parts.core.input_rows, parts.core.output_rows]
    model.train_only([*adapter, *rows, *model.inputs.parameters(), *model.outputs.parameters()])
    with folded(parts.core):
        yield from run_stage(
            Stage(
                "instruct",
                model,
                train,
                preview=lambda: [*preview_replies(model, shown), *preview_signals(model, shown)],
                save=lambda: save_parts(parts, stage.output, inputs=reads, outputs=makes),
            ),
            stage,
        )


def attach_adapter(core: LanguageCore, options: InstructOptions) -> None:
    """Give the core a new adapter, or keep the one it has; raises ValueError if that is of another rank."""
    if core.adapter is None:
        torch.manual_seed(options.stage.seed)  # an adapter starts at random
        core.attach_lora(lora_config(options))
    elif (rank := core.adapter.peft_config["default"].r) != options.rank:
        raise ValueError(f"This model has an adapter of rank {rank}: give --rank {rank}, or start anew with --fresh.")


def lora_config(options: InstructOptions) -> LoraConfig:
    """LoRA on all linear layers but the head, whose new rows train on their own."""
    return LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,
        lora_dropout=options.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def main(argv: list[str] | None = None) -> None:
    """Read the command line and run the stage."""
    parser = stage_parser(str(__doc__), DEFAULTS)
    add_distance(parser, DEFAULTS)
    parser.add_argument("--rank", type=int, default=InstructOptions.rank, help="rank of the adapter")
    parser.add_argument("--alpha", type=int, default=InstructOptions.alpha, help="the adapter's scale is alpha / rank")
    parser.add_argument("--dropout", type=float, default=InstructOptions.dropout, help="dropout before the adapter")
    arguments = parser.parse_args(argv)
    try:
        adapter = {name: getattr(arguments, name) for name in ("rank", "alpha", "dropout")}
        options = InstructOptions(stage_options(arguments), **adapter)
        follow(lambda progress: run(options, progress), options.stage.steps, options.stage.output)
    except (ValueError, FileExistsError) as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
