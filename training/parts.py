"""The model that a stage starts from, with fingerprints of its frozen parts, and the model that it leaves behind."""

import hashlib
import os
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from accelerate import PartialState

from encoders.base import Encoder
from encoders.modality import Modality
from pipelines.any_to_any import AnyToAnyPipeline
from pipelines.checkpoint import (
    CONFIG,
    PROJECTIONS,
    Reference,
    hash_folder,
    read_config,
)
from pipelines.core import LanguageCore
from pipelines.decoders.base import Decoder
from pipelines.presets import preset_folder
from pipelines.projections import ConditionProjection, InputProjection
from training.checkpointing import sync
from training.config import StageOptions
from training.prepare import Frozen


@dataclass(frozen=True, eq=False)
class Parts:
    """A model taken apart: what trains (core's rows, projections) and what is frozen, by modality.

    `untrained_inputs` and `untrained_outputs` are those whose projections no stage has trained before this one.
    """

    pipe: AnyToAnyPipeline
    encoders: Mapping[Modality, Frozen[Encoder]]
    decoders: Mapping[Modality, Frozen[Decoder]]
    inputs: Mapping[Modality, InputProjection]
    outputs: Mapping[Modality, ConditionProjection]
    untrained_inputs: tuple[Modality, ...] = ()
    untrained_outputs: tuple[Modality, ...] = ()

    @property
    def core(self) -> LanguageCore:
        return self.pipe.core

    def free_decoders(self) -> None:
        """Let the decoders go once their conditions are cached."""
        self.pipe.decoders.clear()


def load_parts(options: StageOptions, *, encoder: str | None = None) -> Parts:
    """Load the model to start from; with `encoder`, only that encoder's modalities are shown.

    That is `init_from`, or the preset with its trained parts, or, where it has none or with `fresh`, untrained ones.
    """
    folder = preset_folder(options.preset) if options.init_from is None else options.init_from
    config = read_config(folder)
    if encoder is not None and encoder not in config.encoders:
        raise ValueError(f"{folder} has no encoder {encoder!r}; it has: {', '.join(config.encoders) or 'none'}.")
    chosen = {} if encoder is None else dict.fromkeys(config.encoders[encoder].projections, encoder)
    if options.fresh or (options.init_from is None and not (folder / PROJECTIONS).is_file()):
        pipe = AnyToAnyPipeline.from_config(config, folder, encoders=chosen, as_trained=True)
    else:
        pipe = AnyToAnyPipeline.from_pretrained(folder, encoders=chosen, as_trained=True)
    pipe.to(PartialState().device)
    names = {m: chosen.get(m) or config.encoder_of(m) for m in pipe.encoders if encoder is None or m in chosen}
    encoders = {
        modality: Frozen(
            pipe.encoders[modality], _fingerprint(config.encoders[name].kind, config.encoders[name].reference, folder)
        )
        for modality, name in names.items()
        if name is not None
    }
    decoders = {
        modality: Frozen(
            decoder, _fingerprint(config.decoders[modality].kind, config.decoders[modality].reference, folder)
        )
        for modality, decoder in pipe.decoders.items()
    }
    inputs = {modality: _input(pipe, modality) for modality in encoders}
    outputs = {modality: _output(pipe, modality) for modality in decoders}
    return Parts(pipe, encoders, decoders, inputs, outputs, config.untrained_inputs, config.untrained_outputs)


def save_parts(
    parts: Parts, output: Path, *, inputs: Collection[Modality] = (), outputs: Collection[Modality] = ()
) -> None:
    """Write the model into the output folder, each file whole, the config last.

    `inputs` and `outputs` are those whose projections were trained now; the config no longer calls them untrained.
    """
    parts.pipe.config = replace(
        parts.pipe.config,
        untrained_inputs=tuple(m for m in parts.untrained_inputs if m not in inputs),
        untrained_outputs=tuple(m for m in parts.untrained_outputs if m not in outputs),
    )
    parts.pipe.core.eval()
    output.mkdir(parents=True, exist_ok=True)
    aside = output.absolute().parent / f".{output.absolute().name}.{os.getpid()}"  # as deep: references are relative
    shutil.rmtree(aside, ignore_errors=True)
    try:
        parts.pipe.save_pretrained(aside)
        files = sorted((path for path in aside.rglob("*") if path.is_file()), key=lambda path: path == aside / CONFIG)
        for path in files:
            sync(path)
            target = output / path.relative_to(aside)
            target.parent.mkdir(exist_ok=True)
            path.replace(target)
        sync(output)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _fingerprint(kind: str, reference: Reference, folder: Path) -> str:
    content = hash_folder(reference.resolve(folder))
    return hashlib.sha256(f"{kind} {content}".encode()).hexdigest()


def _input(pipe: AnyToAnyPipeline, modality: Modality) -> InputProjection:
    projection = pipe.input_projections[modality.value]
    assert isinstance(projection, InputProjection)
    return projection


def _output(pipe: AnyToAnyPipeline, modality: Modality) -> ConditionProjection:
    projection = pipe.output_projections[modality.value]
    assert isinstance(projection, ConditionProjection)
    return projection
