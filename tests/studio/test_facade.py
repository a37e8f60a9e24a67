"""The studio in Python: replies, recipes, remakes."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from encoders.files import write_media
from encoders.media import Image
from studio import Studio, StudioError
from studio.comparison import Verdict
from studio.library.library import Library
from studio.models.in_memory import Model, OneModel
from studio.options import DecodeChoice, ReplyOptions
from studio.recipe import read_recipe
from studio.studio import Reply

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers' own
ROOT = Path(__file__).resolve().parents[2]
OPTIONS = ReplyOptions(max_new_tokens=60, temperature=1.0, decode={"image": DecodeChoice(steps=3)})
ONE_IMAGE = replace(OPTIONS, outputs=("image",))


@pytest.fixture
def studio(home: Path, models: OneModel) -> Studio:
    return Studio(home=home, models=models)


def ask_for_media(studio: Studio, modality: str, **shown: Image) -> Reply:
    """Ask for one modality with one seed after the other until the random model makes it."""
    options = replace(OPTIONS, outputs=(modality,))
    for seed in range(60):
        reply = studio.chat("draw a red bell", image=shown.get("image", ()), options=options, seed=seed)
        if reply.media:
            return reply
    raise AssertionError(f"no {modality} in 60 replies")


def picture() -> Image:
    return Image.from_uint8(np.random.default_rng(0).integers(0, 255, (20, 20, 3), dtype=np.uint8))


def test_importing_the_studio_loads_nothing_heavy() -> None:
    script = (
        "import sys, studio; from studio import StudioError, Studio\n"
        "heavy = {'torch', 'transformers', 'diffusers', 'streamlit', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


@pytest.mark.parametrize("modality", ["image", "audio", "video"])
def test_every_medium_is_made_again_identically_from_the_file_alone(
    studio: Studio, models: OneModel, tmp_path: Path, modality: str
) -> None:
    files = ask_for_media(studio, modality).save(tmp_path / "out")
    file = next(path for path in files if path.name.startswith(modality))
    elsewhere = Studio(home=tmp_path / "elsewhere", models=models)
    report = elsewhere.replay(file)
    assert (report.verdict, report.differences) == (Verdict.IDENTICAL, ())


def test_the_same_seed_gives_the_same_files_and_another_seed_others(studio: Studio) -> None:
    reply = ask_for_media(studio, "image")
    again = studio.chat("draw a red bell", options=ONE_IMAGE, seed=reply.seed)
    other = studio.chat("draw a red bell", options=ONE_IMAGE, seed=reply.seed + 1)
    assert again.content == reply.content
    assert other.content != reply.content


def test_a_reply_tells_near_copies_when_it_is_asked(studio: Studio) -> None:
    reply = ask_for_media(studio, "image")
    assert reply.near_copies() == []
    library = Library(studio.media.store)
    (made, *_) = [part["media"] for part in reply.content if "media" in part]
    library.remove(made)
    copy, _ = studio.media.add(reply.media[0])
    again = studio.chat("draw a red bell", options=ONE_IMAGE, seed=reply.seed)
    said = f"The picture {made[:12]} is the same as {copy.id[:12]} in the library."
    assert again.near_copies()[0] == again.near_copies()[0] == said


def test_saving_never_overwrites(studio: Studio, tmp_path: Path) -> None:
    reply = ask_for_media(studio, "image")
    names = [path.name for path in (*reply.save(tmp_path), *reply.save(tmp_path))]
    assert len(set(names)) == len(names) == 2 * len(reply.media)


def test_a_file_carries_the_whole_conversation_before_it(studio: Studio, tmp_path: Path) -> None:
    talk = studio.conversation()
    talk.send("hello", options=replace(OPTIONS, outputs=()), seed=1)
    for seed in range(60):
        reply = talk.send("and now a bell", options=replace(ONE_IMAGE, max_new_tokens=30), seed=seed)
        if reply.media:
            break
    assert reply.media, "the random model makes an image within 60 turns"
    recipe = read_recipe(reply.save(tmp_path)[0])
    assert recipe.messages[0]["content"] == [{"type": "text", "text": "hello"}]
    assert recipe.messages[-1]["content"] == [{"type": "text", "text": "and now a bell"}]
    assert recipe.options.seed == reply.seed
    assert studio.replay(reply.save(tmp_path)[0]).is_same


def test_what_was_shown_is_found_in_the_store_or_beside_the_file_else_named(
    studio: Studio, models: OneModel, tmp_path: Path
) -> None:
    file = ask_for_media(studio, "image", image=picture()).save(tmp_path / "out")[0]
    assert studio.replay(file).verdict == Verdict.IDENTICAL
    elsewhere = Studio(home=tmp_path / "elsewhere", models=models)
    with pytest.raises(StudioError, match="Put that file into the same folder"):
        elsewhere.replay(file)
    write_media(file.parent / "shown.png", picture())
    (file.parent / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert elsewhere.replay(file).verdict == Verdict.IDENTICAL


def test_other_weights_and_threads_are_named_when_a_remake_differs(
    studio: Studio, model: Model, tmp_path: Path
) -> None:
    file = ask_for_media(studio, "image").save(tmp_path)[0]
    changed = replace(
        model, preset_hash="0" * 64, environment=replace(model.environment, threads=model.environment.threads + 1)
    )
    recipe = read_recipe(file)
    edited = replace(recipe, options=replace(recipe.options, decode={"image": DecodeChoice(steps=1)}))
    write_media(file, picture(), edited.metadata())
    report = Studio(home=tmp_path / "x", models=OneModel(lambda preset: changed)).replay(file)
    assert report.verdict == Verdict.DIFFERENT
    assert "other weights" in report.differences[0]
    assert any(difference.startswith("threads") for difference in report.differences)
    assert "different" in report.sentence()


def test_a_file_without_a_recipe_says_what_a_recipe_needs(studio: Studio, tmp_path: Path) -> None:
    plain = write_media(tmp_path / "plain.png", picture())
    with pytest.raises(StudioError, match="carries no recipe"):
        studio.replay(plain)
    with pytest.raises(StudioError, match="There is no file"):
        studio.replay(tmp_path / "missing.png")


def test_nothing_to_say_or_the_wrong_kind_of_file_is_told(studio: Studio, tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="Say something"):
        studio.chat(" ")
    file = write_media(tmp_path / "a.png", picture())
    with pytest.raises(ValueError, match="given as audio holds image"):
        studio.chat("listen", audio=file)


def test_what_on_event_raises_cancels_and_leaves_the_conversation_as_it_was(studio: Studio) -> None:
    class Enough(Exception):
        pass

    def stop(kind: str, data: object) -> None:
        raise Enough

    talk = studio.conversation()
    with pytest.raises(Enough):
        talk.send("hello", options=OPTIONS, on_event=stop)
    untouched = talk.send("hello", options=OPTIONS, seed=3)
    assert untouched.content == studio.chat("hello", options=OPTIONS, seed=3).content
