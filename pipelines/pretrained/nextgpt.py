"""A published NExT-GPT checkpoint into one of our model folders: strictly, with its parts checked, whole or not at all."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from encoders.modality import Modality
from encoders.registry import load_encoder
from pipelines.checkpoint import PRESET_SCHEME, DecoderEntry, EncoderEntry, PipelineConfig, Reference, hash_folder
from pipelines.decoders import load_decoder
from pipelines.decoders.base import DecoderConfig
from pipelines.pretrained.nextgpt_base import BaseCore, RowDifference, compare_rows, copy_with_rows, read_base
from pipelines.pretrained.nextgpt_files import NextGPTFiles, read_nextgpt
from pipelines.pretrained.nextgpt_folder import lora_config, settle, write_card, write_parts, write_rows
from pipelines.pretrained.nextgpt_keys import GROUP_HEADS, Place, adapter_places, fit, input_places, output_places
from pipelines.pretrained.nextgpt_tokens import COUNTS, FORM_2024, LEGACY_FORM, counts_of, released_tokens, run_length
from pipelines.projections import NUM_HEADS, InputProjectionConfig, OutputProjectionConfig

ENCODER = "imagebind"
INPUTS: tuple[Modality, ...] = (Modality.IMAGE, Modality.AUDIO, Modality.VIDEO)
KINDS = {Modality.IMAGE: "prompt_embeds", Modality.AUDIO: "class_labels", Modality.VIDEO: "prompt_embeds"}
CONDITION = "prompt_embeds"  # what either kind calls its condition
# What the two demos made media with; the sizes hold for these decoders, whose own defaults are others.
STEPS, GUIDANCE, FRAME_RATE = 50, 7.5, 8.0
CALLS: Mapping[str, Mapping[str, Any]] = {
    "zeroscope_v2_576w": {"height": 320, "width": 576, "num_frames": 24},
    "zeroscope_v2_XL": {"height": 320, "width": 576, "num_frames": 16},
    "audioldm-l-full": {"audio_length_in_s": 9.0},
    "audioldm": {"audio_length_in_s": 5.0},
}
# The decoders that the projections of either generation were trained for; two of them at a revision with safetensors.
RELEASED = {
    True: {
        Modality.IMAGE: "stable-diffusion-v1-5/stable-diffusion-v1-5",
        Modality.AUDIO: "cvssp/audioldm-l-full@9707fa44eb3fb539e293ebc682209d0895042aa0",
        Modality.VIDEO: "cerspense/zeroscope_v2_576w@1f35e3dc3350d649f342bb7618fe34ac8fae5c9e",
    },
    False: {
        Modality.IMAGE: "stabilityai/stable-diffusion-2",
        Modality.AUDIO: "cvssp/audioldm",
        Modality.VIDEO: "cerspense/zeroscope_v2_XL",
    },
}
RELATED = 0.5  # the median cosine of two embeddings' rows below which one was not trained from the other
ONE_VECTOR = (
    "This checkpoint's input projection gathers ImageBind's patch tokens, but this encoder gives one vector for each "
    'medium: it runs, and not as the model was trained. Set "token_kind": "projected" in the encoder\'s config.json.'
)


@dataclass(frozen=True)
class NextGPTImport:
    """What to import, onto which frozen parts, and where to; a part is named as for `refer`.

    Without an encoder or a decoder, what belongs to it is left out; a decoder of None is the one that was trained for.
    `counts` are the signal tokens of each modality, if the tokenizer's added_tokens.json is not beside the checkpoint.
    `base_rows` says whose word embeddings count where the checkpoint's differ from the base's: the "file"'s, in a copy
    of the base, or the "base"'s; None takes the file's if they were trained from the base's, and else refuses.
    `checks_parts` loads each encoder and decoder once; without it they need not be on this machine.
    """

    sources: tuple[Path, ...]
    base: str
    output: Path
    encoder: str | None = None
    decoders: Mapping[Modality, str | None] = field(default_factory=dict)
    counts: Mapping[Modality, int] = field(default_factory=lambda: COUNTS)
    base_rows: Literal["file", "base"] | None = None
    lora_alpha: int = 32
    group_heads: int | tuple[int, ...] = GROUP_HEADS
    output_heads: int = NUM_HEADS
    checks_parts: bool = True


@dataclass(frozen=True)
class ImportStep:
    """The import begins its step number `number` (from 1) of `total`."""

    number: int
    total: int
    text: str


@dataclass(frozen=True)
class ImportRemark:
    """Something that the person must know of."""

    text: str


@dataclass(frozen=True, eq=False)
class _Fitted:
    """A checkpoint whose every tensor has its place; `rows` are whole matrices, by their names in the base."""

    parts: Mapping[str, Mapping[str, Tensor]]
    input: InputProjectionConfig
    outputs: Mapping[Modality, OutputProjectionConfig]
    num_new: int

    @property
    def rows(self) -> Mapping[str, Tensor]:
        return self.parts["rows"]

    @property
    def base_rows(self) -> dict[str, Tensor]:
        """Return what the checkpoint has for the base's own vocabulary."""
        return {name: rows[: len(rows) - self.num_new] for name, rows in self.rows.items()}


