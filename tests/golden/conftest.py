"""The folder of fixtures: this one, or any other of the same form by `GOLDEN_DIR=/some/folder pytest tests/golden`."""

import os
from pathlib import Path

import pytest
from parity import GOLDEN, fixtures, wanted_tensors

os.environ["HF_HUB_OFFLINE"] = "1"


def golden_folder() -> Path:
    """The folder that the environment names, or ours."""
    return Path(os.environ.get("GOLDEN_DIR") or GOLDEN).resolve()


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of recorded outputs of the original systems."""
    return golden_folder()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test with `fixture` each fixture's name, with `tensor` each recorded tensor's too."""
    if "fixture" not in metafunc.fixturenames:
        return
    root = golden_folder()
    found = fixtures(root) if root.is_dir() else {}
    if not found:
        raise pytest.UsageError(f"GOLDEN_DIR: there is no fixture in {root}.")
    if "tensor" not in metafunc.fixturenames:
        metafunc.parametrize("fixture", found)
        return
    rows = [(name, tensor) for name, f in found.items() if f is not None for tensor in wanted_tensors(root / name, f)]
    metafunc.parametrize(("fixture", "tensor"), rows, ids=["-".join(row) for row in rows])
