"""Start a module of ours as a process that outlives whoever started it, or in the place of this one."""

import os
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def start_apart(module: str, *arguments: str, log: Path) -> "subprocess.Popen[bytes]":
    """Run `python -m module arguments` in a session of its own; what it prints is appended to `log`."""
    with log.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
            cwd=ROOT,
        )
    threading.Thread(target=process.wait, name=f"{module}'s end", daemon=True).start()
    return process


def become(command: list[str], environment: dict[str, str]) -> None:
    """Let a command take this process over: it gets every signal, and its exit status is ours."""
    sys.stdout.flush()
    os.execve(command[0], command, environment)
