"""The README's examples, run as they stand: every block marked sh and python."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from readme_tree import ROOT

BLOCKS = re.findall(r"^```(sh|python)\n(.*?)^```", (ROOT / "README.md").read_text(), flags=re.MULTILINE | re.DOTALL)


def _run(command: list[str], folder: Path) -> None:
    environment = os.environ | {
        "STUDIO_HOME": str(folder / "home"),
        "HF_HUB_OFFLINE": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_examples() -> None:
    assert {kind for kind, _ in BLOCKS} == {"sh", "python"}


@pytest.mark.parametrize("program", [code for kind, code in BLOCKS if kind == "python"])
def test_python_examples_run(program: str, tmp_path: Path) -> None:
    _run([sys.executable, "-c", program], tmp_path)


@pytest.mark.parametrize("line", [line for kind, code in BLOCKS if kind == "sh" for line in code.splitlines() if line])
def test_terminal_examples_run(line: str, tmp_path: Path) -> None:
    _run(shlex.split(line), tmp_path)
