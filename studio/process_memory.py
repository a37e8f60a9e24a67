"""How much memory this process holds, or another, where the system tells it (Linux: proc(5))."""

from pathlib import Path

KIB = 1024
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # what the kernel takes as: forget the peak of resident memory


def resident_bytes(process: int | None = None) -> int | None:
    """Return what is held now, by another process if one is named; None where the system does not tell."""
    return _field("VmRSS", STATUS if process is None else STATUS.parents[1] / str(process) / STATUS.name)


def peak_bytes() -> int | None:
    """Return the most that was held since the start, or since `forget_peak`; None where the system does not tell."""
    return _field("VmHWM")


def forget_peak() -> bool:
    """Let the peak be counted from now on; return whether the system does that."""
    try:
        CLEAR.write_text(RESET_PEAK)
    except OSError:
        return False
    return True


def _field(name: str, status: Path | None = None) -> int | None:
    try:
        lines = (status or STATUS).read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * KIB for line in lines if line.startswith(f"{name}:")), None)
