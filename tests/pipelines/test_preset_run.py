"""The permissively licensed preset from end to end, with small random models in the hub's cache in place of the real ones."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import parts
import pipeline_parts
import pytest
import torch
from permissive_parts import ace_step, aura_flow
from transformers import Qwen3Config, Qwen3ForCausalLM

from encoders.media import Audio, Image, Text, Video
from encoders.modality import Modality
from pipelines.any_to_any import AnyToAnyPipeline
from pipelines.checkpoint import PipelineConfig, Reference, read_config, write_config
from pipelines.conversation import Conversation
from pipelines.options import GenerationOptions
from pipelines.presets import PRESETS
from pipelines.prompt import stop_ids
from pipelines.quiet import quiet
from pipelines.text import encode_text

IMAGE, AUDIO, VIDEO = Modality.IMAGE, Modality.AUDIO, Modality.VIDEO
SMALL = {
    IMAGE: {"height": 16, "width": 16},
    AUDIO: {"audio_duration": 0.5},
    VIDEO: pipeline_parts.PIPELINES["Wan"].call,
}
Script = Callable[[Sequence[int]], None]


@pytest.fixture(scope="module")
def pipe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnyToAnyPipeline]:
    """The preset's own config, asking for little: its repositories are in the cache, tiny."""
    cache, folder = tmp_path_factory.mktemp("hub"), tmp_path_factory.mktemp("preset")
    config = smaller(read_config(PRESETS["permissive-4b"].folder or Path()))
    write_config(folder, config)
    with quiet(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
        save_core(snapshot(cache, config.core))
        made = {IMAGE: aura_flow(), AUDIO: ace_step(is_turbo=True), VIDEO: pipeline_parts.PIPELINES["Wan"].build()}
        for modality, pipeline in made.items():
            variant = config.load.placement(modality).variant
            folder_of_part = snapshot(cache, config.decoders[modality].reference)
            pipeline.save_pretrained(folder_of_part, variant=variant)
            if variant is not None:
                split_in_two(pipeline.transformer, folder_of_part / "transformer", variant)
        yield AnyToAnyPipeline.from_pretrained(folder)


def smaller(config: PipelineConfig) -> PipelineConfig:
    """The same wiring for tiny models: two steps, few pixels, and whatever files there are, but of the pictures' decoder."""
    return replace(
        config,
        core=replace(config.core, files=()),
        decoders={
            modality: replace(
                entry,
                reference=entry.reference if modality is IMAGE else replace(entry.reference, files=()),
                config=replace(entry.config, num_inference_steps=2, call=SMALL[modality], condition_length=12),
            )
            for modality, entry in config.decoders.items()
        },
    )


def snapshot(cache: Path, reference: Reference) -> Path:
    """Where the hub's cache keeps a repository at the commit that a preset names."""
    assert reference.repository is not None
    assert reference.revision is not None
    return cache / f"models--{reference.repository.replace('/', '--')}" / "snapshots" / reference.revision


def split_in_two(network: Any, folder: Path, variant: str) -> None:
    """Save a network again as the released one is: in two files, they and their index by diffusers' older names."""
    for path in folder.glob("*.safetensors"):
        path.unlink()
    size = sum(parameter.nbytes for parameter in network.parameters())
    network.save_pretrained(folder, variant=variant, max_shard_size=size * 6 // 10)
    (index,) = folder.glob("*.index.*")
    stem = "diffusion_pytorch_model"
    text = re.sub(
        rf"{stem}\.{variant}(-\d+-of-\d+)\.safetensors", rf"{stem}\1.{variant}.safetensors", index.read_text()
    )
    (folder / f"{stem}.safetensors.{variant}.index.json").write_text(text)
    index.unlink()
    for path in sorted(folder.glob("*.safetensors")):
        _, number, _ = re.split(r"(-\d+-of-\d+)", path.name)
        path.rename(folder / f"{stem}{number}.{variant}.safetensors")


def save_core(folder: Path) -> None:
    tokenizer = parts.core_tokenizer()
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = Qwen3Config(
        vocab_size=len(tokenizer), num_key_value_heads=1, head_dim=16, max_position_embeddings=2048, **sizes
    )
    Qwen3ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def test_it_draws_plays_and_animates_from_captions(pipe: AnyToAnyPipeline, script: Script) -> None:
    tokenizer = pipe.core.tokenizer
    said = "Here: <image>a red bell</image> and <audio>a slow bell</audio> then <video>a bell swings</video>"
    script([*encode_text(tokenizer, said), min(stop_ids(tokenizer))])
    options = GenerationOptions(max_new_tokens=400, seed=1)
    reply = Conversation(pipe).send([Image(torch.zeros(3, 8, 8)), "all of it"], options)
    assert [type(part) for part in reply.parts] == [Text, Image, Text, Audio, Text, Video]
    assert reply.notice is not None
    assert "cannot read an image yet" in reply.notice
    assert "its own projections are not trained yet" in reply.notice


def test_its_parts_are_loaded_at_the_precision_that_it_asks_for(pipe: AnyToAnyPipeline) -> None:
    assert pipe.core.base.dtype == torch.bfloat16
    video = pipe.decoders[VIDEO].pipeline  # type: ignore[attr-defined]
    assert (video.transformer.dtype, video.vae.dtype) == (torch.bfloat16, torch.float32)
    assert pipe.decoders[AUDIO].condition_shapes == {"prompt_embeds": (12, 16)}
