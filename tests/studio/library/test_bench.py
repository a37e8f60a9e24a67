"""The bench measures what it says, at a size that a test can afford; 250 damaged files among it."""

import re
from pathlib import Path

import numpy as np
import pytest
from parts import imagebind_folder
from typer.testing import CliRunner

from encoders.files import read_media
from encoders.media import MediaError
from studio.cli import app
from studio.library.bench import exact_bench, graph_bench, measure
from studio.library.bench_ingest import damage_bench, ingest_bench, kill_bench, write_damaged, write_pictures
from studio.library.encoders import EncoderEmbedder, load_embedder


def small(folder: Path) -> EncoderEmbedder:
    return load_embedder("imagebind", f"imagebind:{imagebind_folder(folder)}")


def test_searches_are_compared_side_by_side() -> None:
    lines = list(exact_bench(400))
    assert [line.split()[0] for line in lines[1:4]] == ["this", "numpy", "usearch"]


def test_no_way_to_search_always_follows_the_same_other() -> None:
    calls: list[str] = []
    ways = [lambda query, name=name: calls.append(name) for name in "abc"]
    assert len(measure(ways, np.zeros((20, 4), np.float32))) == 3
    rounds = ["".join(calls[start : start + 3]) for start in range(0, len(calls), 3)]
    assert len(rounds) == 21 and all(sorted(one) == ["a", "b", "c"] for one in rounds)
    assert {one[0] for one in rounds} == {"a", "b", "c"}


def test_each_part_of_the_bench_is_named_in_its_help() -> None:
    told = " ".join(CliRunner().invoke(app, ["library", "bench", "--help"]).output.split())
    for option in (
        "--files 100000",
        "--kills 200",
        "--damaged 5000",
        "--meaning FOLDER/manifest.jsonl",
        "python -m tests.world_manifest FOLDER",
    ):
        assert option in told


def test_a_small_graph_recalls_nearly_all() -> None:
    recalls = [float(number) for number in re.findall(r"recall@10 ([\d.]+)", "\n".join(graph_bench(600)))]
    assert recalls[0] >= 0.95 and recalls[1] == 1


def test_damaged_files_of_every_kind_have_an_outcome_and_harm_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (line,) = damage_bench(250, embedders=[small(tmp_path)])
    found = re.fullmatch(
        r"250 damaged files: (\d+) refused with a reason, the slowest took [\d.]+ s of at most 10", line
    )
    assert found is not None and int(found[1]) > 100
    assert not caplog.records  # nothing but the decoder stumbled


def test_two_damaged_files_that_came_out_the_same_are_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_the_same(folder: Path, count: int) -> None:
        write_pictures(folder, 1, side=16)
        for number in range(1, count):
            (folder / f"{number:06}.png").write_bytes((folder / "000000.png").read_bytes())

    monkeypatch.setattr("studio.library.bench_ingest.write_damaged", write_the_same)
    (line,) = damage_bench(8, embedders=[small(tmp_path)])
    assert line.startswith("8 damaged files: 0 refused with a reason")


def test_what_is_made_to_harm_is_refused_with_a_reason(tmp_path: Path) -> None:
    write_damaged(tmp_path / "files", 51)
    hostile = [tmp_path / "files" / path.name for path in sorted((tmp_path / "files").iterdir())[::10]]
    assert len({path.suffixes[-1] for path in hostile}) == 5
    for path in hostile:
        with pytest.raises(MediaError) as caught:
            read_media(path)
        assert len(str(caught.value)) > 20


def test_kills_at_random_moments_lose_nothing(tmp_path: Path) -> None:
    (line,) = kill_bench(4, num_items=16, standing=200, embedders=[small(tmp_path)])
    assert line.startswith("4 kills: 0 acknowledged files lost, 0 there twice, 0 damaged databases")
    assert "ready again with 216 items" in line


def test_ingest_is_measured_beside_decoding_and_encoding_with_its_memory(tmp_path: Path) -> None:
    told = "\n".join(ingest_bench(12, embedders=[small(tmp_path)]))
    assert re.search(r"decoding alone [\d,.]+ files/s, encoding alone [\d,.]+ files/s", told)
    assert re.search(r"memory after a tenth of them [\d,]+ MiB, after all [\d,]+ MiB: \d\.\d\d times", told)
