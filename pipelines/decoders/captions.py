"""Captions as a pipeline's text encoders may read them: people's words, in which no name of a control token is whole."""

from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from encoders.text_tokens import spelled_apart


def plain_captions(pipeline: Any, captions: Sequence[str]) -> list[str]:
    """Spell apart what any of the pipeline's tokenizers would take for a control token."""
    tokenizers = [part for part in pipeline.components.values() if isinstance(part, PreTrainedTokenizerBase)]
    names = [token.content for tokenizer in tokenizers for token in tokenizer.added_tokens_decoder.values()]
    return [spelled_apart(caption, names) for caption in captions]