def import_nextgpt(options: NextGPTImport) -> Iterator[ImportStep | ImportRemark]:
    """Import a checkpoint, telling each step; the folder appears at the end, and a step that fails leaves nothing.

    Raises ValueError that says what is missing or does not fit.
    """
    if options.output.exists() and (not options.output.is_dir() or any(options.output.iterdir())):
        raise ValueError(f"{options.output} exists already; name a new folder.")
    total = 5 + (options.encoder is not None) + len(options.decoders)
    numbers = iter(range(1, total + 1))

    def step(text: str) -> ImportStep:
        return ImportStep(next(numbers), total, text)

    yield step("Reading the checkpoint")
    files = read_nextgpt(options.sources)
    counts = counts_of(files.added_tokens, is_legacy=files.is_legacy) if files.added_tokens else options.counts
    decoders = {modality: name or RELEASED[files.is_legacy][modality] for modality, name in options.decoders.items()}
    yield step("Looking at the base")
    core = refer(options.base, options.output)
    base = read_base(core.resolve(options.output))
    references: dict[str, Reference] = {}
    in_width, inputs = None, INPUTS
    if options.encoder is not None:
        yield step("Checking the encoder")
        references[ENCODER] = _hashed(options.encoder, options)
        if options.checks_parts:
            in_width, inputs, is_single = _read_encoder(references[ENCODER], options)
            if is_single and input_places(files.tensors, **_where(files, base))[0].kind == "group":
                yield ImportRemark(ONE_VECTOR)
    condition_shapes: dict[Modality, tuple[int, ...]] = {}
    for modality, name in decoders.items():
        yield step(f"Checking the {modality.value} decoder")
        references[modality.value] = _hashed(name, options)
        if options.checks_parts:
            found = references[modality.value].resolve(options.output)
            condition_shapes[modality] = _condition_shape(modality, found, _decoder_config(name))
    fitted = _fit(files, base, replace(options, counts=counts), in_width, condition_shapes)

    yield step("Comparing the word embeddings")
    differences = [compare_rows(base, name, rows) for name, rows in fitted.base_rows.items()]
    unlike = "; ".join(str(difference) for difference in differences if not difference.is_same)
    takes_rows = bool(unlike) and options.base_rows != "base"
    if unlike:
        yield ImportRemark(_judge(unlike, differences, options))

    options.output.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{options.output.name}.", dir=options.output.parent))
    try:
        yield step("Writing the core" if takes_rows else "Hashing the core")
        if takes_rows:
            copy_with_rows(base, folder / "core", fitted.base_rows)
            core = Reference(path="core", sha256=hash_folder(folder / "core"))
        else:
            core = replace(core, sha256=hash_folder(base.folder))
        yield step("Writing the projections")
        config = _config(files, fitted, core, references, inputs, decoders, counts)
        _write(folder, config, files, fitted, base, replace(options, counts=counts))
        write_card(folder, files.paths, _told(unlike, options, takes_rows=takes_rows))
        settle(folder, options.output)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def refer(name: str, output: Path) -> Reference:
    """Name a part as a config in `output` does: a folder, `preset:NAME/PART`, or a hub id (owner/name[@revision])."""
    if name.startswith(PRESET_SCHEME):
        return Reference(path=name)
    if Path(name).is_dir():
        return Reference(path=str(Path(name).absolute())).seen_from(output, output)
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise ValueError(f"No part {name!r}; wanted a folder, a part of a preset (preset:NAME/PART), or owner/name.")
    repository, _, revision = name.partition("@")
    return Reference(repository=repository, revision=revision or None)


def _hashed(name: str, options: NextGPTImport) -> Reference:
    reference = refer(name, options.output)
    if reference.repository is not None and not options.checks_parts:
        return reference
    return replace(reference, sha256=hash_folder(reference.resolve(options.output)))


def _where(files: NextGPTFiles, base: BaseCore) -> dict[str, Any]:
    return {"is_legacy": files.is_legacy, "core_width": base.width}


def _read_encoder(reference: Reference, options: NextGPTImport) -> tuple[int, tuple[Modality, ...], bool]:
    """Load an encoder and let it go again: its width, what it reads, and whether it gives one vector for each medium."""
    encoder = load_encoder(ENCODER, reference.resolve(options.output))
    inputs = tuple(modality for modality in INPUTS if modality in encoder.modalities)
    return encoder.width, inputs, all(encoder.num_tokens[modality] == 1 for modality in inputs)


