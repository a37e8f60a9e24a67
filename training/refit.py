"""Stage 4, refitting what is said to the decoders: the output projections alone, on signal states computed once.

While the core still learns, its projections chase it, and a step through the core is dear. Once it stands still, its states
at every signal run are constants: computed once, they let the projections take thousands of large steps in minutes, until
also the faint directions of the conditions are right, in which a caption's one word for the thing may lie.
`python -m training.refit --help`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from encoders.modality import Modality
from pipelines.projections import ConditionProjection
from training.alignment import AlignmentModel
from training.config import StageOptions, add_distance, stage_options, stage_parser
from training.data import Purpose, load_data, open_data
from training.features import Progress, no_progress
from training.loop import Batch, Step, fit
from training.losses import Lens, compare_conditions
from training.parts import load_parts, save_parts
from training.prepare import prepare
from training.sequences import SequenceSet
from training.stage import CHECKPOINTS, check_output, follow, logged

DEFAULTS = StageOptions(output=Path("."), steps=4000, batch_size=256, learning_rate=1e-3, num_samples=20000)
READ_AT_ONCE = 32  # dialogues that run through the core together


@dataclass(frozen=True, eq=False)
class Runs:
    """All signal runs of one modality: states (N, K, width), and of each the place of its condition in a table."""

    states: Tensor
    embeddings: Tensor  # (K, width): of the signal tokens, the same in every run
    places: Tensor  # (N,)
    conditions: Mapping[str, Tensor]  # name -> (captions, ...)


class Refit(nn.Module):
    """The output projections by modality, over runs that stand still."""

    def __init__(
        self,
        outputs: Mapping[Modality, ConditionProjection],
        runs: Mapping[Modality, Runs],
        units: Mapping[Modality, Mapping[str, float]],
        lenses: Mapping[Modality, Mapping[str, Lens]],
        stage: StageOptions,
    ) -> None:
        super().__init__()
        self.outputs = nn.ModuleDict({modality.value: outputs[modality] for modality in runs})
        self.runs, self.units, self.lenses, self.stage = runs, units, lenses, stage

    def forward(self, chosen: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """{modality: numbers of runs (B,)} -> "loss", and for each modality "_distance" and, with lenses, "_unexplained"."""
        losses: dict[str, Tensor] = {}
        weighted: list[Tensor] = []
        for modality, runs in self.runs.items():
            rows = chosen[modality.value]
            states = runs.states[rows]
            made = self.outputs[modality.value](states, runs.embeddings.expand_as(states))
            wanted = {name: values[runs.places[rows]] for name, values in runs.conditions.items()}
            units, lenses = self.units[modality], self.lenses.get(modality, {})
            for what, value in compare_conditions(made, wanted, self.stage.distance, units, lenses).items():
                losses[f"{modality}_{what}"] = value
                weighted.append(value * (self.stage.distance_weight if what == "distance" else 1.0))
        return {"loss": torch.stack(weighted).sum(), **losses}


def run(stage: StageOptions, progress: Progress = no_progress) -> Iterator[Step]:
    """Refit step by step; when the iterator ends, the output folder is a model to load."""
    check_output(stage)
    manifest = open_data(stage.data)
    parts = load_parts(stage)
    makes = frozenset(parts.outputs)
    purpose: Purpose = "talk" if manifest is None else "make"
    data = load_data(manifest, purpose, stage.num_samples, stage.seed, reads=frozenset(parts.inputs), makes=makes)
    made = (sample for sample in data.train if not sample.words_only)
    making = [sample for sample in made if any(role == "assistant" for role, _ in sample.needs())]
    if not making:
        raise ValueError("Nothing in this data is made by the assistant: there is nothing to refit.")
    train = prepare(making, parts.pipe, parts.encoders, parts.decoders, stage.cache, progress=progress)
    parts.free_decoders()
    runs = read_runs(AlignmentModel(parts.core, parts.inputs, parts.outputs), train, progress)
    model = Refit(parts.outputs, runs, train.units(), train.lenses(), stage)

    def batch_of(step: int) -> Batch:
        rng = np.random.default_rng((stage.seed, step))
        return {m.value: torch.from_numpy(rng.integers(len(r.places), size=stage.batch_size)) for m, r in runs.items()}

    options = replace(stage.loop, decay_fraction=0.5)
    steps = fit(model, batch_of, _loss_of, options, stage.output / CHECKPOINTS, resume=stage.resume)
    yield from logged("refit", steps, stage, save=lambda: save_parts(parts, stage.output, outputs=runs))


@torch.no_grad()
def read_runs(model: AlignmentModel, data: SequenceSet, progress: Progress = no_progress) -> dict[Modality, Runs]:
    """Run the core over all dialogues once and keep its states at every signal run."""
    model.eval()
    device = model.core.device
    order = sorted(range(len(data)), key=lambda number: len(data.sequences[number]))
    states: dict[Modality, list[Tensor]] = {}
    places: dict[Modality, list[int]] = {}
    embeddings: dict[Modality, Tensor] = {}
    for start in range(0, len(order), READ_AT_ONCE):
        members = order[start : start + READ_AT_ONCE]
        batch = data.collate(members, device)
        embedded, last = model.read(batch)
        for modality, placed in batch.signals.items():
            span = torch.arange(model.core.signals.counts[modality], device=device)
            at = placed.starts.unsqueeze(1) + span
            states.setdefault(modality, []).append(last.flatten(0, 1)[at].float())
            embeddings[modality] = embedded.flatten(0, 1)[at[0]].float()
        for slot in (slot for member in members for slot in data.sequences[member].signals):
            places.setdefault(slot.modality, []).append(slot.item)
        progress("read signals", min(start + READ_AT_ONCE, len(order)), len(order))
    return {
        modality: Runs(
            torch.cat(found),
            embeddings[modality],
            torch.tensor(places[modality], device=device),
            {
                name: values.to(device)
                for name, values in data.conditions[modality][range(len(data.conditions[modality]))].items()
            },
        )
        for modality, found in states.items()
    }


def _loss_of(model: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
    losses: Mapping[str, Tensor] = model(batch)
    return losses


def main(argv: Sequence[str] | None = None) -> None:
    """Read the command line and refit."""
    parser = stage_parser(str(__doc__), DEFAULTS)
    add_distance(parser, DEFAULTS)
    arguments = parser.parse_args(argv)
    try:
        options = stage_options(arguments)
        follow(lambda progress: run(options, progress), options.steps, options.output)
    except (ValueError, FileExistsError) as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
