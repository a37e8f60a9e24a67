"""What is known of a published part before any of it is downloaded: where it is, its licence, its networks, its sizes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}

Role = Literal["core", "encoder", "decoder", "projections"]
Licence = Literal["yes", "no", "with conditions"]


@dataclass(frozen=True)
class Network:
    """One network of a part: how it is built without its weights, how many parameters that gives, and its files.

    `kind` is "transformers:CLASS" or "diffusers:CLASS" with the sizes in `config`, "open_clip:MODEL", or "imagebind".
    `num_bytes` is what the hub's page says of the files (to three digits) or, where no page was found, None: the
    parameters at the precision in which they are `stored` are then the estimate; `num_float32` of them are stored whole all
    the same. Sizes that no page gives are `guessed`.
    """

    name: str
    kind: str
    num_parameters: int
    files: tuple[str, ...]
    config: Mapping[str, Any] = field(default_factory=dict)
    stored: str = "float32"
    num_float32: int = 0
    num_bytes: int | None = None
    is_exact: bool = False
    is_guessed: bool = False

    @property
    def size(self) -> int:
        """How many bytes its files have, exactly or nearly."""
        return self.counted_size if self.num_bytes is None else self.num_bytes

    @property
    def counted_size(self) -> int:
        """How many bytes its parameters come to as they are stored."""
        kept = self.num_float32 * (BYTES["float32"] - BYTES[self.stored])
        return self.num_parameters * BYTES[self.stored] + kept


@dataclass(frozen=True)
class Part:
    """A published part: a repository at a revision, the files that are needed of it, and under which licence.

    `source` is where the licence and the listing of files were read; `note` is what a person should know besides;
    `unconfirmed` says which of all this no page of the publisher's own was read for. People are shown it.
    """

    title: str
    role: Role
    repository: str
    licence: str
    commercial_use: Licence
    source: str
    networks: tuple[Network, ...]
    others: tuple[str, ...] = ()
    revision: str | None = None
    note: str = ""
    unconfirmed: str = ""

    @property
    def files(self) -> tuple[str, ...]:
        """All files that are needed: configs and vocabularies, then weights."""
        return (*self.others, *(file for network in self.networks for file in network.files))

    @property
    def size(self) -> int:
        """How many bytes its weights have, exactly or nearly."""
        return sum(network.size for network in self.networks)

    @property
    def num_parameters(self) -> int:
        return sum(network.num_parameters for network in self.networks)


def shards(stem: str, count: int, variant: str = "") -> tuple[str, ...]:
    """Name the files that one network is split into, and their index; a variant's as diffusers named them before 0.32."""
    dotted = f".{variant}" if variant else ""
    files = (f"{stem}-{number:05}-of-{count:05}{dotted}.safetensors" for number in range(1, count + 1))
    return (f"{stem}.safetensors{dotted}.index.json", *files)
