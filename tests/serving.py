"""The studio's web server as a process of its own, as tests start and end it."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 300
STREAMLIT = (sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", "PORT")  # without `studio serve`


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def serving(
    home: Path, *options: str, command: tuple[str, ...] | None = None, port: int | None = None, **settings: str
) -> Iterator[str]:
    """Serve the studio of `home` and yield its address; the server is ended as a service manager ends it."""
    port = port or free_port()
    command = command or (
        sys.executable,
        "-c",
        "from studio.cli import app; app()",
        "serve",
        "--port",
        str(port),
        *options,
    )
    command = tuple(word.replace("PORT", str(port)) for word in command)
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "STUDIO_HOME": str(home)} | settings
    with (home / "server.log").open("ab") as log:
        server = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=environment)
    try:
        _wait_for(f"http://127.0.0.1:{port}/_stcore/health", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(120)


def _wait_for(url: str, server: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if server.poll() is not None:
            raise RuntimeError(f"The server ended with status {server.returncode}.")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(f"Nothing answers at {url}.")
