"""How a whole model is loaded: on which device, and the options of its core, its encoders and its decoders."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from encoders.modality import Modality
from encoders.options import EncoderOptions
from pipelines.core_options import CoreOptions
from pipelines.decoders.placement import Placement

AUTO = "auto"


@dataclass(frozen=True)
class LoadOptions:
    """Plain values, which a model's config can hold. `device` "auto" is an accelerator where there is one.

    `by_modality` has placements of single decoders, `decoders` that of the others; likewise `by_encoder`, by the names
    that the model has for its encoders, and `encoders`. The device of all is `device`, but of encoders that name their own.
    """

    device: str = "cpu"
    core: CoreOptions = field(default_factory=CoreOptions)
    decoders: Placement = field(default_factory=Placement)
    by_modality: Mapping[Modality, Placement] = field(default_factory=dict)
    encoders: EncoderOptions = field(default_factory=EncoderOptions)
    by_encoder: Mapping[str, EncoderOptions] = field(default_factory=dict)

    def placement(self, modality: Modality) -> Placement:
        """Return where and how a modality's decoder goes."""
        return self.by_modality.get(modality, self.decoders)

    def encoder(self, name: str) -> EncoderOptions:
        """Return how an encoder is loaded."""
        return self.by_encoder.get(name, self.encoders)

    def on(self, device: Any = None, dtype: Any = None) -> "LoadOptions":
        """The same for another device or another precision of all parts, where they are given.

        On a processor nothing is offloaded or elsewhere: there is nowhere else to take it from.
        """
        device = _resolve(self.device if device is None else str(device))
        is_processor = device.partition(":")[0] == "cpu"
        precision = {} if dtype is None else {"dtype": str(dtype).removeprefix("torch.")}
        placed: dict[str, Any] = {"device": device, **precision}
        placed |= {"offload": "none", "attention_backend": None} if is_processor else {}
        encoded: dict[str, Any] = {**precision, **({"device": None} if is_processor else {})}
        return LoadOptions(
            device,
            replace(self.core, **precision),
            replace(self.decoders, **placed),
            {modality: replace(placement, **placed) for modality, placement in self.by_modality.items()},
            replace(self.encoders, **encoded),
            {name: replace(options, **encoded) for name, options in self.by_encoder.items()},
        )


def read_load_options(values: Mapping[str, Any]) -> LoadOptions:
    """Read what a model's config holds of them, which somebody else may have written. Raises ValueError for the unknown."""
    known = dict(values)
    core = CoreOptions(**_known(CoreOptions, known.pop("core", {})))
    decoders = Placement(**_known(Placement, known.pop("decoders", {})))
    placements = known.pop("by_modality", {})
    by_modality = {Modality(name): Placement(**_known(Placement, given)) for name, given in placements.items()}
    encoders = EncoderOptions(**_known(EncoderOptions, known.pop("encoders", {})))
    own = known.pop("by_encoder", {})
    by_encoder = {name: EncoderOptions(**_known(EncoderOptions, given)) for name, given in own.items()}
    return LoadOptions(
        **_known(LoadOptions, known),
        core=core,
        decoders=decoders,
        by_modality=by_modality,
        encoders=encoders,
        by_encoder=by_encoder,
    )


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
