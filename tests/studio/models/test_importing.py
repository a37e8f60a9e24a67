"""`studio import nextgpt`: a model that answers, or a sentence and nothing on the disk."""

from collections.abc import Callable
from pathlib import Path

import nextgpt_checkpoint as published
import parts
import pytest
import torch
from typer.testing import CliRunner, Result

from pipelines.any_to_any import AnyToAnyPipeline
from pipelines.options import GenerationOptions
from studio.cli import app

SIZES = {"image": (6, 16), "video": (120, 16), "audio": (1, 8)}  # what the decoders in tests/parts.py take


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Import a random checkpoint onto a random core, both in the person's folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    tokenizer = parts.core_tokenizer()
    parts.core_model(len(tokenizer)).save_pretrained("core")
    tokenizer.save_pretrained("core")
    parts.audio_pipeline().save_pretrained("audio")
    parts.imagebind_folder(tmp_path / "imagebind")

    def invoke(*words: str, trained: float = 0.0) -> Result:
        core, outputs = parts.core_model(len(tokenizer)), published.projections(48, SIZES)
        torch.save(published.legacy_checkpoint(core, outputs, 24, trained=trained), "pytorch_model.pt")
        words = (
            "pytorch_model.pt",
            "--base",
            "core",
            "--output",
            "nextgpt",
            "--image",
            "none",
            "--video",
            "none",
            *words,
        )
        return CliRunner().invoke(app, ["import", "nextgpt", *words])

    return invoke


def test_an_imported_model_answers(run: Callable[..., Result]) -> None:
    done = run("--encoder", "imagebind", "--audio", "audio", trained=1e-3)
    assert done.exit_code == 0, done.output
    assert done.stdout == "Imported. Talk with it: studio chat --preset nextgpt\n"
    assert "Warning: The checkpoint has other word embeddings than core" in done.stderr
    assert "The weights that NExT-GPT's authors released are CC-BY-NC-SA-4.0" in Path("nextgpt/README.md").read_text()
    pipe = AnyToAnyPipeline.from_pretrained("nextgpt")
    options = GenerationOptions(max_new_tokens=8, seed=0)
    assert pipe([{"role": "user", "content": "hello"}], options=options, num_inference_steps=2)


def test_what_does_not_fit_is_told_and_nothing_is_written(run: Callable[..., Result]) -> None:
    failed = run("--encoder", "imagebind", "--audio", "audio", "--signals-video", "23")
    assert failed.exit_code == 1
    assert "2 of the wrong shape" in failed.stderr
    assert "nothing was written" in failed.stderr
    unnamed = run("--audio", "audio")
    assert unnamed.exit_code == 1
    assert "--encoder FOLDER" in unnamed.stderr
    assert sorted(path.name for path in Path().iterdir()) == ["audio", "core", "home", "imagebind", "pytorch_model.pt"]
