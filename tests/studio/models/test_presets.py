"""Presets in the terminal: a table with licences and memory, a page, and a plan."""

import io
import re
import subprocess
import sys

import pytest
from rich.console import Console, RenderableType
from typer.testing import CliRunner

from pipelines.presets import PRESETS
from studio.cli import app
from studio.errors import StudioError
from studio.models.preset_plan import gigabytes, plan_page
from studio.models.presets import preset_page, preset_table


def rendered(page: RenderableType) -> str:
    console = Console(width=400, file=io.StringIO())
    console.print(page)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def test_the_table_names_every_preset_with_licence_commercial_use_download_and_memory() -> None:
    lines = rendered(preset_table()).splitlines()
    assert lines[0].split() == ["Name", "What", "it", "is", "Licence", "Commercial", "use", "Download", "Memory"]
    for preset in PRESETS.values():
        (line,) = [line for line in lines if line.startswith(f"{preset.name} ")]
        assert preset.commercial_use in line
        assert re.search(r"≈ [\d.]+ GB\s*$", line)
    assert "none" in next(line for line in lines if line.startswith("tiny "))
    assert " ".join(lines).count("answers through captions)") == 4


def test_the_table_needs_no_torch() -> None:
    program = (
        "from studio.models.presets import preset_table; preset_table(); import sys; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("name", PRESETS)
def test_a_page_says_what_is_to_be_known_before_choosing(name: str) -> None:
    page, preset = " ".join(rendered(preset_page(name)).split()), PRESETS[name]
    assert f"Commercial use: {preset.commercial_use}" in page
    assert preset.to_do in page
    for part in preset.parts:
        assert f"{part.role}: {part.title}" in page
        assert part.licence in page
        assert part.unconfirmed in page


def test_a_plan_names_files_bytes_and_what_each_device_holds() -> None:
    plan = rendered(plan_page("nextgpt-7b-v0", "cuda"))
    assert "imagebind, 4,803,584,173 bytes: imagebind_huge.pth" in plan
    assert "cvssp/audioldm-l-full at 9707fa44eb3f" in plan
    assert "Not confirmed by a page of its publisher: which commit to take of it" in plan
    assert "unet/diffusion_pytorch_model.safetensors" in plan
    assert re.search(r"imagebind\s+1,200,781,057\s+float32\s+cuda\s+cuda\s+4\.80 GB", plan)
    assert re.search(r"zeroscope_v2_576w unet\s+1,411,233,860\s+float16\s+cpu\s+cuda\s+2\.82 GB", plan)
    assert re.search(r"^  cuda: \d+\.\d\d GB$", plan, flags=re.MULTILINE)
    assert re.search(r"^  cpu: \d+\.\d\d GB$", plan, flags=re.MULTILINE)
    assert "≈ marks estimates" in plan


def test_a_plan_for_a_processor_holds_all_there() -> None:
    plan = rendered(plan_page("audio-1.5b", "cpu"))
    assert "cuda" not in plan
    assert re.search(r"^  cpu: \d+\.\d\d GB$", plan, flags=re.MULTILINE)


def test_the_command_shows_the_plan() -> None:
    shown = CliRunner().invoke(app, ["presets", "show", "audio-1.5b", "--plan", "--device", "cpu"])
    assert shown.exit_code == 0, shown.output
    assert "cvssp/audioldm-s-full-v2" in shown.output
    assert "Memory held" in shown.output


def test_the_packaged_model_needs_no_plan_and_an_unknown_one_is_refused() -> None:
    assert "all its files come with the studio" in rendered(plan_page("tiny", "auto"))
    with pytest.raises(StudioError, match=r"There is no preset 'huge'\. There is: tiny, nextgpt-7b-v0"):
        plan_page("huge", "auto")


def test_bytes_are_written_for_people() -> None:
    assert (gigabytes(8_044_936_192), gigabytes(1_234_567)) == ("8.04 GB", "1.23 MB")
