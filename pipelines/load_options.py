"""How a whole model is loaded: on which device, and the options of its core and of its decoders."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from encoders.modality import Modality
from pipelines.core_options import CoreOptions
from pipelines.decoders.placement import Placement

AUTO = "auto"


@dataclass(frozen=True)
class LoadOptions:
    """Plain values, which a model's config can hold. `device` "auto" is an accelerator where there is one.

    `by_modality` has placements of single decoders, `decoders` that of the others; the device of all is `device`.
    """

    device: str = "cpu"
    core: CoreOptions = field(default_factory=CoreOptions)
    decoders: Placement = field(default_factory=Placement)
    by_modality: Mapping[Modality, Placement] = field(default_factory=dict)

    def placement(self, modality: Modality) -> Placement:
        """Return where and how a modality's decoder goes."""
        return self.by_modality.get(modality, self.decoders)

    def on(self, device: Any = None, dtype: Any = None) -> "LoadOptions":
        """The same for another device or another precision of core and decoders, where they are given.

        On a processor nothing is offloaded: there is nowhere else to take it from.
        """
        device = _resolve(self.device if device is None else str(device))
        changes: dict[str, Any] = {"device": device}
        changes |= {"offload": "none", "attention_backend": None} if device.partition(":")[0] == "cpu" else {}
        name = None if dtype is None else str(dtype).removeprefix("torch.")
        changes |= {} if name is None else {"dtype": name}
        return LoadOptions(
            device,
            self.core if name is None else replace(self.core, dtype=name),
            replace(self.decoders, **changes),
            {modality: replace(placement, **changes) for modality, placement in self.by_modality.items()},
        )


def read_load_options(values: Mapping[str, Any]) -> LoadOptions:
    """Read what a model's config holds of them, which somebody else may have written. Raises ValueError for the unknown."""
    known = dict(values)
    core = CoreOptions(**_known(CoreOptions, known.pop("core", {})))
    decoders = Placement(**_known(Placement, known.pop("decoders", {})))
    placements = known.pop("by_modality", {})
    by_modality = {Modality(name): Placement(**_known(Placement, given)) for name, given in placements.items()}
    return LoadOptions(**_known(LoadOptions, known), core=core, decoders=decoders, by_modality=by_modality)


def _known(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(cls)}
    if unknown := sorted(set(values) - names):
        raise ValueError(f"{cls.__name__} has no {', '.join(unknown)}; wanted: {', '.join(sorted(names))}.")
    return dict(values)


def _resolve(device: str) -> str:
    """Name the device that "auto" stands for on this machine."""
    if device != AUTO:
        return device
    import torch

    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return "cpu" if accelerator is None else accelerator.type
