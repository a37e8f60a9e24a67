"""People's text into ids that are never control tokens, and sampled ids back into text as they come."""

from collections.abc import Iterator
from functools import lru_cache

from transformers import PreTrainedTokenizerBase

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"  # what a tokenizer decodes an unfinished UTF-8 sequence into


def control_ids(tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Return the ids that steer the model: every special or added token, but not a mere 'unknown' token."""
    return _control_ids(tokenizer, len(tokenizer))


@lru_cache(maxsize=16)
def _control_ids(tokenizer: PreTrainedTokenizerBase, _: int) -> frozenset[int]:
    """Look the ids up once for each size of the vocabulary."""
    ids = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    turns = {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id}
    if tokenizer.unk_token_id not in turns:
        ids.discard(tokenizer.unk_token_id)
    return frozenset(ids)


def encode_text(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Encode a person's text as text, whatever it spells; the result holds no control token.

    A tokenizer that finds control tokens in spite of `split_special_tokens` gets the text with their names cut in two.
    """
    # A lone surrogate, which JSON can carry, has no UTF-8 form and would stop the tokenizer.
    text = text.encode("utf-8", errors="replace").decode("utf-8")
    forbidden = control_ids(tokenizer)
    ids = _encode(tokenizer, text)
    if forbidden.isdisjoint(ids):
        return ids
    names = [token.content for token in tokenizer.added_tokens_decoder.values()]
    ids = [id_ for piece in _cut(text, names) for id_ in _encode(tokenizer, piece)]
    if not forbidden.isdisjoint(ids):
        raise ValueError("This text cannot be told from the model's control tokens; rephrase it.")
    return ids


class TextStream:
    """Decode sampled ids as they come, holding back a character whose bytes are not complete yet."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._context = 0  # where the window of ids that is decoded again starts
        self._emitted = 0  # how many ids have been given out

    def push(self, token_id: int) -> str:
        """Take one more id; return the text that is now certain, maybe none."""
        self._ids.append(token_id)
        text = self._decode(self._context, len(self._ids))
        if text.endswith(REPLACEMENT):
            return ""
        return self._advance(text)

    def flush(self) -> str:
        """Return what was held back, without a character that was never completed; the next id starts a new text."""
        delta = self._advance(self._decode(self._context, len(self._ids))).rstrip(REPLACEMENT)
        self._ids, self._context, self._emitted = [], 0, 0
        return delta

    def _advance(self, text: str) -> str:
        # One window back is decoded again, since a token's text can depend on the token before it (spaces, joins).
        delta = text[len(self._decode(self._context, self._emitted)) :]
        self._context, self._emitted = self._emitted, len(self._ids)
        return delta

    def _decode(self, start: int, end: int) -> str:
        text = self._tokenizer.decode(
            self._ids[start:end], skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        assert isinstance(text, str)
        return text


def _encode(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]) if text else []


def _cut(text: str, names: list[str]) -> Iterator[str]:
    """Cut a text inside every occurrence of a name, so that no piece holds one whole."""
    while places := [text.find(name) for name in names if len(name) > 1 and name in text]:
        cut = min(places) + 1
        yield text[:cut]
        text = text[cut:]
    yield text
