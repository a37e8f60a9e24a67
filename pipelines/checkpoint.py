"""The small folder that is ours: a config, the trained tensors, and references to the frozen parts."""

import hashlib
import json
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from encoders.atomic import write_text
from encoders.hub import hub_folder
from encoders.json_file import read_json
from encoders.modality import Modality
from encoders.weights import floats, read_weights, some
from encoders.weights import write_tensors as write_tensors
from pipelines.chat_form import ChatForm
from pipelines.decoders.base import DecoderConfig
from pipelines.load_options import LoadOptions, read_load_options
from pipelines.presets import PRESETS
from pipelines.projections import InputProjectionConfig, OutputProjectionConfig

FORMAT = "multimodal-studio/any-to-any"
VERSION = 1
CONFIG, PROJECTIONS, TOKEN_ROWS, ADAPTER = "config.json", "projections.safetensors", "token_rows.safetensors", "adapter"
PRESET_SCHEME = "preset:"
COMMIT = re.compile(r"[0-9a-f]{40}")  # as the hub's cache calls the folder of a snapshot
HASHED = {".json", ".safetensors", ".txt", ".model", ".pt", ".pth", ".bin"}  # what a part's behaviour can depend on


@dataclass(frozen=True)
class Reference:
    """Where a frozen part is: a path from the config's folder, `preset:NAME/PATH`, or a hub repository.

    `files` are those of the repository's files that the part needs (patterns); none stands for all of its weights.
    """

    path: str | None = None
    repository: str | None = None
    revision: str | None = None
    files: tuple[str, ...] = ()
    licence: str | None = None
    sha256: str | None = None

    def resolve(self, folder: Path) -> Path:
        """Find the part's folder, seen from the folder of the config. Raises ValueError if it is missing."""
        if self.repository is not None:
            return hub_folder(self.repository, self.revision, self.files)
        if self.path is None:
            raise ValueError("A reference needs a path or a repository.")
        if self.path.startswith(PRESET_SCHEME):
            name, _, inside = self.path.removeprefix(PRESET_SCHEME).partition("/")
            root = PRESETS[name].folder if name in PRESETS else None
            if root is None:
                raise ValueError(f"This model uses a part of the preset {name!r}, which is not here.")
            found = root / inside
        else:
            found = Path(os.path.normpath(folder / self.path))
        if not found.is_dir():
            raise ValueError(f"A part of this model is missing: there is no folder {found}.")
        return found

    def pinned(self, source: Path) -> "Reference":
        """The same reference to exactly what `source` holds: by the commit of a repository, else by a hash."""
        if self.repository is not None and COMMIT.fullmatch(source.name):
            return replace(self, revision=source.name)
        return replace(self, sha256=self.sha256 or hash_folder(source))

    def seen_from(self, folder: Path, origin: Path) -> "Reference":
        """The same reference, written for a config in `folder` instead of `origin`."""
        if self.path is None or self.path.startswith(PRESET_SCHEME):
            return self
        part = Path(os.path.normpath(origin.absolute() / self.path))
        for preset in PRESETS.values():
            if preset.folder is not None and part.is_relative_to(preset.folder) and not _inside(folder, preset.folder):
                return replace(self, path=f"{PRESET_SCHEME}{preset.name}/{part.relative_to(preset.folder).as_posix()}")
        return replace(self, path=Path(os.path.relpath(part, folder.absolute())).as_posix())


@dataclass(frozen=True)
class EncoderEntry:
    """An encoder, and the modalities for which it has an input projection."""

    kind: str
    reference: Reference
    projections: Mapping[Modality, InputProjectionConfig]


@dataclass(frozen=True)
class DecoderEntry:
    """A decoder with its own values, its condition's projections, and the length of the signal run that asks for it."""

    kind: str
    reference: Reference
    config: DecoderConfig
    num_signals: int
    projections: Mapping[str, OutputProjectionConfig]


