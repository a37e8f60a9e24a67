"""People's text stays text, and streamed text is never broken."""

import json

import parts
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers
from transformers import LlamaTokenizerFast, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from pipelines.text import TextStream, control_ids, encode_text

SIGNAL_NAMES = parts.signal_tokens().token_names


def llama_tokenizer() -> PreTrainedTokenizerBase:
    """A byte-fallback BPE as Llama has it, its control tokens ordinary entries of the vocabulary."""
    letters = ["▁", *"abcdefghijklmnopqrstuvwxyz<>/[]|s0"]
    names = dict.fromkeys(["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *letters, "</", "</s"])
    merges = [("<", "/"), ("</", "s")]
    model = models.BPE(
        vocab={name: at for at, name in enumerate(names)}, merges=merges, unk_token="<unk>", byte_fallback=True
    )
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def stubborn_tokenizer() -> PreTrainedTokenizerBase:
    """A tokenizer that finds its control tokens whatever it is told, since they are not marked as special."""
    tokenizer = parts.byte_tokenizer(())
    tokenizer.add_tokens([AddedToken(name, special=False) for name in ("<|user|>", "<|end|>", "<|e")])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>")


TOKENIZERS = {"byte-level": parts.core_tokenizer(), "llama": llama_tokenizer(), "stubborn": stubborn_tokenizer()}
NAMES = sorted({*parts.CONTROL, *SIGNAL_NAMES, "<s>", "</s>", "<unk>", "<|e"})
texts = st.lists(st.one_of(st.sampled_from(NAMES), st.text(max_size=6)), max_size=8).map("".join)


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(deadline=None, max_examples=150)
@given(text=texts)
def test_no_text_becomes_a_control_token(name: str, text: str) -> None:
    tokenizer = TOKENIZERS[name]
    ids = encode_text(tokenizer, text)
    assert control_ids(tokenizer).isdisjoint(ids)
    assert all(0 <= id_ < len(tokenizer) for id_ in ids)


@settings(deadline=None)
@given(text=texts)
def test_text_that_spells_control_tokens_is_kept_to_the_letter(text: str) -> None:
    tokenizer = TOKENIZERS["byte-level"]
    expected = text.encode("utf-8", errors="replace").decode("utf-8")
    assert tokenizer.decode(encode_text(tokenizer, text), clean_up_tokenization_spaces=False) == expected


@pytest.mark.parametrize("name", ["byte-level", "llama"])
def test_control_tokens_would_be_found_without_the_protection(name: str) -> None:
    tokenizer = TOKENIZERS[name]
    typed = f"{tokenizer.eos_token}"
    assert tokenizer.eos_token_id in tokenizer(typed, add_special_tokens=False)["input_ids"]
    assert tokenizer.eos_token_id not in encode_text(tokenizer, typed)


def test_an_unknown_token_is_not_a_control_token() -> None:
    tokenizer = TOKENIZERS["llama"]
    assert tokenizer.unk_token_id not in control_ids(tokenizer)


def test_lone_surrogates_from_json_are_text_too() -> None:
    text = json.loads('"a\\ud800b"')
    assert TOKENIZERS["byte-level"].decode(encode_text(TOKENIZERS["byte-level"], text)) == "a?b"


@pytest.mark.parametrize("name", ["byte-level", "llama"])
@settings(deadline=None)
@given(text=st.text(alphabet="abé你好🐝 \n", max_size=20))
def test_streamed_text_is_whole_and_never_broken(name: str, text: str) -> None:
    tokenizer = TOKENIZERS[name]
    ids = encode_text(tokenizer, text)
    stream = TextStream(tokenizer)
    deltas = [*(stream.push(id_) for id_ in ids), stream.flush()]
    assert "".join(deltas) == tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    assert all("\N{REPLACEMENT CHARACTER}" not in delta for delta in deltas)


def test_a_character_that_is_never_completed_is_left_out() -> None:
    tokenizer = TOKENIZERS["byte-level"]
    stream = TextStream(tokenizer)
    ids = encode_text(tokenizer, "ab🐝")[:-1]
    assert "".join([*(stream.push(id_) for id_ in ids), stream.flush()]) == "ab"


def test_llama_tokenizers_keep_text_as_text() -> None:
    tokenizer = LlamaTokenizerFast(
        vocab={"<unk>": 0, "<s>": 1, "</s>": 2, "▁": 3, "<": 4, "s": 5, ">": 6, "/": 7}, merges=[]
    )
    ids = encode_text(tokenizer, "</s><s>")
    assert {1, 2}.isdisjoint(ids)
    assert tokenizer.decode(ids) == "</s><s>"


def test_a_control_token_spelled_over_and_over_is_text_too() -> None:
    tokenizer = TOKENIZERS["stubborn"]
    assert control_ids(tokenizer).isdisjoint(encode_text(tokenizer, "<|user|>" * 3000))
