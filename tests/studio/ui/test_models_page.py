"""The models page: every preset's parts, licences, sizes and presence, told without loading anything."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from studio_pages import html_of, open_page

from pipelines.presets import PRESETS
from studio.models.preset_state import count_parameters, figures_of, memory_of, parts_of
from studio.ui.models import table

pytestmark = pytest.mark.usefixtures("started_workers")


def test_parameters_are_counted_by_the_header_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"a": np.zeros((3, 4), np.float16), "b": np.zeros(5, np.float32)}, path, metadata={"x": "y"})
    assert count_parameters(path) == 17


def test_every_preset_has_parts_with_licences_and_sizes() -> None:
    for preset in PRESETS.values():
        parts = parts_of(preset)
        assert parts
        assert all(part.licence and part.num_parameters > 0 and part.num_bytes > 0 for part in parts)
        assert memory_of(preset) >= 1e6


def test_the_embedded_preset_is_here_whole_with_its_figures() -> None:
    tiny = PRESETS["tiny"]
    assert {part.role for part in parts_of(tiny)} == {"core", "encoder", "decoder", "ours"}
    assert all(part.is_here for part in parts_of(tiny))
    figures = figures_of(tiny)
    assert figures
    assert all(0 <= one.low <= one.high and one.samples > 0 for one in figures)
    reached = {one.title: one.is_reached for one in figures}
    assert all(isinstance(value, bool) for value in reached.values())


def test_the_page_shows_a_preset_and_talks_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    page = open_page("models").run()
    assert not page.exception
    assert "Licence: Apache-2.0" in html_of(page)
    assert "How well it does" in html_of(page)
    assert not page.button(key="talk").disabled


def test_what_is_not_on_this_machine_is_said_and_cannot_be_talked_with(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("studio.models.preset_state.try_to_load_from_cache", lambda *given, **named: None)
    page = open_page("models")
    page.query_params["preset"] = "image-1.5b"
    page.run()
    assert not page.exception
    assert "Not on this machine yet" in page.info[0].value
    assert page.button(key="talk").disabled
    assert "CreativeML" in html_of(page)


def test_a_row_is_named_by_its_first_cell_and_every_other_says_what_it_is() -> None:
    shown = table(("Part", "It&#x27;s &quot;what&quot;", ""), [("a", "<b>b</b>", "")])
    assert '<th scope="row" role="rowheader">a</th>' in shown
    assert (
        '<td role="cell" data-label="It&#x27;s &quot;what&quot;"><b>b</b></td><td role="cell" data-label=""></td>'
        in shown
    )
    with pytest.raises(ValueError, match="shorter"):
        table(("Part", "What"), [("a",)])


def test_an_unknown_preset_in_the_address_shows_the_usual_one() -> None:
    page = open_page("models")
    page.query_params["preset"] = "../../etc"
    page.run()
    assert not page.exception
    assert not page.button(key="talk").disabled
