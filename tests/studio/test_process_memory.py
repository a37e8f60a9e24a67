"""The memory of this process, as the system tells it."""

import os
from pathlib import Path

import numpy as np
import pytest

from studio.process_memory import forget_peak, peak_bytes, resident_bytes

BLOCK = 64 * 2**20


def test_what_is_held_shows_and_a_peak_can_be_forgotten() -> None:
    before = resident_bytes()
    if before is None:
        pytest.skip("This system does not tell.")
    block = np.ones(BLOCK, np.uint8)
    held, high = resident_bytes(), peak_bytes()
    assert held is not None and high is not None
    assert held - before >= BLOCK * 3 // 4 and high >= held - BLOCK // 64
    assert block.all()
    del block
    if not forget_peak():
        pytest.skip("This system does not forget.")
    low = peak_bytes()
    assert low is not None and high - low >= BLOCK // 2


def test_another_process_tells_too_while_it_is_there() -> None:
    if resident_bytes() is None:
        pytest.skip("This system does not tell.")
    assert (resident_bytes(os.getppid()) or 0) > 0
    assert resident_bytes(2**30) is None


def test_a_system_that_does_not_tell_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.process_memory.STATUS", Path("/nowhere/status"))
    monkeypatch.setattr("studio.process_memory.CLEAR", Path("/nowhere/clear"))
    assert (resident_bytes(), peak_bytes(), forget_peak()) == (None, None, False)
