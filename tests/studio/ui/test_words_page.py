"""The pages in other languages: no message is missing, none is stale, and a Chinese page shows no English."""

import html
import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from studio_pages import html_of, latin_words, marked_messages, open_page, pages, preset_messages

from pipelines.presets import PRESETS
from studio.ui.catalogue import read_catalogue, translations
from studio.ui.words import LOCALES

CATALOGUES = sorted(LOCALES.glob("*.po"))
# What things are called in every language.
NAMES = "Multimodal Studio Tiny Apache VAE BigGAN StyleGAN NExT GPT ImageBind none studio library add FOLDER"
PLACEHOLDER = re.compile(r"\{\w*[^}]*\}")


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_every_message_is_translated_and_no_translation_is_stale(path: Path) -> None:
    catalogue = read_catalogue(path)
    header = catalogue.pop("")
    assert "charset=UTF-8" in header
    assert set(catalogue) == marked_messages() | preset_messages()
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
@pytest.mark.parametrize("name", PRESETS)
def test_what_a_preset_and_its_figures_say_of_themselves_is_chinese_too(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.ui.words.language", lambda: "zh-CN")
    page = open_page("models")
    page.query_params["preset"] = name
    page.run()
    assert not page.exception
    shown, chinese = html_of(page), read_catalogue(LOCALES / "zh_CN.po")
    assert html.escape(chinese[PRESETS[name].summary]) in shown
    said = {message: text for message, text in chinese.items() if message in preset_messages() and text != message}
    assert not [message for message in said if html.escape(message.format(name=name)) in shown]


@pytest.mark.usefixtures("started_workers")
def test_an_unknown_language_reads_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.ui.words.language", lambda: "eo")
    page: AppTest = pages()["chat"].run()
    assert page.button(key="new").label == "New conversation"
