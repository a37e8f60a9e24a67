"""Stock diffusers pipelines, loaded by us and called through our decoders, with the recorded noise and prompts."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from typing import Any

import torch
from einops import rearrange
from parity import Compared
from safetensors.torch import load_file
from torch import Tensor

from encoders.media import Audio, Image, Video
from encoders.modality import Modality
from pipelines.decoders import load_decoder
from pipelines.decoders.audioldm import ClassLabelsDecoder
from pipelines.decoders.base import DecodeOptions, DecoderConfig
from pipelines.decoders.sampling import CALLBACK, call_arguments

PREFIX = ("sd15_pipeline", "sd2_pipeline", "audioldm_pipeline", "textvideo_pipeline")
KINDS = {
    "AudioLDMPipeline": ("class_labels", Modality.AUDIO),
    "StableDiffusionPipeline": ("prompt_embeds", Modality.IMAGE),
    "TextToVideoSDPipeline": ("prompt_embeds", Modality.VIDEO),
}
CALL = (
    "height", "width", "num_frames", "audio_length_in_s", "eta", "negative_prompt", "guidance_rescale",
)  # fmt: skip
STEP = re.compile(r"mid\.latents_after_step(\d+)")
LEGACY_VAE = "extra/vae_legacy_attention_keys.safetensors"


@torch.no_grad()
def compare(folder: Path) -> Iterator[Compared]:
    """Compare the text encoder, one call of each network, and every step of a whole sample."""
    recorded, facts = load_file(folder / "io.safetensors"), json.loads((folder / "config.json").read_text())
    decoder = _decoder(folder / "pipeline", facts, {"latents": recorded["in.latents"]})
    captions = [facts["prompt"], facts.get("negative_prompt") or ""]
    pipeline = decoder.pipeline
    is_label = isinstance(decoder, ClassLabelsDecoder)
    yield from _text(pipeline, captions, recorded, is_label=is_label)
    given = decoder.condition(captions[:1])["prompt_embeds"]
    yield "in.prompt_embeds", given, recorded["in.prompt_embeds"]
    if "in.negative_prompt_embeds" in recorded:
        negative = recorded["in.negative_prompt_embeds"]
        yield "in.negative_prompt_embeds", decoder.unconditional["prompt_embeds"], negative
        if is_label:  # what rounds off in it, a vocoder enlarges
            decoder.unconditional = {"prompt_embeds": negative}
    yield from _networks(pipeline, recorded)
    with _steps(pipeline) as steps:
        (media,) = decoder.decode({"prompt_embeds": recorded["in.prompt_embeds"]}, DecodeOptions(seed=0))
    numbers = {int(match[1]) for name in recorded if (match := STEP.fullmatch(name))}
    for number, latents in _numbered(pipeline, steps, facts["num_inference_steps"], numbers).items():
        name = f"mid.latents_after_step{number}"
        if name not in recorded:  # some steps may be recorded, not all
            continue
        if recorded[name].ndim == 5 and latents.ndim == 4:  # a video's frames are stepped as a batch
            latents = rearrange(latents, "f c h w -> 1 c f h w")
        yield name, latents, recorded[name]
    yield "mid.timesteps", pipeline.scheduler.timesteps, recorded.get("mid.timesteps")
    if isinstance(media, Audio) and "out.audio" in recorded:
        yield "out.audio", media.waveform, recorded["out.audio"].clamp(-1, 1)
    elif isinstance(media, Video):
        yield "out.video", rearrange(media.frames, "t c h w -> 1 t h w c"), recorded.get("out.video")
    elif isinstance(media, Image):
        yield "out.image", rearrange(media.pixels, "c h w -> 1 h w c"), recorded.get("out.image")
    if (folder / LEGACY_VAE).is_file():
        yield from _legacy(folder, facts, recorded)


def _decoder(folder: Path, facts: dict[str, Any], call: dict[str, Any]) -> Any:
    kind, modality = KINDS[facts["pipeline_class"]]
    call |= {name: facts[name] for name in CALL if name in facts}
    config = DecoderConfig(facts["num_inference_steps"], facts["guidance_scale"], call=call)
    return load_decoder(kind, folder, modality, config)


def _text(pipeline: Any, captions: list[str], recorded: dict[str, Tensor], *, is_label: bool) -> Iterator[Compared]:
    ids = recorded.get("mid.token_ids")
    length = pipeline.tokenizer.model_max_length if ids is None else ids.shape[1]
    tokens = pipeline.tokenizer(captions, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    yield "mid.token_ids", tokens.input_ids, ids
    if is_label:
        yield "mid.attention_mask", tokens.attention_mask, recorded.get("mid.attention_mask")
        made = pipeline.text_encoder(tokens.input_ids, attention_mask=tokens.attention_mask).text_embeds
        yield "mid.text_embeds_raw", made, recorded.get("mid.text_embeds_raw")
    else:
        output = pipeline.text_encoder(tokens.input_ids)
        yield "mid.text_last_hidden_state", output.last_hidden_state, recorded.get("mid.text_last_hidden_state")
        yield "mid.text_pooled", output.pooler_output, recorded.get("mid.text_pooled")


def _networks(pipeline: Any, recorded: dict[str, Tensor]) -> Iterator[Compared]:
    yield from _autoencoder(pipeline.vae, recorded)
    if "in.mel" in recorded:
        yield "mid.vocoder_from_mel", pipeline.vocoder(recorded["in.mel"]), recorded.get("mid.vocoder_from_mel")
    if "in.unet_sample" not in recorded:
        return
    sample = recorded["in.unet_sample"]
    prompt = recorded["in.prompt_embeds"].expand(len(sample), *recorded["in.prompt_embeds"].shape[1:])
    if pipeline.unet.config.get("class_embed_type") is None:
        given = {"encoder_hidden_states": prompt}
    else:
        given = {"encoder_hidden_states": None, "class_labels": prompt}
    made = pipeline.unet(sample, recorded["in.unit_timestep"], **given).sample
    yield "mid.unet_single", made, recorded.get("mid.unet_single")


def _autoencoder(vae: Any, recorded: dict[str, Tensor], note: str = "") -> Iterator[Compared]:
    if "in.vae_image" in recorded:
        encoded = vae.encode(recorded["in.vae_image"]).latent_dist
        yield f"mid.vae_encode_mean{note}", encoded.mean, recorded.get("mid.vae_encode_mean")
        yield f"mid.vae_encode_logvar{note}", encoded.logvar, recorded.get("mid.vae_encode_logvar")
    if "in.vae_latent" in recorded:
        yield f"mid.vae_decode{note}", vae.decode(recorded["in.vae_latent"]).sample, recorded.get("mid.vae_decode")


def _legacy(folder: Path, facts: dict[str, Any], recorded: dict[str, Tensor]) -> Iterator[Compared]:
    """The same, of an autoencoder whose attention has its older names."""
    with TemporaryDirectory() as aside:
        copy = copytree(folder / "pipeline", Path(aside) / "pipeline")
        (weights,) = (copy / "vae").glob("*.safetensors")
        weights.write_bytes((folder / LEGACY_VAE).read_bytes())
        vae = _decoder(copy, facts, {}).pipeline.vae
        yield from _autoencoder(vae, recorded, " (older keys)")


def _numbered(pipeline: Any, steps: list[Tensor], num_asked: int, numbers: set[int]) -> dict[int, Tensor]:
    """Number latents as the recorded ones are: by the scheduler's steps, or by the calls of an older callback.

    That one skips the steps that warm a scheduler up, and all but the last of those that it takes for one.
    """
    total, order = len(steps), pipeline.scheduler.order
    warmup = total - num_asked * order
    told = [steps[n - 1] for n in range(1, total + 1) if n == total or (n > warmup and n % order == 0)]
    is_older = CALLBACK not in call_arguments(pipeline)
    return dict(enumerate(told if is_older and numbers == set(range(len(told))) else steps))


@contextmanager
def _steps(pipeline: Any) -> Iterator[list[Tensor]]:
    """Keep the latents after each step of a pipeline's scheduler."""
    kept: list[Tensor] = []
    stock = pipeline.scheduler.step

    @wraps(stock)
    def step(*arguments: Any, **options: Any) -> Any:
        output = stock(*arguments, **options)
        kept.append(output[0])
        return output

    pipeline.scheduler.step = step
    try:
        yield kept
    finally:
        del pipeline.scheduler.step
