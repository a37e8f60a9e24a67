"""The model that every alignment stage trains: the core with its new rows, between input and output projections."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from encoders.modality import Modality
from pipelines.core import LanguageCore
from pipelines.projections import ConditionProjection, InputProjection
from training.aids import ReadingAids
from training.denoising import DenoisingLoss
from training.losses import IGNORED, Distance, Lens, compare_conditions, token_cross_entropy
from training.sequences import TokenBatch

LENS_WEIGHT = 0.1  # of what the lenses see: steep in the faint directions, it would rule every step in full


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
        lenses: Mapping[Modality, Mapping[str, Lens]] | None = None,
        denoisers: Mapping[Modality, DenoisingLoss] | None = None,
        denoising_weight: float = 1.0,
        aids: ReadingAids | None = None,
    ) -> None:
        """`units`: by modality and condition, the length in which distances are measured, so that all weigh alike.
        `lenses`: likewise, through what projected conditions are compared with those wanted, beside the distance.

        `aids` ask what media show, of what the core reads and of what it says at a signal run; they are not kept.
        """
        super().__init__()
        self.aids = aids
        self.core = core
        self.inputs = nn.ModuleDict({str(modality): module for modality, module in inputs.items()})
        self.outputs = nn.ModuleDict({str(modality): module for modality, module in outputs.items()})
        self.distance, self.distance_weight, self.units = distance, distance_weight, units or {}
        self.lenses = lenses or {}
        self.denoisers, self.denoising_weight = denoisers or {}, denoising_weight
        self.core_trains = True

    def forward(self, batch: TokenBatch) -> dict[str, Tensor]:
        """Return "loss", its "cross_entropy", each "<modality>_distance", "_unexplained" and "_denoising", and the "tokens"."""
        embeddings, states = self.read(batch)
        taught = batch.labels[:, 1:] != IGNORED
        cross_entropy = token_cross_entropy(self.core.logits(states[:, :-1][taught]), batch.labels[:, 1:][taught])
        compared: dict[str, Tensor] = {}
        weighted: list[Tensor] = []
        denoised: dict[str, Tensor] = {}
        for modality, made in self.conditions(batch, embeddings, states).items():
            wanted = batch.signals[modality].values
            units, lenses = self.units.get(modality, {}), self.lenses.get(modality, {})
            for what, value in compare_conditions(made, wanted, self.distance, units, lenses).items():
                compared[f"{modality}_{what}"] = value
                weighted.append(value * (self.distance_weight if what == "distance" else LENS_WEIGHT))
            if modality in self.denoisers and modality in batch.latents:
                latents = batch.latents[modality]
                rows = (latents.starts.unsqueeze(1) == batch.signals[modality].starts).int().argmax(dim=1)
                conditions = {name: value[rows] for name, value in made.items()}
                denoised[f"{modality}_denoising"] = self.denoisers[modality](latents.values["latents"], conditions)
        loss = cross_entropy + sum(weighted)
        loss = loss + self.denoising_weight * sum(denoised.values()) + self._nothing(batch)
        read = {} if self.aids is None else self.aids(self._asked(batch, embeddings, states))
        loss = loss + sum(read.values())
        tokens = torch.tensor(float(batch.num_tokens))
        return {
            "loss": loss,
            "cross_entropy": cross_entropy,
            **compared,
            **denoised,
            **read,
            "tokens": tokens,
        }

    def read(self, batch: TokenBatch) -> tuple[Tensor, Tensor]:
        """Run the core: input embeddings and last hidden states, (B, T, width) each.

        Padding stands on the right, where causal attention never looks, so no mask is needed. Where the core is frozen,
        the columns before anything that trains run without gradients: their states are constants.
        """
        embeddings = self.core.embed(batch.ids.clamp(min=0))
        flat = embeddings.flatten(0, 1)
        for modality, placed in batch.media.items():
            projected = self.inputs[modality](placed.values["tokens"]).to(flat.dtype)
            flat = flat.index_copy(0, _runs(placed.starts, projected.shape[1]).flatten(), projected.flatten(0, 1))
        embeddings = flat.view_as(embeddings)
        start = 0 if self.core_trains else self._first_trained(batch)
        if start == 0 or not torch.is_grad_enabled():
            return embeddings, self.core(embeddings)
        cache = DynamicCache()
        with torch.no_grad():
            before = self.core(embeddings[:, :start], cache)
        return embeddings, torch.cat([before, self.core(embeddings[:, start:], cache)], dim=1)

    def conditions(self, batch: TokenBatch, embeddings: Tensor, states: Tensor) -> dict[Modality, dict[str, Tensor]]:
        """Project every signal run of the batch to its decoder's conditions, {modality: {name: (S, ...)}}."""
        made = {}
        for modality, placed in batch.signals.items():
            places = _runs(placed.starts, self.core.signals.counts[modality])
            made[modality] = self.outputs[modality](states.flatten(0, 1)[places], embeddings.flatten(0, 1)[places])
        return made

    def _asked(self, batch: TokenBatch, embeddings: Tensor, states: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """For each aid the vectors (M, K, width) of media or of signal runs, and the answers (M, attributes)."""
        asked = {}
        for modality, placed in batch.media.items():
            if placed.answers is not None:
                module = self.inputs[modality]
                assert isinstance(module, InputProjection)
                places = _runs(placed.starts, module.num_tokens(placed.values["tokens"].shape[1]))
                asked[f"{modality}_seen"] = embeddings.flatten(0, 1)[places], placed.answers
        for modality, placed in batch.signals.items():
            if placed.answers is not None:
                places = _runs(placed.starts, self.core.signals.counts[modality])
                asked[f"{modality}_said"] = states.flatten(0, 1)[places], placed.answers
        return asked

    def train_only(self, parameters: Iterable[nn.Parameter]) -> None:
        """Freeze everything but these, and the aids."""
        self.requires_grad_(False)
        if self.aids is not None:
            self.aids.requires_grad_(True)
        for parameter in parameters:
            parameter.requires_grad_(True)
        self.core_trains = any(parameter.requires_grad for parameter in self.core.model.parameters())

    def _first_trained(self, batch: TokenBatch) -> int:
        """The first column that holds a medium's features or a new token in any row; the last one if none does."""
        trained = ((batch.ids < 0) | (batch.ids >= self.core.num_base)).any(dim=0)
        return int(trained.int().argmax()) if bool(trained.any()) else batch.ids.shape[1] - 1

    def _nothing(self, batch: TokenBatch) -> Tensor:
        """Zero, through the projections that a batch does not use: every process has every gradient, in every step."""
        unused = [module for name, module in self.inputs.items() if name not in batch.media]
        unused += [module for name, module in self.outputs.items() if name not in batch.signals]
        if self.aids is not None:  # which of them a batch uses, its data decide
            unused.append(self.aids)
        parameters = [parameter for module in unused for parameter in module.parameters() if parameter.requires_grad]
        return sum((parameter.sum() * 0.0 for parameter in parameters), start=self.core.input_rows.sum() * 0.0)


def _runs(starts: Tensor, length: int) -> Tensor:
    """(M,) -> (M, length): the positions of each run."""
    return starts.unsqueeze(1) + torch.arange(length, device=starts.device)
