"""The sandbox's server: a small process that forks a child with hard limits for each call it is sent."""

import importlib
import json
import os
import resource
import signal
import socket
import sys
from typing import Any

import av.logging
from PIL import Image as PILImage

import encoders.decoding  # noqa: F401  (loaded once here, so that each forked child is ready at once)
from encoders.limits import Refusal

NUM_FDS = 2  # the file, and the socket that carries the request and the reply


def serve(control: socket.socket) -> None:
    """Fork a child for each pair of file descriptors that arrives; return when the other side is gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system reaps the children
    while True:
        message, fds, _, _ = socket.recv_fds(control, 1, NUM_FDS)
        if not message:
            return
        if os.fork() == 0:
            control.close()
            answer(*fds)
        for fd in fds:
            os.close(fd)


def answer(file_fd: int, reply_fd: int) -> None:
    """Run one call under its limits, send what it returns, and leave this process."""
    reply = socket.socket(fileno=reply_fd)
    try:
        request = json.loads(reply.makefile("rb").readline())
        _limit(request["limits"])
        module, function = request["call"].split(":")
        with os.fdopen(file_fd, "rb") as file:
            decoded = getattr(importlib.import_module(module), function)(file, **request["arguments"])
        _send(reply, {"facts": decoded.facts}, decoded.arrays)
    except Refusal as refusal:
        _send(reply, {"refusal": str(refusal)}, [])
    except MemoryError:
        _send(reply, {"failure": "memory"}, [])
    except Exception as error:  # whatever a damaged file provokes: the name of the error is all that leaves
        _send(reply, {"failure": type(error).__name__}, [])
    finally:
        os._exit(0)


def _limit(limits: dict[str, Any]) -> None:
    memory, cpu = int(limits["memory_bytes"]), int(limits["cpu_seconds"])
    for kind, ceiling in (
        (resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, cpu), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0),
    ):  # fmt: skip
        resource.setrlimit(kind, (ceiling, ceiling))
    signal.setitimer(signal.ITIMER_REAL, float(limits["wall_seconds"]))  # SIGALRM ends the process


def _send(reply: socket.socket, header: dict[str, Any], arrays: list[Any]) -> None:
    header["arrays"] = [{"shape": array.shape, "dtype": str(array.dtype)} for array in arrays]
    reply.sendall(json.dumps(header).encode() + b"\n")
    for array in arrays:
        reply.sendall(memoryview(array if array.flags.c_contiguous else array.copy(order="C")).cast("B"))


if __name__ == "__main__":
    av.logging.set_level(av.logging.PANIC)
    PILImage.init()  # its plugins too
    serve(socket.socket(fileno=int(sys.argv[1])))
