"""The caller outlives whatever its decoders do."""

import os
import resource
import signal
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PILImage

from encoders.limits import Limits
from encoders.sandbox import Sandbox, SandboxError

LIMITS: dict[str, Any] = {"memory_bytes": 2**31, "cpu_seconds": 20, "wall_seconds": 20.0}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox()
    yield sandbox
    sandbox.close()


@pytest.fixture
def empty_fd() -> Iterator[int]:
    with tempfile.TemporaryFile() as file:
        yield file.fileno()


def decode_arguments(format: str) -> dict[str, Any]:
    return {"format": format, "limits": asdict(Limits())}


@pytest.fixture
def endless_fd() -> Iterator[int]:
    """The reading end of a pipe that is never written: a decoder waits on it for ever."""
    reading, writing = os.pipe()
    yield reading
    os.close(reading)
    os.close(writing)


def crash_a_child(sandbox: Sandbox) -> None:
    """Send a segmentation fault to the first child of the sandbox's server."""
    while True:
        time.sleep(0.01)
        if process := sandbox._process:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            for child in children:
                os.kill(int(child), signal.SIGSEGV)
                return


def address_space(sandbox: Sandbox) -> int:
    """Return how many bytes of addresses the sandbox's server has, and each of its children begins with."""
    assert sandbox._process
    num_pages = Path(f"/proc/{sandbox._process.pid}/statm").read_text().split()[0]
    return int(num_pages) * resource.getpagesize()


def test_the_caller_outlives_a_segfault_and_the_next_call_works(
    sandbox: Sandbox, empty_fd: int, endless_fd: int
) -> None:
    for _ in range(2):
        with ThreadPoolExecutor(1) as pool:
            pool.submit(crash_a_child, sandbox)
            with pytest.raises(SandboxError, match="crash"):
                sandbox.call("encoders.decoding:decode", endless_fd, decode_arguments("mp3"), **LIMITS)
    with pytest.raises(SandboxError, match="UnidentifiedImageError"):
        sandbox.call("encoders.decoding:decode", empty_fd, decode_arguments("PNG"), **LIMITS)


def test_a_hang_ends_at_its_wall_limit(sandbox: Sandbox, endless_fd: int) -> None:
    limits = LIMITS | {"wall_seconds": 0.3}
    with pytest.raises(SandboxError, match="time"):
        sandbox.call("encoders.decoding:decode", endless_fd, decode_arguments("mp3"), **limits)


def test_a_hang_of_one_caller_does_not_delay_another(sandbox: Sandbox, empty_fd: int, endless_fd: int) -> None:
    def hang() -> None:
        limits = LIMITS | {"wall_seconds": 1.5}
        with pytest.raises(SandboxError, match="time"):
            sandbox.call("encoders.decoding:decode", endless_fd, decode_arguments("mp3"), **limits)

    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(hang)
        with pytest.raises(SandboxError, match="UnidentifiedImageError"):
            sandbox.call("encoders.decoding:decode", empty_fd, decode_arguments("PNG"), **LIMITS)
        assert not hanging.done()


def test_memory_is_limited(sandbox: Sandbox, tmp_path: Path) -> None:
    def decode(side: int, memory_bytes: int) -> tuple[int, ...]:
        PILImage.new("RGB", (side, side)).save(tmp_path / "a.png")
        with (tmp_path / "a.png").open("rb") as file:
            limits = LIMITS | {"memory_bytes": memory_bytes}
            reply = sandbox.call("encoders.decoding:decode", file.fileno(), decode_arguments("PNG"), **limits)
        return reply.arrays[0].shape

    assert decode(5000, 2**31) == (2048, 2048, 3)
    little = address_space(sandbox) + 2**25
    assert decode(100, little) == (100, 100, 3)
    with pytest.raises(SandboxError, match=r"\Amemory\Z"):
        decode(5000, little)


def test_processor_time_is_limited(sandbox: Sandbox) -> None:
    def read_for_ever(**limits: float) -> None:
        with open("/dev/urandom", "rb") as file:
            sandbox.call("collections:deque", file.fileno(), {"maxlen": 0}, **LIMITS | limits)

    with pytest.raises(SandboxError, match=r"\Acrash\Z"):
        read_for_ever(cpu_seconds=1)
    with pytest.raises(SandboxError, match=r"\Atime\Z"):
        read_for_ever(wall_seconds=1.5)


def test_an_error_leaves_only_its_name(sandbox: Sandbox, empty_fd: int) -> None:
    with pytest.raises(SandboxError, match=r"\A\w+\Z"):
        sandbox.call("encoders.decoding:decode", empty_fd, decode_arguments("mov"), **LIMITS)


def test_a_server_that_died_is_started_again(empty_fd: int) -> None:
    sandbox = Sandbox()
    arguments = ("encoders.decoding:decode", empty_fd, decode_arguments("PNG"))
    for _ in range(2):
        with pytest.raises(SandboxError, match="UnidentifiedImageError"):
            sandbox.call(*arguments, **LIMITS)
        assert sandbox._process
        sandbox._process.kill()
        sandbox._process.wait()
    sandbox.close()


def test_a_closed_sandbox_leaves_no_process(empty_fd: int) -> None:
    sandbox = Sandbox()
    with pytest.raises(SandboxError):
        sandbox.call("encoders.decoding:decode", empty_fd, decode_arguments("PNG"), **LIMITS)
    process = sandbox._process
    sandbox.close()
    assert process
    assert process.poll() is not None
