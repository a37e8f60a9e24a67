"""The command line: chat, evaluate, replay, presets, train, import, library, search, queue, serve. Nothing heavy is imported."""

import functools
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, ParamSpec, TypeVar

import typer

from studio.background import become
from studio.errors import Cancelled, StudioError
from studio.jobs import commands as queue_commands
from studio.lab import commands as lab_commands
from studio.library import commands as library_commands
from studio.models import importing
from studio.options import OUTPUTS, DecodeChoice, ReplyOptions, draw_seed
from studio.search import commands as search_commands
from studio.server import commands as serving
from studio.terminal import Terminal

ROOT = Path(__file__).resolve().parents[1]
STOPPED = 130  # what a shell calls a command that Ctrl-C ended
PASS_THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

P = ParamSpec("P")
R = TypeVar("R")

app = typer.Typer(
    name="studio",
    help="Talk with a model that reads and writes text, images, sound and video, on your own machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
presets_app = typer.Typer(help="List the presets, or show one.", invoke_without_command=True)
train_app = typer.Typer(
    help="Teach a preset, one stage at a time, or a baseline, in a process of its own. STAGE --help lists its options.",
    no_args_is_help=True,
)
app.add_typer(presets_app, name="presets")
import_app = typer.Typer(help="Bring in published checkpoints.", no_args_is_help=True)
app.add_typer(train_app, name="train")
app.add_typer(import_app, name="import")


def _helpful(command: Callable[P, R]) -> Callable[P, R]:
    """Turn errors meant for the person into a line on stderr and exit status 1."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (StudioError, ValueError) as error:
            Terminal().error(str(error))
            raise typer.Exit(1) from None
        except (Cancelled, KeyboardInterrupt):
            Terminal().remark("Stopped.")
            raise typer.Exit(STOPPED) from None

    return run


Home = Annotated[Path | None, typer.Option("--home", help="The studio's folder.", envvar="STUDIO_HOME")]
Preset = Annotated[str, typer.Option("--preset", "-p", help="A preset's name, a folder, or a hub id.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of prose.")]
Attached = list[Path] | None


@app.command()
@_helpful
def chat(
    text: Annotated[str | None, typer.Argument(help="What to say. Left out, a conversation opens.")] = None,
    image: Annotated[Attached, typer.Option("--image", "-i", help="Attach an image. May be repeated.")] = None,
    audio: Annotated[Attached, typer.Option("--audio", "-a", help="Attach a sound. May be repeated.")] = None,
    video: Annotated[Attached, typer.Option("--video", "-v", help="Attach a video. May be repeated.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write what is made.")] = Path("outputs"),
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same reply. Drawn if left out.")] = None,
    temperature: Annotated[float, typer.Option(help="0 takes the likeliest words; 1 samples freely.")] = 0.0,
    top_p: Annotated[float, typer.Option(help="Sample among the likeliest words that make up this share.")] = 1.0,
    max_new_tokens: Annotated[int | None, typer.Option(help="The longest text of a reply.")] = None,
    outputs: Annotated[str, typer.Option(help="What may be made, separated by commas.")] = ",".join(OUTPUTS),
    steps_image: Annotated[int | None, typer.Option(help="Denoising steps of an image.")] = None,
    steps_audio: Annotated[int | None, typer.Option(help="Denoising steps of a sound.")] = None,
    steps_video: Annotated[int | None, typer.Option(help="Denoising steps of a video.")] = None,
    guidance_image: Annotated[float | None, typer.Option(help="How closely an image follows its request.")] = None,
    guidance_audio: Annotated[float | None, typer.Option(help="How closely a sound follows its request.")] = None,
    guidance_video: Annotated[float | None, typer.Option(help="How closely a video follows its request.")] = None,
    count_image: Annotated[int, typer.Option(help="Images made for one request.")] = 1,
    count_audio: Annotated[int, typer.Option(help="Sounds made for one request.")] = 1,
    count_video: Annotated[int, typer.Option(help="Videos made for one request.")] = 1,
    resume: Annotated[bool, typer.Option("--continue", "-c", help="Go on with the last conversation.")] = False,
    preset: Preset = "tiny",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Say something and get a reply: studio chat "draw a red bell above a blue boat and play it" """
    from studio.conversation.session import ChatSession, run_interactive

    options = ReplyOptions(
        seed=draw_seed() if seed is None else seed,
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        top_p=top_p,
        outputs=tuple(name.strip() for name in outputs.split(",") if name.strip()),
        decode={
            "image": DecodeChoice(steps_image, guidance_image, count_image),
            "audio": DecodeChoice(steps_audio, guidance_audio, count_audio),
            "video": DecodeChoice(steps_video, guidance_video, count_video),
        },
    )
    session = ChatSession.open(
        home, preset=preset, options=options, folder=output, resume=resume, terminal=Terminal(is_quiet=as_json)
    )
    for modality, paths in (("image", image), ("audio", audio), ("video", video)):
        for path in paths or ():
            session.attach(path, modality=modality)
    if text is None and not session.attachments:
        if as_json:
            raise StudioError('--json answers one request: studio chat --json "draw a red bell"')
        run_interactive(session, draws_seeds=seed is None)
        return
    answer = session.send(text or "")
    if as_json:
        typer.echo(json.dumps(answer.to_dict(), ensure_ascii=False, indent=2))


@app.command()
@_helpful
def replay(
    file: Annotated[Path, typer.Argument(help="A PNG, WAV or MP4 that the studio made.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Keep the remake in this folder.")] = None,
    preset: Annotated[
        str | None, typer.Option("--preset", "-p", help="Make it with this one, not the one that the file names.")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make a file again from the recipe it carries, and say whether it comes out the same."""
    from studio.conversation.session import replay_file

    terminal = Terminal(is_quiet=as_json)
    report = replay_file(terminal, file, preset=preset, home=home, folder=output)
    if as_json:
        typer.echo(json.dumps(report.to_dict(), ensure_ascii=False, indent=2))
    else:
        terminal.say(report.sentence())
    if not report.is_same:
        raise typer.Exit(1)


@presets_app.callback()
def presets(context: typer.Context) -> None:
    """List the presets, or show one."""
    if context.invoked_subcommand is None:
        list_presets()


@presets_app.command("list")
@_helpful
def list_presets() -> None:
    """Show every preset in a line."""
    from studio.models.presets import preset_table

    Terminal().out.print(preset_table())


@presets_app.command("show")
@_helpful
def show_preset(
    name: Annotated[str, typer.Argument(help="The preset's name.")],
    plan: Annotated[
        bool, typer.Option("--plan", help="Show which files it needs, and the memory it would take.")
    ] = False,
    device: Annotated[str, typer.Option(help="Plan for this device: auto, cpu, cuda...")] = "auto",
) -> None:
    """Show all that a preset says about itself."""
    from studio.models.preset_plan import plan_page
    from studio.models.presets import preset_page

    Terminal().out.print(plan_page(name, device) if plan else preset_page(name))


@app.command(context_settings=PASS_THROUGH)
@_helpful
def evaluate(context: typer.Context) -> None:
    """Measure a preset on what it never saw; takes the options of training.evaluate (see: studio evaluate --help)."""
    _run_module("training.evaluate", context.args)


def _add_stage(name: str, module: str, summary: str) -> None:
    @train_app.command(name, help=summary, context_settings=PASS_THROUGH)
    @_helpful
    def stage(context: typer.Context) -> None:
        _run_module(module, context.args)


_add_stage("align-inputs", "training.align_inputs", "Stage 1: show the language core what the encoders see and hear.")
_add_stage("align-outputs", "training.align_outputs", "Stage 2: let its signal tokens steer the decoders.")
_add_stage("instruct", "training.instruct", "Stage 3: teach it to hold conversations.")
_add_stage("refit", "training.refit", "Last: fit the output projections alone to the finished core, in minutes.")
_add_stage("vae", "training.baselines.vae", "A VAE or beta-VAE, on the world or a folder of pictures.")
_add_stage("biggan", "training.baselines.biggan", "A BigGAN, on the world or a folder of pictures.")
_add_stage("stylegan", "training.baselines.stylegan", "A StyleGAN2, on the world or a folder of pictures.")


app.add_typer(library_commands.library_app(_helpful), name="library")
app.add_typer(queue_commands.queue_app(_helpful), name="queue")
lab_app = lab_commands.lab_app(_helpful)
app.add_typer(lab_app, name="lab")


@lab_app.command("evaluate", context_settings=PASS_THROUGH)
@_helpful
def evaluate_families(context: typer.Context) -> None:
    """Compare families by a table of figures; takes the options of its own module (see: studio lab evaluate --help)."""
    _run_module("training.baselines.evaluate", context.args)


app.command("search", help=search_commands.HELP)(_helpful(search_commands.search))
import_app.command("nextgpt")(_helpful(importing.import_nextgpt))


app.command()(_helpful(serving.serve))
app.command()(_helpful(serving.password))
app.command()(_helpful(serving.bench))


def _run_module(module: str, arguments: list[str]) -> None:
    """Run one of training's modules from the person's folder, in the place of this process."""
    search_path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    become([sys.executable, "-m", module, *arguments], os.environ | {"PYTHONPATH": search_path})
