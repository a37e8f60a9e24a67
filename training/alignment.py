"""The model that every alignment stage trains: the core with its new rows, between input and output projections."""

from collections.abc import Iterable, Mapping
from typing import cast

import torch
from torch import Tensor, nn

from encoders.modality import Modality
from pipelines.core import LanguageCore
from pipelines.projections import ConditionProjection, InputProjection
from training.losses import IGNORED, Distance, condition_distance, token_cross_entropy
from training.sequences import TokenBatch


class AlignmentModel(nn.Module):
    """A language core among its projections; what trains is chosen with `train_only`."""

    def __init__(
        self,
        core: LanguageCore,
        inputs: Mapping[Modality, InputProjection],
        outputs: Mapping[Modality, ConditionProjection],
        *,
        distance: Distance = "euclidean",
        distance_weight: float = 1.0,
        units: Mapping[Modality, Mapping[str, float]] | None = None,
    ) -> None:
        """`units`: by modality and condition, the length in which distances are measured, so that all weigh alike."""
        super().__init__()
        self.core = core
        self.inputs = nn.ModuleDict({str(modality): module for modality, module in inputs.items()})
        self.outputs = nn.ModuleDict({str(modality): module for modality, module in outputs.items()})
        self.distance, self.distance_weight, self.units = distance, distance_weight, units or {}

    def forward(self, batch: TokenBatch) -> dict[str, Tensor]:
        """Return "loss", its "cross_entropy" and "<modality>_distance"s, and the number of "tokens" that were read."""
        embeddings, states = self.read(batch)
        taught = batch.labels[:, 1:] != IGNORED
        cross_entropy = token_cross_entropy(self.core.logits(states[:, :-1][taught]), batch.labels[:, 1:][taught])
        distances: dict[str, Tensor] = {}
        for modality, made in self.conditions(batch, embeddings, states).items():
            wanted = batch.signals[modality].values
            units = self.units.get(modality, {})
            by_name = [
                condition_distance(made[name], wanted[name], self.distance, unit=units.get(name, 1.0)) for name in made
            ]
            distances[f"{modality}_distance"] = torch.stack(by_name).mean()
        loss = cross_entropy + self.distance_weight * sum(distances.values()) + self._nothing()
        tokens = torch.tensor(float(batch.num_tokens))
        return {"loss": loss, "cross_entropy": cross_entropy, **distances, "tokens": tokens}

    def read(self, batch: TokenBatch) -> tuple[Tensor, Tensor]:
        """Run the core: input embeddings and last hidden states, (B, T, width) each.

        Padding stands on the right, where causal attention never looks, so no mask is needed.
        """
        embeddings = self.core.embed(batch.ids.clamp(min=0))
        flat = embeddings.flatten(0, 1)
        for modality, placed in batch.media.items():
            projected = self.inputs[modality](placed.values["tokens"]).to(flat.dtype)
            flat = flat.index_copy(0, _runs(placed.starts, projected.shape[1]).flatten(), projected.flatten(0, 1))
        embeddings = flat.view_as(embeddings)
        return embeddings, self.core(embeddings)

    def conditions(self, batch: TokenBatch, embeddings: Tensor, states: Tensor) -> dict[Modality, dict[str, Tensor]]:
        """Project every signal run of the batch to its decoder's conditions, {modality: {name: (S, ...)}}."""
        made = {}
        for modality, placed in batch.signals.items():
            places = _runs(placed.starts, self.core.signals.counts[modality])
            made[modality] = self.outputs[modality](states.flatten(0, 1)[places], embeddings.flatten(0, 1)[places])
        return made

    def train_only(self, parameters: Iterable[nn.Parameter]) -> None:
        """Freeze everything but these."""
        self.requires_grad_(requires_grad=False)
        for parameter in parameters:
            parameter.requires_grad_(requires_grad=True)

    def _nothing(self) -> Tensor:
        """Zero, through every trained parameter: processes agree on gradients though a batch lacks a modality."""
        return cast(Tensor, sum(parameter.sum() * 0.0 for parameter in self.parameters() if parameter.requires_grad))


def _runs(starts: Tensor, length: int) -> Tensor:
    """(M,) -> (M, length): the positions of each run."""
    return starts.unsqueeze(1) + torch.arange(length, device=starts.device)
