"""Run native decoders in a child process with limits on memory, processor and time; the caller outlives them all."""

import atexit
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from encoders.limits import Refusal

GRACE_SECONDS = 5.0  # after its wall limit a child is gone; wait this much longer for the news
MAX_HEADER_BYTES = 2**22
DTYPES = ("uint8", "float32")


class SandboxError(Exception):
    """A child was stopped or crashed; the message is "time", "memory", "crash", or the name of its error."""


@dataclass(frozen=True)
class Reply:
    """What a call returned."""

    facts: dict[str, Any]
    arrays: list[npt.NDArray[Any]]


class Sandbox:
    """A light server process, started at the first call and again whenever it died, that forks a child per call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def call(
        self,
        function: str,
        file_fd: int,
        arguments: Mapping[str, Any],
        *,
        memory_bytes: int,
        cpu_seconds: int,
        wall_seconds: float,
    ) -> Reply:
        """Call "module:function" with an open file in a child. Raises Refusal or SandboxError."""
        limits = {"memory_bytes": memory_bytes, "cpu_seconds": cpu_seconds, "wall_seconds": wall_seconds}
        request = json.dumps({"call": function, "arguments": dict(arguments), "limits": limits}).encode() + b"\n"
        started = time.monotonic()
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                self._hand_over(file_fd, theirs.fileno())
            ours.settimeout(wall_seconds + GRACE_SECONDS)
            try:
                ours.sendall(request)
                return _receive(ours, memory_bytes)
            except (TimeoutError, ConnectionError, EOFError) as error:
                stopped = time.monotonic() - started >= wall_seconds
                raise SandboxError("time" if stopped else "crash") from error

    def close(self) -> None:
        """End the server. A later call starts a new one."""
        with self._lock:
            if self._control is not None and self._process is not None:
                self._control.close()
                self._process.wait()
            self._control = self._process = None

    def _hand_over(self, *fds: int) -> None:
        with self._lock:
            for attempt in range(2):
                if self._control is None:
                    self._start()
                assert self._control is not None
                assert self._process is not None
                try:
                    socket.send_fds(self._control, [b"."], list(fds))
                    return
                except ConnectionError:
                    self._control.close()
                    code = self._process.wait()
                    self._control = self._process = None
                    if attempt:
                        raise RuntimeError(f"The media decoder cannot start (exit code {code}).") from None

    def _start(self) -> None:
        self._control, theirs = socket.socketpair()
        # One thread: a process that forks must have no other.
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        environment = os.environ | {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "encoders.sandbox_child", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )


SANDBOX = Sandbox()
atexit.register(SANDBOX.close)


def _receive(reply: socket.socket, most_bytes: int) -> Reply:
    """Read a header and its arrays, trusting neither."""
    with reply.makefile("rb") as stream:
        line = stream.readline(MAX_HEADER_BYTES)
        if not line.endswith(b"\n"):
            raise EOFError
        header = json.loads(line)
        if "refusal" in header:
            raise Refusal(str(header["refusal"]))
        if "failure" in header:
            raise SandboxError(str(header["failure"]))
        arrays = []
        for description in header["arrays"]:
            shape, dtype = tuple(int(size) for size in description["shape"]), np.dtype(description["dtype"])
            if dtype.name not in DTYPES or min(shape) < 0 or prod(shape) * dtype.itemsize > most_bytes:
                raise SandboxError("crash")
            array = np.empty(shape, dtype)
            view = array.reshape(-1).view(np.uint8)
            while view.size:
                count = stream.readinto(view.data)
                if not count:
                    raise EOFError
                view = view[count:]
            arrays.append(array)
        return Reply(header["facts"], arrays)
