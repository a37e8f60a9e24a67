"""How a training is asked to end: by SIGINT, as Ctrl-C and the studio's Stop do it, or by SIGTERM, as launchers do.

It finishes the step that is under way, leaves a checkpoint, and ends with a line and the status that a shell has for that.
"""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import torch
from accelerate import Accelerator, PartialState

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SHELL_BASE = 128  # what a shell adds to the number of the signal that ended a command, for its exit status


class Stopped(KeyboardInterrupt):
    """A training was asked to end by a signal, and what it has done is on the disk."""

    def __init__(self, told: str, number: int) -> None:
        super().__init__(told)
        self.status = SHELL_BASE + number


@dataclass
class Asked:
    """By which signal a training was asked to end; 0: by none yet."""

    number: int = 0


@contextmanager
def asked_to_stop() -> Iterator[Asked]:
    """Note the first signal that asks for an end instead of breaking off; a second one acts at once, as outside.

    What the caller's shell ignores stays ignored, and outside the main thread, which alone hears signals, nothing is noted.
    """
    asked = Asked()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {one: signal.getsignal(one) for one in SIGNALS if signal.getsignal(one) not in (signal.SIG_IGN, None)}

    def restore() -> None:
        for one, handler in before.items():
            signal.signal(one, handler)

    def note(number: int, frame: FrameType | None) -> None:
        asked.number = number
        restore()

    for one in before:
        signal.signal(one, note)
    try:
        yield asked
    finally:
        restore()


def agreed(accelerator: Accelerator, *values: int) -> list[int]:
    """Return of each value the largest that any process has, so that all of them end at the same step."""
    if accelerator.num_processes == 1:
        return list(values)
    told: torch.Tensor = accelerator.gather(torch.tensor([values], device=accelerator.device))
    return [int(value) for value in told.amax(dim=0)]


def stopped(accelerator: Accelerator, number: int, step: int, folder: Path) -> Stopped:
    """Wait for all processes, and return what each raises: the checkpoint of `step` is in `folder`.

    As soon as one process ends, a launcher ends the others.
    """
    accelerator.wait_for_everyone()
    return Stopped(f"Stopped after step {step}; its checkpoint is in {folder}. --resume goes on from there.", number)


@contextmanager
def ending_with_a_line() -> Iterator[None]:
    """Run a training's command; a stop ends it with a line for the person and the status that a shell has for its signal."""
    is_heard = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, _break_off) if is_heard else None
    try:
        yield
    except KeyboardInterrupt as error:
        stop = error if isinstance(error, Stopped) else _broken_off(signal.SIGINT)
        if PartialState().is_main_process:
            print(stop, file=sys.stderr)
        sys.exit(stop.status)
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _break_off(number: int, frame: FrameType | None) -> None:
    raise _broken_off(number)


def _broken_off(number: int) -> Stopped:
    """Return what is said of a training that was ended before its first step, or in the midst of one."""
    return Stopped("Broken off. --resume goes on from the newest checkpoint, or begins if there is none.", number)
