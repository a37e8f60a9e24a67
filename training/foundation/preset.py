"""Put the trained parts together into a preset's folder, with the config that refers to them; nothing is trained here.

    python -m training.foundation.preset --core runs/core/core --imagebind runs/imagebind/imagebind \\
        --image runs/image/image --audio runs/audio/audio --video runs/video/video --output pipelines/presets/tiny
    python -m training.foundation.preset --trained runs/stage3 --output pipelines/presets/tiny
"""

import argparse
import json
import shutil
from dataclasses import replace
from pathlib import Path

import torch
from transformers import AutoConfig

from encoders.imagebind_config import ImageBindConfig
from encoders.modality import Modality
from pipelines.checkpoint import (
    ADAPTER,
    PROJECTIONS,
    TOKEN_ROWS,
    DecoderEntry,
    EncoderEntry,
    PipelineConfig,
    Reference,
    hash_folder,
    read_config,
    read_tensors,
    write_config,
    write_tensors,
)
from pipelines.decoders.base import DecoderConfig
from pipelines.projections import InputProjection, InputProjectionConfig, OutputProjectionConfig
from training.world.pictures import VIDEO_RATE

LICENCE = "Apache-2.0"
CONDITION = {"image": (24, 128), "audio": (1, 128), "video": (16, 128)}  # vectors, width
NUM_SIGNALS = {"image": 4, "audio": 2, "video": 4}
HIDDEN = 512  # of the output projections
# A frozen core can only read what stands like words one after another: tokens must meet before they come to it.
READING = InputProjectionConfig(
    in_width=0, core_width=0, kind="resampler", hidden=512, num_heads=4, num_output_groups=(8,)
)
DECODERS = {
    "image": ("prompt_embeds", DecoderConfig(num_inference_steps=20, guidance_scale=3.0)),
    "audio": (
        "class_labels",
        DecoderConfig(num_inference_steps=20, guidance_scale=2.5, call={"audio_length_in_s": 2.0}),
    ),
    "video": (
        "prompt_embeds",
        DecoderConfig(
            num_inference_steps=20,
            guidance_scale=3.0,
            rate=VIDEO_RATE,
            condition_length=CONDITION["video"][0],
            call={"height": 64, "width": 64, "video_length": 8, "clean_caption": False},
        ),
    ),
}


def main() -> None:
    """Copy what is given, keep the rest, and write config.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for part in ("core", "imagebind", "clip", "image", "audio", "video"):
        parser.add_argument(
            f"--{part}", type=Path, default=None, help="its trained folder; the preset's own is kept without"
        )
    parser.add_argument(
        "--trained", type=Path, default=None, help="what an alignment stage left: projections, rows, adapter"
    )
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    output: Path = arguments.output
    for part in ("core", "imagebind", "clip", "image", "audio", "video"):
        source = getattr(arguments, part)
        if source is not None:
            shutil.rmtree(output / part, ignore_errors=True)
            shutil.copytree(source, output / part)
        for path in (output / part).rglob("config.json"):
            _forget_origin(path)
    if arguments.trained is not None:
        for name in (PROJECTIONS, TOKEN_ROWS):
            write_tensors(output / name, read_tensors(arguments.trained / name), torch.float16)
        shutil.rmtree(output / ADAPTER, ignore_errors=True)
        if read_config(arguments.trained).has_adapter:
            shutil.copytree(arguments.trained / ADAPTER, output / ADAPTER)
    config = replace(config_of(output), has_adapter=(output / ADAPTER).is_dir())
    write_config(output, config)
    if (output / PROJECTIONS).is_file():
        _complete_projections(output, config)


def config_of(folder: Path) -> PipelineConfig:
    """Describe the parts that are in a preset's folder."""
    core_width = AutoConfig.from_pretrained(folder / "core").hidden_size
    imagebind = ImageBindConfig.from_dict(json.loads((folder / "imagebind" / "config.json").read_text()))
    assert imagebind.vision is not None
    widths = {"imagebind": imagebind.vision.width}
    modalities: dict[str, tuple[Modality, ...]] = {"imagebind": (Modality.IMAGE, Modality.AUDIO, Modality.VIDEO)}
    if (folder / "clip").is_dir():
        clip = json.loads((folder / "clip" / "open_clip_config.json").read_text())
        widths["clip"] = clip["model_cfg"]["vision_cfg"]["width"]
        modalities["clip"] = (Modality.IMAGE,)
    encoders = {
        name: EncoderEntry(
            name,
            _reference(folder, name),
            {modality: replace(READING, in_width=width, core_width=core_width) for modality in modalities[name]},
        )
        for name, width in widths.items()
    }
    decoders = {}
    for name, (kind, config) in DECODERS.items():
        queries, out_width = CONDITION[name]
        projection = OutputProjectionConfig(
            core_width, out_width, queries, HIDDEN, kind="mlp", run_length=NUM_SIGNALS[name]
        )
        entry = DecoderEntry(kind, _reference(folder, name), config, NUM_SIGNALS[name], {"prompt_embeds": projection})
        decoders[Modality(name)] = entry
    return PipelineConfig(_reference(folder, "core"), encoders, decoders)


def _complete_projections(folder: Path, config: PipelineConfig) -> None:
    """Start the input projections of an encoder that is new from random weights, for a stage to train."""
    tensors = read_tensors(folder / PROJECTIONS)
    torch.manual_seed(0)
    fresh = {
        f"input.{encoder}.{modality}.{name}": value
        for encoder, entry in config.encoders.items()
        for modality, projection in entry.projections.items()
        for name, value in InputProjection(projection).state_dict().items()
    }
    missing = {name: value for name, value in fresh.items() if name not in tensors}
    if missing:
        write_tensors(folder / PROJECTIONS, {**tensors, **missing}, torch.float16)


def _forget_origin(path: Path) -> None:
    """Drop the folder that a part was trained from: it means nothing elsewhere."""
    values = json.loads(path.read_text())
    if values.pop("_name_or_path", None) is not None:
        path.write_text(json.dumps(values, indent=2) + "\n")


def _reference(folder: Path, part: str) -> Reference:
    return Reference(path=part, licence=LICENCE, sha256=hash_folder(folder / part))


if __name__ == "__main__":
    main()
