"""`studio serve`, `password`, `bench`: the pages on this machine, or, behind a password or a provider, for others too."""

import getpass
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studio.background import become
from studio.errors import StudioError
from studio.terminal import Terminal

if TYPE_CHECKING:
    from studio.server.access import Access

ROOT = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.1"
EVERY_ADDRESS = ("0.0.0.0", "::")


def serve(
    port: Annotated[int, typer.Option(help="The port of the page.", min=1, max=65535)] = 8501,
    host: Annotated[
        str, typer.Option(help="The address to listen at; one that others reach needs a password or a provider.")
    ] = LOOPBACK,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A name by which browsers reach this machine. May be repeated.")
    ] = None,
    password_file: Annotated[
        Path | None, typer.Option(help="Lines of `studio password`: who may come in.", envvar="STUDIO_PASSWORD_FILE")
    ] = None,
    gpu: Annotated[
        list[int] | None, typer.Option(help="Have a worker on this graphics processor. May be repeated.", min=0)
    ] = None,
    preset: Annotated[str, typer.Option("--preset", "-p", help="A preset's name, a folder, or a hub id.")] = "tiny",
    home: Annotated[Path | None, typer.Option("--home", help="The studio's folder.", envvar="STUDIO_HOME")] = None,
) -> None:
    """Open the studio as a web page, for this machine alone if no other --host is given."""
    from studio.home import HOME_VARIABLE, studio_home
    from studio.jobs.worker import GPUS_VARIABLE
    from studio.models.presets import PRESET_VARIABLE, preset_name
    from studio.server.access import PASSWORD_FILE_VARIABLE, is_loopback, refuse_open_door

    page = ROOT / "app.py"
    if not page.is_file():
        raise StudioError(f"The page {page} is missing. Run the studio from its source folder (pip install -e .).")
    settings = {HOME_VARIABLE: str(studio_home(home)), PRESET_VARIABLE: preset_name(preset)}
    if password_file is not None:
        settings[PASSWORD_FILE_VARIABLE] = str(password_file.expanduser().resolve())
    if gpu:
        settings[GPUS_VARIABLE] = ",".join(map(str, sorted(set(gpu))))
    environment = os.environ | settings
    os.chdir(ROOT)
    refuse_open_door(host, _access(environment))
    shown = f"[{host}]" if ":" in host else host
    Terminal().out.print(f"The studio is at http://{shown}:{port} (Ctrl-C ends it).")
    command = [sys.executable, "-m", "streamlit", "run", str(page)]
    command += ["--server.address", host, "--server.port", str(port), "--server.headless", "true"]
    names = allow_host or ([] if is_loopback(host) else ["*"] if host in EVERY_ADDRESS else [host])
    for name in names:
        command += ["--server.allowedHosts", name]
    become(command, environment)


def password(
    name: Annotated[
        str, typer.Argument(help="Whose it is; left out, the studio has one password and one person.")
    ] = "",
) -> None:
    """Print a line for the password file: studio password anna >> passwords"""
    from studio.server.access import password_line

    if sys.stdin.isatty():
        chosen = getpass.getpass("Password: ")
        if getpass.getpass("Once more: ") != chosen:
            raise StudioError("The two are not the same. Try again.")
    else:
        chosen = sys.stdin.readline().rstrip("\r\n")
    typer.echo(password_line(name, chosen))


def bench(
    loads: Annotated[int, typer.Option(help="Loads of the chat to time.", min=0)] = 10,
    clicks: Annotated[int, typer.Option(help="Clicks to time while a job runs.", min=0)] = 20,
    turns: Annotated[int, typer.Option(help="Turns of one conversation to watch the memory over.", min=0)] = 200,
    preset: Annotated[str, typer.Option("--preset", "-p", help="A preset's name, a folder, or a hub id.")] = "tiny",
) -> None:
    """Measure the pages by a real browser, in a studio of their own: first paint, clicks under load, memory over turns."""
    from tempfile import TemporaryDirectory

    from studio.server.page_bench import PageBenchOptions, run_bench

    with TemporaryDirectory() as folder:
        for line in run_bench(PageBenchOptions(loads, clicks, turns, preset), Path(folder)):
            Terminal().say(line)


def _access(environment: dict[str, str]) -> "Access":
    """Read who may come in as the server will; the password stays in the environment, where the server takes it out."""
    from studio.server.access import read_access
    from studio.server.doorkeeper import provider

    return read_access(dict(environment), provider())
