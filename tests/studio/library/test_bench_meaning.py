"""The bench of meaning: what a hit is, and a run over real items of the world with a small random encoder."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from parts import imagebind_folder
from shelf import Directions
from world_manifest import attributes_of, write_manifest

from encoders.files import write_media
from encoders.media import Image
from studio.errors import StudioError
from studio.library.bench_meaning import Labelled, meaning_bench, read_labelled
from studio.library.encoders import load_embedder
from training.world.scene import Relation, Scene, Thing


def labelled(**attributes: str) -> Labelled:
    return Labelled("text", "image", "", attributes)


def test_a_hit_has_the_same_of_everything_that_both_name() -> None:
    bell = labelled(thing="bell", colour="red", size="big")
    assert bell.is_like(labelled(thing="bell", colour="red")) and bell.is_like(labelled(thing="bell"))
    assert not bell.is_like(labelled(thing="bell", colour="blue"))
    assert not bell.is_like(labelled(motion="up"))


def test_a_pair_has_the_same_attributes_said_either_way() -> None:
    bell, boat = Thing("bell", "red"), Thing("boat", "blue")
    above = attributes_of(Scene((bell, boat), "sky", relation=Relation.ABOVE), "image")
    below = attributes_of(Scene((boat, bell), "sky", relation=Relation.BELOW), "image")
    other = attributes_of(Scene((bell, boat), "sky", relation=Relation.BELOW), "image")
    assert above == below != other


def test_recall_counts_what_is_right(tmp_path: Path) -> None:
    lines = []
    for number, thing in enumerate(("boat", "night", "bell")):
        pixels = np.zeros((8, 8, 3), np.uint8)
        pixels[..., number] = 255
        write_media(tmp_path / f"{thing}.png", Image.from_uint8(pixels))
        lines.append({"image": f"{thing}.png", "attributes": {"thing": thing}})
        lines.append({"text": thing, "about": "image", "attributes": {"thing": "boat" if thing == "bell" else thing}})
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("\n".join(json.dumps(line) for line in lines))
    said = list(meaning_bench(manifest, embedders=[Directions()]))
    assert "text to image: recall@1 66.7% of 3 among 3, by imagebind; aimed at 90%" in said[1]
    assert "image to text: recall@1 100.0% of 2 (1 left out: nothing is like them) among 3" in said[2]
    assert "audio to image: left out (no items)" in said[3]


def test_the_world_is_written_with_its_attributes_and_measured(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path / "world", 2)
    items = read_labelled(manifest)
    assert len(items) == 12 and all(item.attributes["thing"] for item in items)
    (tmp_path / "encoder").mkdir()
    embedder = load_embedder("imagebind", f"imagebind:{imagebind_folder(tmp_path / 'encoder')}")
    said = list(meaning_bench(manifest, embedders=[embedder]))
    assert len(said) == 6
    measured = r"recall@1 (0|50|100)\.0% of [12]( \(1 left out: nothing is like them\))? among 2"
    assert all(re.search(rf"{measured}|left out \(nothing is like any of them\)", line) for line in said[1:])


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"image": "a.png"}', '{"text": "a", "attributes": {}}', '{"attributes": 3}']
)
def test_a_line_that_is_wrong_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "m.jsonl").write_text('{"image": "a.png", "attributes": {}}\n' + line)
    with pytest.raises(StudioError, match=r"Line 2 of m\.jsonl"):
        read_labelled(tmp_path / "m.jsonl")
    with pytest.raises(StudioError, match="There is no manifest"):
        read_labelled(tmp_path / "none")