def _condition_shape(modality: Modality, folder: Path, config: DecoderConfig) -> tuple[int, ...]:
    """Load a decoder and let it go again, for the shape of its only condition."""
    decoder = load_decoder(KINDS[modality], folder, modality, config)
    found = dict(decoder.condition_shapes)
    if set(found) != {CONDITION}:
        raise ValueError(
            f"The {modality.value} decoder takes {', '.join(found)}; NExT-GPT's projection makes {CONDITION} only."
        )
    return found[CONDITION]


def _decoder_config(name: str) -> DecoderConfig:
    return DecoderConfig(STEPS, GUIDANCE, rate=FRAME_RATE, call=dict(CALLS.get(Path(name).name.partition("@")[0], {})))


def _fit(
    files: NextGPTFiles,
    base: BaseCore,
    options: NextGPTImport,
    in_width: int | None,
    condition_shapes: Mapping[Modality, tuple[int, ...]],
) -> _Fitted:
    """Give every tensor of the checkpoint its place, or raise ValueError that lists all that does not fit."""
    where = _where(files, base)
    heads = options.group_heads
    input_config, wanted = input_places(files.tensors, **where, in_width=in_width, num_heads=heads)
    outputs = {}
    for modality in KINDS:
        shape = condition_shapes.get(modality)
        outputs[modality], places = output_places(
            files.tensors, modality, **where, condition_shape=shape, num_heads=options.output_heads
        )
        wanted |= places
    wanted |= adapter_places(files.tensors, base.linears, files.lora)
    num_new = len(released_tokens(options.counts, is_legacy=files.is_legacy))
    sizes = [size + num_new for size in base.vocabulary_sizes]
    for name in base.matrices:
        given = len(files.tensors[name]) if name in files.tensors else 0
        wanted[name] = Place("rows", name, (given if given in sizes else sizes[0], base.width))
    parts = fit(files.tensors, wanted, files.names, ", ".join(str(path) for path in files.paths))
    return _Fitted(parts, input_config, outputs, num_new)


def _judge(unlike: str, differences: list[RowDifference], options: NextGPTImport) -> str:
    """Say what other word embeddings mean; raise ValueError if they cannot be the base's and nobody chose."""
    if options.base_rows is None and any(difference.similarity < RELATED for difference in differences):
        raise ValueError(
            f"{options.base} is not the model that this checkpoint was trained on: its words stand elsewhere ({unlike}). "
            "Nothing was written. Give the right base; or say --base-rows base or --base-rows file if you are sure."
        )
    return (
        f"The checkpoint has other word embeddings than {options.base}: {unlike}. "
        f"{_told(unlike, options, takes_rows=options.base_rows != 'base')} If {options.base} is not the very model that "
        "it was trained on, its replies will be gibberish: make sure."
    )


def _told(unlike: str, options: NextGPTImport, *, takes_rows: bool) -> str:
    """Say what became of the checkpoint's word embeddings."""
    if not unlike:
        return f"Its word embeddings are those of the base, {options.base}."
    if takes_rows:
        return (
            f"They were trained too, and are kept: the core of {options.output.name} is a copy of the base with them."
        )
    return f"They were trained too, and are left out: {options.base} keeps its own, and replies are not as published."


def _config(
    files: NextGPTFiles,
    fitted: _Fitted,
    core: Reference,
    references: Mapping[str, Reference],
    inputs: tuple[Modality, ...],
    named: Mapping[Modality, str],
    counts: Mapping[Modality, int],
) -> PipelineConfig:
    encoders = {}
    if ENCODER in references:
        encoders[ENCODER] = EncoderEntry(ENCODER, references[ENCODER], dict.fromkeys(inputs, fitted.input))
    decoders = {
        modality: DecoderEntry(
            kind=KINDS[modality],
            reference=references[modality.value],
            config=_decoder_config(named[modality]),
            num_signals=run_length(counts[modality], is_legacy=files.is_legacy),
            projections={CONDITION: fitted.outputs[modality]},
        )
        for modality in Modality
        if modality in named
    }
    form = LEGACY_FORM if files.is_legacy else FORM_2024
    return PipelineConfig(core, encoders, decoders, has_adapter="adapter" in fitted.parts, chat=form)


def _write(
    folder: Path, config: PipelineConfig, files: NextGPTFiles, fitted: _Fitted, base: BaseCore, options: NextGPTImport
) -> None:
    lora = None
    if config.has_adapter:
        lora = lora_config(files.lora, fitted.parts["adapter"], options.lora_alpha)
    write_parts(folder, config, fitted.parts, lora)
    matrices = fitted.rows[base.matrices[0]], fitted.rows[base.matrices[-1]]
    write_rows(folder, config, matrices, options.counts, space=None if files.is_legacy else base.space())
