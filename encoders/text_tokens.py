"""Text to fixed rows of token ids: CLIP's own byte-pair encoding, or a tokenizer.json of the tokenizers library."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch import Tensor

from encoders.imagebind_config import TextConfig

Encode = Callable[[str], list[int]]

CLIP_VOCAB_SIZE = 49408


class Rows(Protocol):
    """The rows of ids that a text tower reads."""

    @property
    def context_length(self) -> int:
        """Return the length of a row."""
        ...

    @property
    def start_id(self) -> int:
        """Return the id put before each text."""
        ...

    @property
    def end_id(self) -> int:
        """Return the id put after each text."""
        ...


@dataclass(frozen=True)
class ClipRows:
    """The rows of CLIP's own vocabulary, whose last two ids start and end a text."""

    context_length: int = 77
    start_id: int = CLIP_VOCAB_SIZE - 2
    end_id: int = CLIP_VOCAB_SIZE - 1


@cache
def clip_encode() -> Encode:
    """Return CLIP's byte-pair encoding, with its cleaning and lower case; a control token that is typed stays text.

    Its vocabulary comes with open_clip, so nothing is fetched.
    """
    from open_clip import SimpleTokenizer  # heavy: only who reads text with CLIP pays for it

    tokenizer = SimpleTokenizer()
    specials = [tokenizer.decoder[i] for i in tokenizer.all_special_ids]
    inside = re.compile("|".join(f"(?<={re.escape(name[0])})(?={re.escape(name[1:])})" for name in specials))

    def encode(text: str) -> list[int]:
        # In two pieces a control token is punctuation and words, which are encoded one by one anyway.
        pieces = inside.split(tokenizer.clean_fn(text))
        return [i for piece in pieces for i in tokenizer.encode(piece)]

    return encode


def file_encode(path: Path, config: TextConfig) -> Encode:
    """Return the encoding of a tokenizer.json. Raises ValueError unless it leaves two ids for the start and the end."""
    tokenizer = Tokenizer.from_file(str(path))
    if tokenizer.get_vocab_size() > config.start_id:
        raise ValueError(
            f"The tokenizer has {tokenizer.get_vocab_size()} tokens; a text tower with vocab_size "
            f"{config.vocab_size} has room for {config.start_id}, beside its start and end."
        )
    names = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    return lambda text: tokenizer.encode(spelled_apart(text, names), add_special_tokens=False).ids


def spelled_apart(text: str, names: Iterable[str]) -> str:
    """Put a space into every name of a control token that a text spells, so that the name is read as text.

    For tokenizers that find such names wherever they stand. Names of one character stay.
    """
    known = sorted({name.strip() for name in names if len(name.strip()) > 1}, key=len, reverse=True)
    if not known:
        return text
    inside = re.compile(
        "|".join(f"(?<={re.escape(name[0])})(?={re.escape(name[1:])})" for name in known), re.IGNORECASE
    )
    return inside.sub(" ", text)


def text_batch(texts: Sequence[str], encode: Encode, config: Rows) -> Tensor:
    """Return (B, context_length) int64: start, tokens, end, zeros; a long text is cut before its end."""
    ids = torch.zeros(len(texts), config.context_length, dtype=torch.int64)
    for row, text in zip(ids, texts, strict=True):
        tokens = [config.start_id, *encode(text)[: config.context_length - 2], config.end_id]
        row[: len(tokens)] = torch.tensor(tokens)
    return ids


def train_tokenizer(sentences: Iterable[str], vocab_size: int, path: Path) -> int:
    """Train a lower-casing byte-level BPE on sentences, write its tokenizer.json, return `TextConfig.vocab_size`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(sentences, trainer)
    path.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path))
    return tokenizer.get_vocab_size() + 2
