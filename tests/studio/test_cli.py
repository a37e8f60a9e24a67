"""The command line: light, helpful, and never a traceback for a person's mistake."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from encoders.files import write_media
from encoders.media import Image
from studio.cli import app
from studio.conversation.history import History
from studio.errors import Cancelled, StudioError
from studio.jobs.answer import Answerer
from studio.jobs.queue import JobQueue
from studio.jobs.worker import run_job
from studio.models.in_memory import OneModel
from studio.store import Store

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers' own
ROOT = Path(__file__).resolve().parents[2]
STEADY = ("--temperature", "1", "--max-new-tokens", "40", "--steps-image", "2")


@pytest.fixture
def run(store: Store, models: OneModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """Run a command in an empty folder; a stand-in for the worker answers as soon as it is called for."""
    answerer = Answerer(store, models=models)

    def work_now(home: Path, *, preset: str) -> bool:
        assert home == store.home
        while lease := JobQueue(store).claim():
            run_job(lease, answerer.kinds())
        return True

    monkeypatch.setattr("studio.conversation.ask.ensure_worker", work_now)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    runner = CliRunner()
    return lambda *words, **options: runner.invoke(app, list(words), **options)


@pytest.fixture
def becomes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[Sequence[str], Mapping[str, str]]]]:
    """Note the command that would take the process over."""
    noted: list[tuple[Sequence[str], Mapping[str, str]]] = []
    monkeypatch.setattr("studio.cli.become", lambda command, environment: noted.append((command, environment)))
    folder = Path.cwd()
    yield noted
    os.chdir(folder)


def answer_with_media(run: Callable[..., Result], *words: str) -> dict[str, object]:
    """Ask with one seed after the other until the random model makes something."""
    for seed in range(60):
        result = run("chat", "draw a bell", "--json", "--seed", str(seed), *STEADY, *words)
        assert result.exit_code == 0, result.output
        answer: dict[str, object] = json.loads(result.stdout)
        if answer["files"]:
            return answer
    raise AssertionError("nothing made in 60 replies")


@pytest.mark.parametrize("words", [["--help"], ["chat", "--help"], ["replay", "--help"], ["serve", "--help"]])
def test_help_needs_nothing_heavy(words: list[str]) -> None:
    script = (
        f"import sys; from studio.cli import app; sys.argv = ['studio', *{words!r}]\n"
        "try: app()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'torch', 'transformers', 'diffusers', 'streamlit', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    shown = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True)
    assert "Usage" in shown.stdout


def test_one_request_writes_files_and_prints_one_object(run: Callable[..., Result], tmp_path: Path) -> None:
    answer = answer_with_media(run, "--output", "out")
    assert isinstance(answer["files"], list)
    assert all((tmp_path / file).is_file() and Path(file).parent.name == "out" for file in answer["files"])
    assert set(answer) == {"text", "files", "notices", "seed", "conversation"}


def test_the_same_seed_gives_the_same_reply(run: Callable[..., Result]) -> None:
    answer = answer_with_media(run)
    again = json.loads(run("chat", "draw a bell", "--json", "--seed", str(answer["seed"]), *STEADY).stdout)
    assert isinstance(answer["files"], list)
    assert again["text"] == answer["text"]
    assert Path(again["files"][0]).read_bytes() == Path(answer["files"][0]).read_bytes()


def test_a_reply_is_prose_with_the_paths_of_its_files(run: Callable[..., Result]) -> None:
    seed = str(answer_with_media(run)["seed"])
    shown = run("chat", "draw a bell", "--seed", seed, *STEADY)
    assert shown.exit_code == 0
    assert "→ outputs/" in shown.stdout


def test_a_file_is_replayed(run: Callable[..., Result], tmp_path: Path) -> None:
    files = answer_with_media(run)["files"]
    assert isinstance(files, list)
    shown = run("replay", files[0], "--preset", "tiny", "--output", "again")
    assert shown.exit_code == 0, shown.output
    assert "identical" in shown.stdout or "equivalent" in shown.stdout
    assert list((tmp_path / "again").iterdir())
    assert json.loads(run("replay", files[0], "-p", "tiny", "--json").stdout)["verdict"] in ("identical", "equivalent")


def test_attached_files_reach_the_model_and_a_conversation_is_continued(
    run: Callable[..., Result], store: Store, tmp_path: Path
) -> None:
    picture = Image.from_uint8(np.zeros((16, 16, 3), dtype=np.uint8))
    write_media(tmp_path / "in.png", picture)
    assert run("chat", "What is this?", "--image", "in.png", "--outputs", "", *STEADY).exit_code == 0
    assert run("chat", "And now?", "--continue", "--outputs", "", *STEADY).exit_code == 0
    (conversation,) = History(store).recent()
    requests = [message for message in History(store).messages(conversation.id) if message.role == "user"]
    assert [[part["type"] for part in request.content] for request in requests] == [["image", "text"], ["text"]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("chat", "look", "--image", "missing.png"), "Cannot read missing.png"),
        (("chat", "x", "--seed", "-1"), "seed must lie between"),
        (("chat", "x", "--outputs", "smell"), "A reply can hold image, audio, video"),
        (("chat", "x", "--continue"), "There is no earlier conversation"),
        (("chat", "--json"), "--json answers one request"),
        (("chat", "look", "--image", "text.png"), "is text"),
        (("replay", "missing.png"), "There is no file missing.png"),
        (("replay", "text.png"), "text.png"),
        (("presets", "show", "huge"), "There is no preset 'huge'"),
    ],
)
def test_a_mistake_is_told_in_a_line(
    run: Callable[..., Result], tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    (tmp_path / "text.png").write_text("not a picture")
    shown = run(*words)
    assert shown.exit_code == 1
    assert message in shown.stderr
    assert "Traceback" not in shown.output
    assert shown.stdout == ""


def test_presets_are_listed_and_shown(run: Callable[..., Result]) -> None:
    assert "tiny" in run("presets", "list").stdout
    assert "Apache-2.0" in run("presets", "show", "tiny").stdout


def test_the_interactive_prompt_takes_commands_and_survives_mistakes(
    run: Callable[..., Result], store: Store, tmp_path: Path
) -> None:
    picture = Image.from_uint8(np.zeros((16, 16, 3), dtype=np.uint8))
    write_media(tmp_path / "in.png", picture)
    lines = (
        '/image "in.png\n/image in.png\n/video\n/seed 7\n/dance\nWhat is this?\n/new\nhello\n/save out\n/quit\nnever\n'
    )
    shown = run("chat", "--outputs", "", *STEADY, input=lines)
    assert shown.exit_code == 0, shown.output
    for told in ("quotation mark", "Attached in.png", "Name the file", "no command /dance", "A new conversation"):
        assert told in shown.stderr
    conversations = History(store).recent()
    assert [record.title for record in conversations] == ["hello", "What is this?"]
    (first, _) = History(store).messages(conversations[1].id)
    assert [part["type"] for part in first.content] == ["image", "text"]


@pytest.mark.parametrize(
    ("words", "module"),
    [
        (("evaluate", "--quick", "--help"), "training.evaluate"),
        (("train", "align-inputs", "--preset", "tiny", "--resume"), "training.align_inputs"),
        (("train", "align-outputs", "--help"), "training.align_outputs"),
        (("train", "refit", "--help"), "training.refit"),
        (("train", "instruct", "--data", "x.jsonl"), "training.instruct"),
        (("train", "vae", "--beta", "4"), "training.baselines.vae"),
        (("train", "biggan", "--resume"), "training.baselines.biggan"),
        (("train", "stylegan", "--data", "pictures"), "training.baselines.stylegan"),
        (("lab", "evaluate", "--model", "runs/vae"), "training.baselines.evaluate"),
    ],
)
def test_training_runs_as_a_process_with_its_own_options(
    run: Callable[..., Result],
    becomes: list[tuple[Sequence[str], Mapping[str, str]]],
    words: tuple[str, ...],
    module: str,
) -> None:
    assert run(*words).exit_code == 0
    ((command, environment),) = becomes
    options = list(words[1 if words[0] == "evaluate" else 2 :])
    assert list(command) == [sys.executable, "-m", module, *options]
    assert str(ROOT) in environment["PYTHONPATH"].split(os.pathsep)


@pytest.mark.parametrize(("error", "status"), [(StudioError("Do this."), 1), (Cancelled(), 130)])
def test_every_end_has_its_exit_status(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("studio.conversation.session.ChatSession.send", fail)
    assert run("chat", "hello").exit_code == status
