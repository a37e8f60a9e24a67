"""`studio import nextgpt`: a published checkpoint into a model folder, with its progress and what must be known of it."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from studio.errors import StudioError
from studio.terminal import Terminal

if TYPE_CHECKING:
    from pipelines.pretrained.nextgpt import NextGPTImport

LEFT_OUT = "none"
PART = "a folder, a hub id (owner/name[@revision]), or 'none' to leave it out"


class BaseRows(StrEnum):
    """Whose word embeddings count where a checkpoint's differ from the base's."""

    FILE = "file"
    BASE = "base"


def import_nextgpt(
    files: Annotated[
        list[Path],
        typer.Argument(help="pytorch_model.pt, the mm_*_projector.bin of 2024 (later ones count), or their folder."),
    ],
    base: Annotated[str, typer.Option("--base", help="The language model it was trained on: a folder or a hub id.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model folder to make.")],
    encoder: Annotated[str | None, typer.Option(help=f"ImageBind: {PART}.")] = None,
    image: Annotated[str | None, typer.Option(help=f"The image decoder: {PART}. Left out: the released one.")] = None,
    audio: Annotated[str | None, typer.Option(help=f"The sound decoder: {PART}. Left out: the released one.")] = None,
    video: Annotated[str | None, typer.Option(help=f"The video decoder: {PART}. Left out: the released one.")] = None,
    signals_image: Annotated[
        int, typer.Option(min=1, help="Signal tokens of an image, if no added_tokens.json tells.")
    ] = 4,
    signals_audio: Annotated[int, typer.Option(min=1, help="The same of a sound.")] = 8,
    signals_video: Annotated[int, typer.Option(min=1, help="The same of a video.")] = 24,
    base_rows: Annotated[
        BaseRows | None, typer.Option(help="Whose word embeddings count where the checkpoint's differ from the base's.")
    ] = None,
    lora_alpha: Annotated[int, typer.Option(min=1, help="The strength of an adapter that brings no config.")] = 32,
    group_heads: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Attention heads of a grouping input projection, or of each stage. [8]"),
    ] = None,
    check: Annotated[bool, typer.Option(help="Load each encoder and decoder once, and check that it fits.")] = True,
) -> None:
    """Import a NExT-GPT checkpoint: studio import nextgpt pytorch_model.pt --base vicuna-7b --encoder imagebind -o nextgpt."""
    from encoders.modality import Modality
    from pipelines.pretrained.nextgpt import NextGPTImport
    from pipelines.pretrained.nextgpt_keys import GROUP_HEADS

    if encoder is None:
        raise StudioError(
            "Name the folder of ImageBind, which holds imagebind_huge.pth or what save_imagebind wrote: "
            "--encoder FOLDER; or --encoder none, for a model that is shown nothing."
        )
    given: Mapping[Modality, str | None] = {Modality.IMAGE: image, Modality.AUDIO: audio, Modality.VIDEO: video}
    counts = {Modality.IMAGE: signals_image, Modality.AUDIO: signals_audio, Modality.VIDEO: signals_video}
    heads = tuple(group_heads or (GROUP_HEADS,))
    options = NextGPTImport(
        sources=tuple(files),
        base=base,
        output=output,
        encoder=None if encoder == LEFT_OUT else encoder,
        decoders={modality: name for modality, name in given.items() if name != LEFT_OUT},
        counts=counts,
        base_rows=None if base_rows is None else base_rows.value,
        lora_alpha=lora_alpha,
        group_heads=heads[0] if len(heads) == 1 else heads,
        checks_parts=check,
    )
    terminal = Terminal()
    _follow(terminal, options)
    terminal.say(f"Imported. Talk with it: studio chat --preset {output}")


def _follow(terminal: Terminal, options: "NextGPTImport") -> None:
    """Run an import under a progress bar; Ctrl-C leaves nothing behind."""
    from pipelines.pretrained.nextgpt import ImportRemark, ImportStep, import_nextgpt

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=terminal.err, transient=True) as progress:
        task = progress.add_task("")
        for event in import_nextgpt(options):
            match event:
                case ImportStep(number, total, text):
                    progress.update(task, description=text, completed=number - 1, total=total)
                case ImportRemark(text):
                    terminal.remark(f"Warning: {text}", style="bold yellow")
