"""The decoders of the permissively licensed preset: AuraFlow and ACE-Step, small and random, against diffusers itself."""

from pathlib import Path
from typing import Any

import pipeline_parts
import pytest
import torch
from permissive_parts import ace_step, aura_flow

from encoders.media import Audio, Image
from encoders.modality import Modality
from pipelines.decoders import load_decoder
from pipelines.decoders.base import DecodeOptions, DecoderConfig, DecodeStep
from pipelines.quiet import quiet

SECONDS = 0.5


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("music")
    with quiet():
        ace_step().save_pretrained(folder)
    config = DecoderConfig(2, 3.0, condition_length=40, call={"audio_duration": SECONDS})
    return load_decoder("ace_step", folder, Modality.AUDIO, config)


def test_music_is_what_the_pipeline_itself_makes_of_the_caption(music: Any) -> None:
    assert music.condition_shapes == {"prompt_embeds": (40, 16)}
    (made,) = music.decode(music.condition(["a slow bell"]), DecodeOptions(seed=5))
    stock = music.pipeline(
        "a slow bell", "", audio_duration=SECONDS, num_inference_steps=2, guidance_scale=3.0, max_text_length=40,
        generator=torch.Generator().manual_seed(5), output_type="np",
    ).audios[0]  # fmt: skip
    assert isinstance(made, Audio)
    assert made.rate == 200
    torch.testing.assert_close(made.waveform, torch.from_numpy(stock).float().clamp(-1, 1))


def test_music_depends_on_the_caption_and_reports_its_steps(music: Any) -> None:
    steps: list[DecodeStep] = []
    one, other = music.decode(music.condition(["a", "b, faster"]), DecodeOptions(seed=5), steps.append)
    assert one.content_hash != other.content_hash
    assert [(step.sample, step.step, step.num_steps) for step in steps] == [(0, 1, 2), (0, 2, 2), (1, 1, 2), (1, 2, 2)]


def test_music_from_a_projection_needs_no_text_encoder_and_leaves_the_pipeline_as_it_was(music: Any) -> None:
    projected = {"prompt_embeds": torch.randn(1, 40, 16, generator=torch.Generator().manual_seed(0))}
    before = music.decode(projected, DecodeOptions(seed=1))[0]
    assert "encode_prompt" not in vars(music.pipeline)
    text_encoder = music.pipeline.text_encoder
    music.drop_text_encoder()
    assert music.decode(projected, DecodeOptions(seed=1))[0].content_hash == before.content_hash
    with pytest.raises(ValueError, match="text encoder was dropped"):
        music.condition(["a"])
    music.pipeline.text_encoder = text_encoder


def test_a_cancelled_piece_leaves_the_pipeline_as_it_was(music: Any) -> None:
    def cancel(step: DecodeStep) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        music.decode(music.condition(["a"]), DecodeOptions(seed=1), cancel)
    assert "encode_prompt" not in vars(music.pipeline)


def test_auraflow_is_what_the_pipeline_itself_makes_of_the_caption(tmp_path: Path) -> None:
    aura_flow().save_pretrained(tmp_path)
    config = DecoderConfig(2, 3.5, condition_length=12, call={"height": 16, "width": 16})
    decoder = load_decoder("prompt_embeds", tmp_path, Modality.IMAGE, config)
    assert decoder.condition_shapes == {"prompt_embeds": (12, pipeline_parts.WIDTH)}
    (made,) = decoder.decode(decoder.condition(["a red bell"]), DecodeOptions(seed=5))
    stock = decoder.pipeline(  # type: ignore[attr-defined]
        "a red bell", negative_prompt="", height=16, width=16, num_inference_steps=2, guidance_scale=3.5,
        max_sequence_length=12, generator=torch.Generator().manual_seed(5), output_type="np",
    ).images[0]  # fmt: skip
    assert isinstance(made, Image)
    torch.testing.assert_close(made.pixels, torch.from_numpy(stock).permute(2, 0, 1))
