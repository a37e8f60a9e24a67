"""`studio library` as a person uses it, and what it says when something is wrong."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from parts import imagebind_folder
from PIL import Image as PillowImage
from typer.testing import CliRunner, Result

from studio.cli import app
from studio.library.library import Library
from studio.library.reindexing import LOCK_NAME
from studio.store import Store

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"imagebind=imagebind:{imagebind_folder(tmp_path_factory.mktemp('imagebind'))}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures, a copy, a damaged one."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for number in range(2):
        colours = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
        PillowImage.fromarray(colours).resize((64, 64)).save(folder / f"{number} bell.png")
    (folder / "copy.png").write_bytes((folder / "0 bell.png").read_bytes())
    (folder / "cut.png").write_bytes((folder / "0 bell.png").read_bytes()[:200])
    return folder


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *words: CliRunner().invoke(app, ["library", *words])


def test_a_folder_is_added_looked_at_gathered_and_removed(
    run: Callable[..., Result], folder: Path, encoder: str, home: Path
) -> None:
    first = run("add", str(folder), "--encoder", encoder)
    assert first.exit_code == 0
    assert "refused" in first.stdout and "'cut.png' looks like PNG, but is damaged" in first.stdout
    again = json.loads(run("add", str(folder), "--encoder", encoder, "--json").stdout)
    assert again["states"] == {"known": 3, "refused": 1}
    items = json.loads(run("list", "--json", "--kind", "image").stdout)
    assert len(items) == 2 and {len(item["paths"]) for item in items} == {1, 2}
    one = items[0]["id"][:10]
    assert (
        run("tag", one, "brass").exit_code == run("star", one).exit_code == run("collect", "Best", one).exit_code == 0
    )
    described = json.loads(run("show", one).stdout)
    assert described["is_starred"] and sorted(
        text["text"] if text["kind"] == "tag" else text["kind"] for text in described["texts"]
    )[::-1][:2] == ["name", "brass"]
    assert [item["id"] for item in json.loads(run("list", "--starred", "--collection", "Best", "--json").stdout)] == [
        items[0]["id"]
    ]
    assert "bell.png" in run("list").stdout
    assert "1 groups." in run("duplicates").stdout
    assert json.loads(run("stats", "--json").stdout) == {
        "items": {"image": 2},
        "num_bytes": {"image": sum(item["num_bytes"] for item in items)},
        "vectors": {"clip": 2, "imagebind": 2},
        "num_refused": 1,
    }
    assert run("verify", "--deep").stdout == "All is well.\n"
    assert run("reindex", "--encoder", encoder).exit_code == 0
    assert run("remove", one).exit_code == 0
    assert len(list(folder.iterdir())) == 4
    assert len(Library(Store(home)).items()) == 1
    assert list((home / "index").glob("*.usearch"))


def test_the_library_is_indexed_anew_in_the_background_while_the_old_encoder_answers(
    run: Callable[..., Result], folder: Path, encoder: str, home: Path, tmp_path: Path
) -> None:
    assert run("add", str(folder), "--encoder", encoder).exit_code == 0
    library = Library(Store(home))
    before = library.encoder("imagebind")
    (tmp_path / "other").mkdir()
    other = f"imagebind=imagebind:{imagebind_folder(tmp_path / 'other', seed=5)}"
    with FileLock(home / LOCK_NAME):
        assert "is being indexed already" in run("reindex", "--encoder", other).stderr
    assert "NAME=KIND:FOLDER" in run("reindex", "--background", "--encoder", "imagebind").stderr
    assert run("reindex", "--background", "--encoder", other).exit_code == 0
    end = time.monotonic() + 300
    while (now := library.encoder("imagebind")) == before and time.monotonic() < end:
        time.sleep(0.1)
    assert now.fingerprint != before.fingerprint and library.vectors.count(now) == 2


def test_verify_names_what_is_missing_or_changed_and_mends_what_can_be(
    run: Callable[..., Result], folder: Path, encoder: str, home: Path
) -> None:
    run("add", str(folder), "--encoder", encoder)
    (folder / "copy.png").unlink()
    (folder / "1 bell.png").write_bytes(b"something else")
    store = Store(home)
    with store.transaction() as database:
        database.execute("INSERT INTO texts_found (texts_found) VALUES ('delete-all')")
    store.close()
    said = run("verify", "--deep")
    assert said.exit_code == 1
    assert (
        "copy.png is not there" in said.stdout and "1 bell.png has changed" in said.stdout and "--mend" in said.stdout
    )
    assert "--mend" not in run("verify", "--mend").stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["add", "/no/such/folder"], "There is no folder or file"),
        (["add", ".", "--encoder", "clip"], "NAME=KIND:FOLDER"),
        (["show", "ffff"], "no one medium"),
        (["remove", "../../etc"], "no one medium"),
        (["list", "--kind", "smell"], "There is no kind 'smell'"),
    ],
)
def test_a_mistake_is_answered_with_a_line(run: Callable[..., Result], words: list[str], says: str) -> None:
    result = run(*words)
    assert result.exit_code == 1 and says in result.stderr and "Traceback" not in result.output


def test_its_help_loads_neither_arrays_nor_databases() -> None:
    code = "import sys\nfrom typer.testing import CliRunner\nfrom studio.cli import app\n"
    code += "assert CliRunner().invoke(app, ['library', '--help']).exit_code == 0\n"
    code += "print([name for name in ('numpy', 'sqlalchemy', 'alembic', 'usearch', 'torch') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
