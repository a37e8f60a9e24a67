"""The whole model: encoders, projections, language core and decoders, in the manner of a diffusers pipeline."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from encoders.base import Encoder
from encoders.media import Media
from encoders.modality import Modality
from encoders.registry import load_encoder
from encoders.weights import check_fit, load_strictly, write_tensors
from pipelines.bridge import Bridge
from pipelines.checkpoint import (
    ADAPTER,
    PROJECTIONS,
    TOKEN_ROWS,
    EncoderEntry,
    PipelineConfig,
    Reference,
    hash_folder,
    read_config,
    read_tensors,
    verify,
    write_config,
)
from pipelines.core import LanguageCore
from pipelines.decoders import load_decoder
from pipelines.decoders.base import MAX_SEED, DecodeOptions, Decoder
from pipelines.events import MediaStep
from pipelines.load_options import LoadOptions
from pipelines.loading import load_adapter, load_language_model, save_adapter
from pipelines.options import GenerationOptions
from pipelines.outputs import conversion
from pipelines.presets import preset_folder
from pipelines.projections import ConditionProjection, InputProjection
from pipelines.prompt import Messages
from pipelines.signals import SignalTokens

ROWS = ("input_rows", "output_rows")


@dataclass(frozen=True)
class AnyToAnyOutput:
    """A reply: its whole text, and its texts and media in the order in which they were written."""

    text: str
    parts: tuple[Any, ...]


class AnyToAnyPipeline:
    """Text, images, audio and video in, text, images, audio and video out.

    `input_projections` are by modality, `output_projections` too; these, the core's new rows and its adapter are what
    training changes. All else is frozen.
    """

    def __init__(
        self,
        config: PipelineConfig,
        folder: Path,
        core: LanguageCore,
        decoders: Mapping[Modality, Decoder],
        input_projections: Mapping[str, Mapping[Modality, InputProjection]],
        output_projections: Mapping[Modality, ConditionProjection],
        chosen: Mapping[Modality, str],
        options: LoadOptions,
    ) -> None:
        self.config = config
        self.folder = folder
        self.chosen = dict(chosen)
        self.options = options
        self.core = core
        self.encoders = self._load_encoders(core.device)
        self.bridge = _bridge(config, self.encoders)
        self.decoders = dict(decoders)
        # Every encoder's projections are kept and saved, those of the chosen encoders are used.
        self.all_input_projections = nn.ModuleDict(
            {name: nn.ModuleDict({m.value: p for m, p in of.items()}) for name, of in input_projections.items()}
        )
        self.input_projections = nn.ModuleDict({m.value: input_projections[name][m] for m, name in chosen.items()})
        self.output_projections = nn.ModuleDict({m.value: p for m, p in output_projections.items()})

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        *,
        encoders: Mapping[Modality, str] | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        options: LoadOptions | None = None,
        as_trained: bool = False,
        check_hashes: bool = True,
    ) -> AnyToAnyPipeline:
        """Load a preset, a folder or a hub repository; `encoders` chooses another encoder for a modality.

        Without `options` the model's own count; `device` and `dtype` go before either. Untrained projections are left out
        unless `as_trained`, which is how training begins. Raises ValueError that names what is missing or does not fit.
        """
        folder = preset_folder(name)
        config = read_config(folder)
        pipe = cls.from_config(
            config,
            folder,
            encoders=encoders,
            options=(options or config.load).on(device, dtype),
            as_trained=as_trained,
            check_hashes=check_hashes,
        )
        if not config.is_untrained or (folder / PROJECTIONS).is_file():
            pipe._load_trained()
        return pipe

    def _load_trained(self) -> None:
        """Load what is ours from the model's folder, strictly."""
        folder = self.folder
        load_strictly(self._projections(), read_tensors(folder / PROJECTIONS), str(folder / PROJECTIONS))
        rows = read_tensors(folder / TOKEN_ROWS)
        parameters = {name: getattr(self.core, name) for name in ROWS}
        check_fit(rows, parameters, str(folder / TOKEN_ROWS))
        for row_name, parameter in parameters.items():
            parameter.data.copy_(rows[row_name])
        if self.config.has_adapter:
            load_adapter(self.core, folder / ADAPTER)

    @classmethod
    def from_config(
        cls,
        config: PipelineConfig,
        folder: Path,
        *,
        encoders: Mapping[Modality, str] | None = None,
        options: LoadOptions | None = None,
        as_trained: bool = False,
        check_hashes: bool = True,
    ) -> AnyToAnyPipeline:
        """Load the frozen parts that a config refers to, seen from `folder`; what is ours starts untrained.

        An untrained model is the same every time, and the caller's random state stays as it was.
        """
        if as_trained:
            config = replace(config, untrained_inputs=(), untrained_outputs=())
        options = options or config.load.on()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            pipe = cls._assemble(config, folder, _choose(config, encoders or {}), options, check_hashes=check_hashes)
        return pipe.to(options.device)

    @classmethod
    def _assemble(
        cls,
        config: PipelineConfig,
        folder: Path,
        chosen: Mapping[Modality, str],
        options: LoadOptions,
        *,
        check_hashes: bool,
    ) -> AnyToAnyPipeline:
        def part(reference: Reference) -> Path:
            found = reference.resolve(folder)
            if check_hashes:
                verify(reference, found)
            return found

        model, tokenizer = load_language_model(part(config.core), options.core)
        if config.chat.template is not None:
            tokenizer.chat_template = config.chat.template
        signals = SignalTokens(config.counts, inputs=tuple(chosen), has_marks=config.chat.has_marks)
        is_placed = options.core.device_map is not None or options.core.quantisation is not None
        core = LanguageCore(model, tokenizer, signals, stops=config.chat.stops, is_placed=is_placed)
        if not is_placed:
            core.to(options.device)
        decoders = {
            modality: load_decoder(
                entry.kind,
                part(entry.reference),
                modality,
                entry.config,
                placement=options.placement(modality),
                repository=entry.reference.repository,
            )
            for modality, entry in config.decoders.items()
        }
        shapes = {modality: decoder.condition_shapes for modality, decoder in decoders.items()}
        config = config.with_projections(core.width, shapes)
        inputs = {
            name: {m: InputProjection(c) for m, c in entry.projections.items()}
            for name, entry in config.encoders.items()
        }
        outputs = {m: ConditionProjection(entry.projections, shapes[m]) for m, entry in config.decoders.items()}
        for name in _used(config, chosen).values():
            part(config.encoders[name].reference)
        pipe = cls(config, folder, core, decoders, inputs, outputs, chosen, options)
        pipe.all_input_projections.eval()
        pipe.output_projections.eval()
        return pipe

    def save_pretrained(
        self, folder: str | Path, *, copy_parts: bool = False, dtype: torch.dtype = torch.float32
    ) -> None:
        """Write what is ours, and references to the frozen parts or, with `copy_parts`, the parts themselves."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)

        def refer(reference: Reference, name: str) -> Reference:
            source = reference.resolve(self.folder)
            recorded = reference.pinned(source)
            if copy_parts:
                if source.resolve() != (folder / name).resolve():
                    shutil.copytree(source, folder / name, dirs_exist_ok=True)
                return Reference(path=name, licence=reference.licence, sha256=hash_folder(source))
            return recorded.seen_from(folder, self.folder)

        config = replace(
            self.config,
            core=refer(self.config.core, "core"),
            encoders={n: replace(e, reference=refer(e.reference, n)) for n, e in self.config.encoders.items()},
            decoders={m: replace(e, reference=refer(e.reference, m.value)) for m, e in self.config.decoders.items()},
            has_adapter=self.core.adapter is not None,
        )
        write_tensors(folder / PROJECTIONS, self._projections().state_dict(), dtype)
        write_tensors(folder / TOKEN_ROWS, {name: getattr(self.core, name) for name in ROWS}, dtype)
        if self.core.adapter is not None:
            save_adapter(self.core, folder / ADAPTER, dtype)
        write_config(folder, config)

    def to(self, device: torch.device | str) -> AnyToAnyPipeline:
        """Move everything to a device."""
        if torch.empty(0, device=device).device != self.device:
            self.encoders = self._load_encoders(device)
        if not self.core.is_placed:
            self.core.to(device)
        self._projections().to(device)
        for decoder in self.decoders.values():
            decoder.to(device)
        return self

    @property
    def device(self) -> torch.device:
        return self.core.device

    @property
    def outputs(self) -> tuple[Modality, ...]:
        """The media that it can make."""
        return tuple(self.decoders)

    def num_positions(self, modality: Modality) -> int:
        """How many of the core's positions one medium of a modality takes."""
        projection = self.input_projections[modality.value]
        assert isinstance(projection, InputProjection)
        return projection.num_tokens(self.encoders[modality].num_tokens[modality])

    @torch.no_grad()
    def embed_media(self, media: Media) -> Tensor:
        """One medium -> its embeddings for the core (N, core_width)."""
        if media.modality not in self.encoders:
            known = ", ".join(m.value for m in self.encoders) or "text only"
            raise ValueError(f"This model cannot be shown {media.modality.value!r}; it reads: {known}.")
        tokens = self.encoders[media.modality].encode([media]).tokens
        embeddings: Tensor = self.input_projections[media.modality.value](tokens.to(self.device))[0]
        return embeddings

    def drop_text_encoders(self) -> None:
        """Free the decoders' text encoders, which replies do not need but where they are made from captions."""
        for modality, decoder in self.decoders.items():
            if self.bridge is None or modality not in self.bridge.makes:
                decoder.drop_text_encoder()

    def __call__(
        self,
        messages: Messages,
        *,
        generator: torch.Generator | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        callback_on_step_end: Callable[[AnyToAnyPipeline, int, int, dict[str, Any]], Any] | None = None,
        output_type: str = "media",
        return_dict: bool = True,
        options: GenerationOptions | None = None,
    ) -> AnyToAnyOutput | tuple[str, tuple[Any, ...]]:
        """Answer messages of content parts, of which the last is the person's.

        `num_inference_steps` and `guidance_scale` hold for each modality that `options` say nothing about. The
        callback gets (pipeline, step, number of steps, {"modality", "preview"}); what it raises stops the reply. Parts
        come as our values ("media"), as arrays in [0, 1] ("np"), or as Pillow images, a video as a list ("pil").
        """
        from pipelines.conversation import Conversation  # the conversation is built on this file

        convert = conversion(output_type)
        options = options or GenerationOptions()
        given = DecodeOptions(num_inference_steps=num_inference_steps, guidance_scale=guidance_scale)
        seed = options.seed if generator is None else int(torch.randint(MAX_SEED, (), generator=generator))
        options = replace(options, seed=seed, decode={m: options.decode.get(m, given) for m in self.outputs})

        def on_event(event: object) -> None:
            if isinstance(event, MediaStep) and callback_on_step_end is not None:
                values = {"modality": event.modality, "preview": event.preview}
                callback_on_step_end(self, event.step, event.num_steps, values)

        reply = Conversation.from_messages(self, messages[:-1]).send(_question(messages), options, callback=on_event)
        output = AnyToAnyOutput(reply.text, tuple(convert(part) for part in reply.parts))
        return output if return_dict else (output.text, output.parts)

    def _load_encoders(self, device: torch.device | str) -> dict[Modality, Encoder]:
        """Load each chosen encoder once, onto a device or its own; an encoder stays on the device that it was loaded on."""
        loaded: dict[str, Encoder] = {}
        used = _used(self.config, self.chosen)
        for name in dict.fromkeys(used.values()):
            entry = self.config.encoders[name]
            source = entry.reference.resolve(self.folder)
            loaded[name] = load_encoder(entry.kind, source, device, self.options.encoder(name))
        return {modality: loaded[name] for modality, name in used.items()}

    def _projections(self) -> nn.ModuleDict:
        """All that projections.safetensors holds, under the names that it has there."""
        return nn.ModuleDict({"input": self.all_input_projections, "output": self.output_projections})


