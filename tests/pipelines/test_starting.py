"""Image to image: a decoder begins with a picture, as diffusers' own pipeline for it does, and says where it cannot."""

from typing import Any

import parts
import pytest
import torch
from diffusers import AutoPipelineForImage2Image
from PIL import Image as PillowImage

from encoders.media import Image
from encoders.modality import Modality
from pipelines.decoders.audioldm import ClassLabelsDecoder
from pipelines.decoders.base import DecodeOptions, DecodeStep
from pipelines.decoders.diffusion import PromptEmbedsDecoder

START = Image(torch.rand(3, 40, 80, generator=torch.Generator().manual_seed(0)))


@pytest.fixture(scope="module")
def decoder() -> PromptEmbedsDecoder:
    return PromptEmbedsDecoder(parts.image_pipeline(), Modality.IMAGE, parts.decoder_config(Modality.IMAGE))


def made(decoder: PromptEmbedsDecoder, **options: Any) -> Image:
    (image,) = decoder.decode(decoder.condition(["a red bell"]), DecodeOptions(seed=3, **options))
    assert isinstance(image, Image)
    return image


def test_the_stock_pipeline_makes_the_same_of_the_same_picture(decoder: PromptEmbedsDecoder) -> None:
    ours = made(decoder, start=START, strength=0.5, num_inference_steps=6)
    stock = AutoPipelineForImage2Image.from_pipe(decoder.pipeline)
    stock.set_progress_bar_config(disable=True)
    side = ours.pixels.shape[-1]
    picture = PillowImage.fromarray(START.to_uint8()).resize((2 * side, side), PillowImage.Resampling.BICUBIC)
    given = decoder.condition(["a red bell"])["prompt_embeds"]
    output = stock(
        prompt_embeds=given, negative_prompt_embeds=decoder.unconditional["prompt_embeds"],
        image=picture.crop((side // 2, 0, side // 2 + side, side)), strength=0.5, num_inference_steps=6,
        guidance_scale=decoder.config.guidance_scale, generator=torch.Generator().manual_seed(3), output_type="np",
    )  # fmt: skip
    wanted = torch.from_numpy(output.images[0]).permute(2, 0, 1).clamp(0, 1)
    torch.testing.assert_close(ours.pixels, wanted)


def test_the_less_strength_the_nearer_it_stays(decoder: PromptEmbedsDecoder) -> None:
    steps = 20
    vague = [made(decoder, start=START, strength=s, num_inference_steps=steps).pixels for s in (0.05, 0.5, 1.0)]
    near = (vague[0] - vague[1]).abs().mean(), (vague[0] - vague[2]).abs().mean()
    assert 0 < near[0] < near[1]


def test_its_steps_are_counted_as_they_are_taken_and_afterwards_words_alone_make_what_they_made(
    decoder: PromptEmbedsDecoder,
) -> None:
    before = made(decoder)
    steps: list[DecodeStep] = []
    options = DecodeOptions(seed=3, start=START, strength=0.5, num_inference_steps=6)
    decoder.decode(decoder.condition(["a red bell"]), options, steps.append)
    assert [(step.step, step.num_steps) for step in steps] == [(1, 3), (2, 3), (3, 3)]
    assert made(decoder).content_hash == before.content_hash


def test_a_seed_gives_the_same_bytes(decoder: PromptEmbedsDecoder) -> None:
    assert made(decoder, start=START).content_hash == made(decoder, start=START).content_hash


def test_too_few_steps_for_a_strength_are_told(decoder: PromptEmbedsDecoder) -> None:
    with pytest.raises(ValueError, match="ask for 4 steps or more"):
        made(decoder, start=START, strength=0.25, num_inference_steps=3)
    with pytest.raises(ValueError, match="strength is above 0"):
        DecodeOptions(strength=0)


def test_what_cannot_begin_with_a_picture_says_so() -> None:
    video = PromptEmbedsDecoder(parts.video_pipeline(), Modality.VIDEO, parts.decoder_config(Modality.VIDEO))
    with pytest.raises(ValueError, match="cannot begin with a picture"):
        made(video, start=START)
    audio = ClassLabelsDecoder(parts.audio_pipeline(), Modality.AUDIO, parts.decoder_config(Modality.AUDIO))
    with pytest.raises(ValueError, match="cannot begin with a picture"):
        audio.decode(audio.condition(["a bell"]), DecodeOptions(seed=1, start=START))
