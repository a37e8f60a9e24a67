"""Stock diffusers pipelines, loaded by us and called through our decoders, with the recorded noise and prompts."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
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

from encoders.media import Audio, Video
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
    """Compare the text encoder, one call of each network, and every step of a whole sample.

    Ours makes each sample of a batch alone.
    """
    recorded, facts = load_file(folder / "io.safetensors"), json.loads((folder / "config.json").read_text())
    num_samples = len(recorded["in.latents"])
    prompts, negatives = (_texts(facts.get(name) or "") for name in ("prompt", "negative_prompt"))
    samples = [_Sample(recorded, row, num_samples) for row in range(num_samples)]
    decoders: dict[str, Any] = {}
    made: dict[str, list[Tensor]] = {}
    for row, sample in enumerate(samples):
        negative = _each(negatives, num_samples)[row]
        if negative not in decoders:
            decoders[negative] = _decoder(folder / "pipeline", {**facts, "negative_prompt": negative}, {})
        for name, value in sample.made_by(decoders[negative], facts).items():
            made.setdefault(name, []).append(value)
    yield from ((name, torch.cat(values), recorded.get(name)) for name, values in made.items())
    decoder = decoders[_each(negatives, num_samples)[0]]
    pipeline = decoder.pipeline
    yield "mid.timesteps", pipeline.scheduler.timesteps, recorded.get("mid.timesteps")
    yield from _text(pipeline, prompts, negatives, num_samples, recorded)
    given = recorded["in.prompt_embeds"]
    yield "in.prompt_embeds", decoder.condition(_each(prompts, len(given)))["prompt_embeds"], given
    if "in.negative_prompt_embeds" in recorded:
        negative_embeds = recorded["in.negative_prompt_embeds"]
        asked = _each(negatives, len(negative_embeds))
        yield "in.negative_prompt_embeds", decoder.condition(asked)["prompt_embeds"], negative_embeds
    yield from _networks(pipeline, recorded)
    if (folder / LEGACY_VAE).is_file():
        yield from _legacy(folder, facts, recorded)


def _texts(given: str | list[str]) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


def _each(values: Any, num_samples: int) -> Any:
    """Give each of the samples its prompt, or row: several samples of one follow each other."""
    return [values[row * len(values) // num_samples] for row in range(num_samples)]


class _Sample:
    """One row of the batch that was recorded."""

    def __init__(self, recorded: dict[str, Tensor], row: int, num_samples: int) -> None:
        self.recorded = recorded
        self.latents, self.prompt = (
            _each(recorded[name].split(1), num_samples)[row] for name in ("in.latents", "in.prompt_embeds")
        )
        negative = recorded.get("in.negative_prompt_embeds")
        self.negative = None if negative is None else _each(negative.split(1), num_samples)[row]

    def made_by(self, decoder: Any, facts: dict[str, Any]) -> dict[str, Tensor]:
        """Name the latents after each step and what came of them, as a batch of one."""
        if isinstance(decoder, ClassLabelsDecoder) and self.negative is not None:
            decoder.unconditional = {"prompt_embeds": self.negative}  # what rounds off in it, a vocoder enlarges
        decoder.config = replace(decoder.config, call={**decoder.config.call, "latents": self.latents})
        with _steps(decoder.pipeline) as steps:
            (media,) = decoder.decode({"prompt_embeds": self.prompt}, DecodeOptions(seed=0))
        if isinstance(media, Audio):
            made = {"out.audio": media.waveform}
        elif isinstance(media, Video):
            made = {"out.video": rearrange(media.frames, "t c h w -> 1 t h w c")}
        else:
            made = {"out.image": rearrange(media.pixels, "c h w -> 1 h w c")}
        numbers = {int(match[1]) for name in self.recorded if (match := STEP.fullmatch(name))}
        for number, latents in _numbered(decoder.pipeline, steps, facts["num_inference_steps"], numbers).items():
            is_frames = self.latents.ndim == 5 and latents.ndim == 4  # a video's frames are stepped as a batch
            made[f"mid.latents_after_step{number}"] = (
                rearrange(latents, "f c h w -> 1 c f h w") if is_frames else latents
            )
        return made


def _decoder(folder: Path, facts: dict[str, Any], call: dict[str, Any]) -> Any:
    kind, modality = KINDS[facts["pipeline_class"]]
    call |= {name: facts[name] for name in CALL if name in facts}
    config = DecoderConfig(facts["num_inference_steps"], facts["guidance_scale"], call=call)
    return load_decoder(kind, folder, modality, config)


def _text(
    pipeline: Any, prompts: list[str], negatives: list[str], num_samples: int, recorded: dict[str, Tensor]
) -> Iterator[Compared]:
    ids = recorded.get("mid.token_ids")
    each, other = _each(prompts, num_samples), _each(negatives, num_samples)
    ways = ([*prompts, *negatives], [*each, *other], prompts, each)  # each caption once, one a sample, or no negative
    captions = next((way for way in ways if ids is not None and len(way) == len(ids)), ways[0])
    length = pipeline.tokenizer.model_max_length if ids is None else ids.shape[1]
    tokens = pipeline.tokenizer(captions, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    yield "mid.token_ids", tokens.input_ids, ids
    if type(pipeline).__name__ == "AudioLDMPipeline":
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