def _used(config: PipelineConfig, chosen: Mapping[Modality, str]) -> dict[Modality, str]:
    """The chosen encoders that have trained projections, and so are of use."""
    return {modality: name for modality, name in chosen.items() if modality not in config.untrained_inputs}


def _bridge(config: PipelineConfig, reads: Collection[Modality]) -> Bridge | None:
    """What stands in for untrained projections, where there are any."""
    if not config.untrained_inputs and not config.untrained_outputs:
        return None
    return Bridge(tuple(m for m in config.decoders if m in config.untrained_outputs), frozenset(reads))


def _question(messages: Messages) -> Any:
    if not messages or messages[-1].get("role") != "user":
        raise ValueError("The last message must be the person's: {'role': 'user', 'content': [...]}.")
    return messages[-1]["content"]


def _choose(config: PipelineConfig, wanted: Mapping[Modality, str]) -> dict[Modality, str]:
    """Name the encoder of each modality that the model can be shown, in the order of the modalities."""
    for modality, name in wanted.items():
        entry: EncoderEntry | None = config.encoders.get(name)
        if entry is None or modality not in entry.projections:
            can = ", ".join(n for n, e in config.encoders.items() if modality in e.projections) or "none"
            raise ValueError(f"This model has no encoder {name!r} for {modality.value!r}; it has: {can}.")
    chosen = {modality: wanted.get(modality) or config.encoder_of(modality) for modality in Modality}
    return {modality: name for modality, name in chosen.items() if name is not None}
