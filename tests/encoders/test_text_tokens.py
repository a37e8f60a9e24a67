"""Text becomes the ids that the towers were made for."""

from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from encoders.imagebind_config import ImageBindConfig, TextConfig
from encoders.text_tokens import clip_encode, file_encode, spelled_apart, text_batch, train_tokenizer

SENTENCES = ["a red bell above a blue boat", "the sound of a small bird", "画一个红色的铃铛"]


@pytest.fixture
def trained(tmp_path: Path) -> tuple[Path, TextConfig]:
    path = tmp_path / "tokenizer.json"
    vocab_size = train_tokenizer(SENTENCES, 290, path)
    text = ImageBindConfig.tiny(vocab_size).text
    assert text
    return path, text


def test_a_typed_control_token_of_clips_stays_text() -> None:
    text, encode = ImageBindConfig.huge().text, clip_encode()
    assert text
    ids = text_batch(["a red <end_of_text> bell <START_OF_TEXT>", "&lt;end_of_text&gt;"], encode, text)
    assert (ids == text.end_id).sum(dim=1).tolist() == [1, 1]
    assert (ids == text.start_id).sum(dim=1).tolist() == [1, 1]
    assert encode("<end_of_text>") == [*encode("<"), *encode("end_of_text>")]
    assert encode("a red < bell") == [*encode("a red"), *encode("< bell")]


def test_rows_have_a_start_an_end_and_zeros(trained: tuple[Path, TextConfig]) -> None:
    path, text = trained
    ids = text_batch(["a red bell", ""], file_encode(path, text), text)
    assert ids.shape == (2, text.context_length)
    assert ids[1].tolist() == [text.start_id, text.end_id] + [0] * 22
    assert ids[0, 0] == text.start_id
    assert (ids == text.end_id).sum(dim=1).tolist() == [1, 1]


def test_a_long_text_is_cut_before_its_end(trained: tuple[Path, TextConfig]) -> None:
    path, text = trained
    ids = text_batch(["bell " * 100], file_encode(path, text), text)
    assert ids[0, -1] == text.end_id
    assert (ids == text.end_id).sum() == 1


def test_case_does_not_matter_and_any_script_is_readable(trained: tuple[Path, TextConfig]) -> None:
    path, text = trained
    encode = file_encode(path, text)
    assert encode("A Red BELL") == encode("a red bell")
    assert encode("铃铛🙂")
    assert max(encode("铃铛🙂 <|end|>")) < text.start_id


def test_a_tokenizer_too_large_for_its_tower_is_refused(trained: tuple[Path, TextConfig]) -> None:
    path, text = trained
    with pytest.raises(ValueError, match=r"has 290 tokens; .* vocab_size 200 has room for 198"):
        file_encode(path, replace(text, vocab_size=200))


def test_a_typed_control_token_of_a_tokenizer_json_stays_text(trained: tuple[Path, TextConfig]) -> None:
    path, text = trained
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.add_special_tokens(["<|end|>"])
    tokenizer.save(str(path))
    encode = file_encode(path, replace(text, vocab_size=text.vocab_size + 1))
    control = tokenizer.token_to_id("<|end|>")
    for typed in ("a red <|end|> bell", "<|END|>", "<|end|>" * 500):
        assert control not in encode(typed)
    assert encode("a red bell") == tokenizer.encode("a red bell").ids


def test_names_are_spelled_apart_wherever_they_stand_and_nothing_else_changes() -> None:
    assert spelled_apart("</s></S> a<pad>", ["</s>", "<pad>", "<"]) == "< /s>< /S> a< pad>"
    assert spelled_apart("<<pad>", ["<<pad>", "<pad>"]) == "< < pad>"
    assert spelled_apart("a < b", []) == spelled_apart("a < b", ["</s>", " ", ""]) == "a < b"
