"""The pages in other languages: no message is missing, none is stale, and a Chinese page shows no English."""

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from studio_pages import latin_words, marked_messages, pages

from studio.models.presets import HONEST_LABEL
from studio.ui.catalogue import read_catalogue, translations
from studio.ui.words import LOCALES

CATALOGUES = sorted(LOCALES.glob("*.po"))
# What things are called in every language.
NAMES = "Multimodal Studio Apache VAE BigGAN StyleGAN NExT GPT ImageBind none studio library add FOLDER"
PLACEHOLDER = re.compile(r"\{\w*[^}]*\}")


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_every_message_is_translated_and_no_translation_is_stale(path: Path) -> None:
    catalogue = read_catalogue(path)
    header = catalogue.pop("")
    assert "charset=UTF-8" in header
    assert set(catalogue) == marked_messages() | {HONEST_LABEL}
    assert not [message for message, text in catalogue.items() if not text.strip()]


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_translations_fill_in_what_the_messages_do(path: Path) -> None:
    for message, text in read_catalogue(path).items():
        if message:
            assert sorted(PLACEHOLDER.findall(message)) == sorted(PLACEHOLDER.findall(text)), message


def test_a_catalogue_is_read_by_gettext_itself(tmp_path: Path) -> None:
    path = tmp_path / "xx.po"
    path.write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n# A note.\nmsgid "a \\"b\\""\n'
        'msgstr "ä "\n"long one"\n\nmsgid "not yet"\nmsgstr ""\n',
        encoding="utf-8",
    )
    read = translations(path)
    assert read.gettext('a "b"') == "ä long one"
    assert read.gettext("not yet") == "not yet"
    path.write_text("nonsense\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 1"):
        translations(path)


@pytest.mark.usefixtures("started_workers")
@pytest.mark.parametrize("name", pages())
def test_a_page_in_chinese_shows_no_english(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.ui.words.language", lambda: "zh-CN")
    page = pages()[name].run()
    assert not page.exception
    assert not latin_words(page, allowed=set(NAMES.split()))


@pytest.mark.usefixtures("started_workers")
def test_an_unknown_language_reads_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.ui.words.language", lambda: "eo")
    page: AppTest = pages()["chat"].run()
    assert page.button(key="new").label == "New conversation"
