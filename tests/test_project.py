"""Facts about the project as a whole: who imports whom, what importing costs, and that the README tells the truth."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from readme_tree import END, ROOT, START, tree

PACKAGES = ("encoders", "pipelines", "studio", "training")
ALLOWED = {
    "encoders": {"encoders"},
    "pipelines": {"pipelines", "encoders"},
    "training": {"training", "pipelines", "encoders"},
    "studio": {"studio", "pipelines", "encoders"},
}
HEAVY = ("torch", "transformers", "diffusers", "streamlit", "open_clip", "peft", "accelerate")


def _imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_only_downwards(package: str) -> None:
    wrong = {
        str(path.relative_to(ROOT)): odd
        for path in (ROOT / package).rglob("*.py")
        if (odd := (_imported(path) & set(PACKAGES)) - ALLOWED[package])
    }
    assert not wrong


@pytest.mark.parametrize("package", PACKAGES)
def test_package_names_resolve_to_this_checkout(package: str) -> None:
    found = importlib.import_module(package).__file__
    assert found is not None
    assert Path(found).resolve().parent == ROOT / package


def _heavy_modules_after(code: str) -> set[str]:
    program = f"import sys\n{code}\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True)
    return set(done.stdout.strip().splitlines()[-1].split()) if done.stdout.strip() else set()


def test_importing_studio_loads_nothing_heavy() -> None:
    assert _heavy_modules_after("import studio") == set()


@pytest.mark.parametrize("name", ["studio", "studio.lab", "studio.library", "studio.search"])
def test_a_package_gives_its_public_names_when_asked_and_no_others(name: str) -> None:
    assert (
        _heavy_modules_after(f"import {name}\nassert not [one for one in sys.modules if one.startswith('{name}.')]")
        == set()
    )
    package = importlib.import_module(name)
    assert all(getattr(package, public) is not None for public in package.__all__)
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'nothing'"):
        _ = package.nothing


def test_help_loads_nothing_heavy() -> None:
    code = "from typer.testing import CliRunner\nfrom studio.cli import app\n"
    code += "assert CliRunner().invoke(app, ['--help']).exit_code == 0"
    assert _heavy_modules_after(code) == set()


def test_pages_do_not_import_torch() -> None:
    wrong = [
        str(path) for path in (ROOT / "studio" / "ui").rglob("*.py") if _imported(path) & set(HEAVY) - {"streamlit"}
    ]
    assert not wrong


def test_readme_lists_every_file() -> None:
    listed = (ROOT / "README.md").read_text().split(START)[1].split(END)[0].strip()
    assert listed == tree(), "The list is old: `make readme` writes it anew."


def test_no_file_is_longer_than_400_lines() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for package in (*PACKAGES, "tests")
        for path in (ROOT / package).rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > 400
    }
    assert not long
