"""`studio search` as a person uses it, with a small real encoder, and what it says when something is wrong."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from parts import imagebind_folder
from PIL import Image as PillowImage
from typer.testing import CliRunner, Result

from encoders.files import write_media
from encoders.media import Audio, Image
from studio.cli import app
from studio.conversation.history import History
from studio.jobs.answer import Answerer
from studio.jobs.queue import JobQueue
from studio.jobs.worker import run_job
from studio.library.artefacts import NEAR_COPY, take_in_artefacts
from studio.library.library import Library
from studio.models.in_memory import OneModel
from studio.search.search import Search, SearchOptions
from studio.store import Store
from studio.studio import Studio

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"imagebind=imagebind:{imagebind_folder(tmp_path_factory.mktemp('imagebind'))}"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("COLUMNS", "250")
    return lambda *words: CliRunner().invoke(app, list(words))


def noise(seed: int) -> Image:
    colours = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return Image.from_uint8(np.array(PillowImage.fromarray(colours).resize((64, 64))))


def made(library: Library, image: Image) -> str:
    """Keep a picture as something that the studio made; return its id."""
    stored, _ = library.media.add(image)
    with library.store.transaction() as database:
        database.execute("INSERT INTO recipes VALUES (?, '{}', 0)", (stored.id,))
    return stored.id


@pytest.fixture
def folder(tmp_path: Path, run: Callable[..., Result], encoder: str) -> Path:
    """Two pictures and a sound, in the library."""
    folder = tmp_path / "mine"
    folder.mkdir()
    write_media(folder / "a red bell.png", noise(0))
    write_media(folder / "other.png", noise(1))
    write_media(folder / "tone.wav", Audio.from_numpy(np.sin(np.arange(4000) / 9).astype(np.float32), 8000))
    assert run("library", "add", str(folder), "--encoder", encoder).exit_code == 0
    return folder


def test_a_file_is_nearest_to_itself_and_its_words_are_found(run: Callable[..., Result], folder: Path) -> None:
    for name in ("a red bell.png", "other.png", "tone.wav"):
        kind = "kind:audio" if name == "tone.wav" else "kind:image"
        told = json.loads(run("search", f"{folder}/{name}", kind, "--json").stdout)
        own = next(match for match in told["matches"] if Path(match["path"]).name == name)
        best = told["matches"][0]["cosine"]  # random weights tell pictures apart by little more than float16 does
        assert own["cosine"] == pytest.approx(1, abs=2e-3) and own["cosine"] == pytest.approx(best, abs=2e-3)
    shown = run("search", "bell", "--by", "words")
    assert shown.exit_code == 0 and "a red bell.png (in its words)" in shown.stdout
    shown = run("search", "like:" + own["item"]["id"][:8], "+", "bell", "--cosine")
    assert "Cosine" in shown.stdout and "tone.wav" not in shown.stdout
    assert "too few to tell" in shown.stderr
    assert run("search", "zebra", "--by", "words").stdout == "Nothing here matches. The nearest are shown with --all.\n"


def test_thumbnails_and_reasons_are_written(run: Callable[..., Result], folder: Path, tmp_path: Path) -> None:
    result = run("search", "a bell", "--thumbnails", str(tmp_path / "small"), "--why", str(tmp_path / "why"), "--json")
    matches = json.loads(result.stdout)["matches"]
    assert len(matches) == 3 and all(Path(match["thumbnail"]).is_file() for match in matches)
    pictures = [match for match in matches if match["item"]["modality"] == "image"]
    assert all(Path(match["why"]).is_file() for match in pictures) and len(pictures) == 2


def test_what_was_just_made_is_found_and_a_near_copy_is_flagged(
    run: Callable[..., Result], folder: Path, home: Path
) -> None:
    library = Library(Store(home))
    own = next(item for item in library.items(modality="image") if "bell" in library.paths(item.id)[0])
    with PillowImage.open(folder / "a red bell.png") as picture:
        smaller = np.array(picture.resize((60, 60)))
    shown, _ = library.media.add(Image.from_uint8(smaller[:59]))  # by the person: not made here
    copy, new = made(library, Image.from_uint8(smaller)), made(library, noise(7))
    result = run("search", "kind:image", "tag:" + NEAR_COPY)
    assert f"{copy[:12]} is nearly the same as {own.id[:12]} (a red bell.png) and 1 more" in result.stderr
    assert shown.id[:12] not in result.output and own.id[:12] not in result.stdout
    told = json.loads(run("library", "show", copy).stdout)
    assert told["near_copy_of"] == [own.id, shown.id]
    assert copy[:12] in result.stdout and new[:12] not in result.stdout
    assert new[:12] in run("search", "a bell", "kind:image").stdout
    assert list(take_in_artefacts(library)) == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["knid:image"], "no filter 'knid'"),
        (["./nowhere.png"], "There is no file"),
        (["like:abc"], "no one medium"),
        (["a", "bell", "--by", "magic"], "both, meaning, words"),
        (["a bell", "--attach", "draw it"], "could be attached"),
    ],
)
def test_a_mistake_is_answered_with_a_line(run: Callable[..., Result], words: list[str], says: str) -> None:
    result = run("search", *words)
    assert result.exit_code == 1 and says in result.stderr and "Traceback" not in result.output


def test_its_help_lists_every_filter_and_loads_nothing() -> None:
    from studio.search.filters import FILTERS

    code = "import sys\nfrom typer.testing import CliRunner\nfrom studio.cli import app\n"
    code += (
        "result = CliRunner().invoke(app, ['search', '--help'])\nassert result.exit_code == 0\nprint(result.output)\n"
    )
    code += "print([name for name in ('numpy', 'sqlalchemy', 'scipy', 'usearch', 'torch') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.strip().endswith("[]")
    assert all(f"{name}:" in done.stdout for name in FILTERS)


def test_the_best_match_is_attached_and_answered_about(
    run: Callable[..., Result], folder: Path, models: OneModel, home: Path, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    store = Store(home)

    def work_now(home: Path, *, preset: str) -> bool:
        lease = JobQueue(store).claim()
        if lease is not None:
            run_job(lease, Answerer(store, models=models).kinds())
        return True

    monkeypatch.setattr("studio.conversation.ask.ensure_worker", work_now)
    monkeypatch.chdir(tmp_path)
    result = run("search", "bell", "--by", "words", "--attach", "what is this?")
    assert result.exit_code == 0
    (conversation,) = History(store).recent()
    asked = History(store).messages(conversation.id)[0].content
    assert [part["type"] for part in asked] == ["image", "text"] and asked[1]["text"] == "what is this?"
    with (
        PillowImage.open(folder / "a red bell.png") as own,
        PillowImage.open(Library(store).path(asked[0]["media"])) as sent,
    ):
        assert np.array_equal(np.asarray(own), np.asarray(sent))


def test_matches_go_into_a_conversation_in_python(folder: Path, models: OneModel, home: Path) -> None:
    found = Search(Library(Store(home)))("bell", SearchOptions(by="words"))
    reply = Studio(models=models).conversation().send("what is this?", **found.attachments(), seed=1)  # type: ignore[arg-type]
    assert reply.seed == 1


def test_captions_are_written_by_a_command(
    run: Callable[..., Result], folder: Path, model_folder: Path, home: Path
) -> None:
    said = run("library", "describe", "--preset", str(model_folder), "--limit", "1")
    assert said.exit_code == 0 and len(said.stdout.splitlines()) >= 1
    library = Library(Store(home))
    for item in library.items():
        library.texts.add(item.id, "caption", "told", source="person")
    assert "nothing without a caption" in run("library", "describe").stderr