@dataclass(frozen=True)
class PipelineConfig:
    """The whole of a model's config.json. A modality's encoder is the first that reads it, unless another is chosen.

    Until a modality's projections are trained it is `untrained`: as an input the model is told of it in words, as an
    output it is made from a caption. An untrained output may name no projections: they are found from its decoder.
    """

    core: Reference
    encoders: Mapping[str, EncoderEntry] = field(default_factory=dict)
    decoders: Mapping[Modality, DecoderEntry] = field(default_factory=dict)
    has_adapter: bool = False
    chat: ChatForm = field(default_factory=ChatForm)
    untrained_inputs: tuple[Modality, ...] = ()
    untrained_outputs: tuple[Modality, ...] = ()
    load: LoadOptions = field(default_factory=LoadOptions)

    @property
    def is_untrained(self) -> bool:
        """Whether none of its projections is trained."""
        inputs = {modality for entry in self.encoders.values() for modality in entry.projections}
        return inputs <= set(self.untrained_inputs) and set(self.decoders) <= set(self.untrained_outputs)

    @property
    def counts(self) -> dict[Modality, int]:
        """The length of each output modality's signal run."""
        return {modality: entry.num_signals for modality, entry in self.decoders.items()}

    def with_projections(
        self, core_width: int, shapes: Mapping[Modality, Mapping[str, tuple[int, ...]]]
    ) -> "PipelineConfig":
        """Fill in what untrained projections leave open: all of an output's, from what its decoder takes (name -> shape),

        and the core's width where an input's says 0.
        """

        def found(modality: Modality) -> dict[str, OutputProjectionConfig]:
            return {
                name: OutputProjectionConfig(core_width, shape[-1], num_queries=shape[0] if len(shape) > 1 else 1)
                for name, shape in shapes[modality].items()
            }

        def fitted(entry: EncoderEntry) -> EncoderEntry:
            widths = {m: replace(c, core_width=c.core_width or core_width) for m, c in entry.projections.items()}
            return replace(entry, projections=widths)

        return replace(
            self,
            encoders={name: fitted(entry) for name, entry in self.encoders.items()},
            decoders={m: replace(e, projections=e.projections or found(m)) for m, e in self.decoders.items()},
        )

    def encoder_of(self, modality: Modality) -> str | None:
        """The name of the encoder that serves a modality by default."""
        return next((name for name, entry in self.encoders.items() if modality in entry.projections), None)

    def to_dict(self) -> dict[str, Any]:
        """Return what config.json holds."""
        return {"format": FORMAT, "version": VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "PipelineConfig":
        """Read what `to_dict` wrote. Raises ValueError naming what is missing or unknown."""
        if values.get("format") != FORMAT or values.get("version") != VERSION:
            raise ValueError(
                f"This config is {values.get('format')!r} version {values.get('version')!r}; "
                f"wanted {FORMAT!r} version {VERSION}."
            )
        whole = _fields(
            cls, {name: value for name, value in values.items() if name not in ("format", "version")}, "config"
        )
        encoders = {}
        for name, entry in whole.get("encoders", {}).items():
            where = f"encoders.{name}"
            known = _fields(EncoderEntry, entry, where)
            projections = {
                Modality(m): _input_projection(config, f"{where}.projections.{m}")
                for m, config in known["projections"].items()
            }
            encoders[name] = EncoderEntry(known["kind"], _reference(known["reference"], where), projections)
        decoders = {}
        for name, entry in whole.get("decoders", {}).items():
            where = f"decoders.{name}"
            known = _fields(DecoderEntry, entry, where)
            outputs = {
                c: OutputProjectionConfig(**_fields(OutputProjectionConfig, config, f"{where}.projections.{c}"))
                for c, config in known["projections"].items()
            }
            decoders[Modality(name)] = DecoderEntry(
                known["kind"],
                _reference(known["reference"], where),
                DecoderConfig(**_fields(DecoderConfig, known["config"], f"{where}.config")),
                int(known["num_signals"]),
                outputs,
            )
        chat = ChatForm(**_fields(ChatForm, whole.get("chat", {}), "chat"))
        return cls(
            _reference(whole["core"], "core"),
            encoders,
            decoders,
            bool(whole.get("has_adapter", False)),
            chat,
            tuple(Modality(m) for m in whole.get("untrained_inputs", ())),
            tuple(Modality(m) for m in whole.get("untrained_outputs", ())),
            read_load_options(whole.get("load", {})),
        )


def read_config(folder: Path) -> PipelineConfig:
    """Read a model folder's config. Raises ValueError that names the file."""
    path = folder / CONFIG
    if not path.is_file():
        raise ValueError(f"This is no model folder: {path} is missing.")
    values = read_json(path)
    try:
        return PipelineConfig.from_dict(values)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def write_config(folder: Path, config: PipelineConfig) -> None:
    """Write a model folder's config."""
    text = json.dumps(config.to_dict(), indent=2, ensure_ascii=False) + "\n"
    write_text(folder / CONFIG, text)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file as float32. Raises ValueError that names the file."""
    assert path.suffix == ".safetensors"
    return floats(read_weights(path))


def hash_folder(folder: Path, *, without: Collection[str] = ()) -> str:
    """SHA-256 of a part: its weights, configs and vocabularies, by their names; not of what lies in the folders `without`."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in HASHED):
        if path.relative_to(folder).parts[0] in without:
            continue
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def verify(reference: Reference, folder: Path) -> None:
    """Raise ValueError if a part's content is not the one that was recorded."""
    if reference.sha256 is not None and hash_folder(folder) != reference.sha256:
        raise ValueError(f"The files in {folder} are not those that this model was made with; fetch the part again.")


def _fields(cls: type, values: Any, where: str) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise ValueError(f"{where} is not an object.")
    known = {f.name for f in fields(cls)}
    required = {f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING}
    unknown, missing = sorted(set(values) - known), sorted(required - set(values))
    if unknown or missing:
        raise ValueError(
            f"{where}: missing fields: {some(missing) or 'none'}; unknown fields: {some(unknown) or 'none'}."
        )
    return values


def _input_projection(values: Any, where: str) -> InputProjectionConfig:
    known = _fields(InputProjectionConfig, values, where)
    frozen: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in known.items()}
    return InputProjectionConfig(**frozen)


def _reference(values: Any, where: str) -> Reference:
    known = _fields(Reference, values, f"{where}.reference")
    return Reference(**known | {"files": tuple(known.get("files", ()))})


def _inside(folder: Path, root: Path) -> bool:
    return folder.resolve().is_relative_to(root.resolve())
