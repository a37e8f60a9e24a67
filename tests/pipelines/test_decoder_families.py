"""Decoders around every family of diffusers pipelines: equal to the pipeline itself, to the bit, called by its own name."""

import inspect
from collections import Counter
from functools import cache
from typing import Any

import decoder_overhead
import numpy as np
import pipeline_parts
import pytest
import torch
from diffusers import LCMScheduler
from pipeline_parts import PIPELINES
from torch import Tensor

from encoders.media import Audio, Image, Media, Video
from encoders.modality import Modality
from pipelines.decoders.base import Cancelled, DecodeOptions, Decoder, DecoderConfig, DecodeStep
from pipelines.decoders.diffusion import PromptEmbedsDecoder
from pipelines.decoders.placement import denoisers

CAPTION = "a red bell"
MADE = {Modality.IMAGE: Image, Modality.AUDIO: Audio, Modality.VIDEO: Video}
every = pytest.mark.parametrize("name", PIPELINES)
masked = pytest.mark.parametrize("name", [name for name, sample in PIPELINES.items() if sample.masks])


@cache
def decoder_of(name: str) -> Any:
    return pipeline_parts.decoder(name)


def tensor(media: Media) -> Tensor:
    """Media as the stock pipelines lay it out: images and frames with their channels last."""
    if isinstance(media, Image):
        return media.pixels.movedim(0, -1)
    if isinstance(media, Video):
        return media.frames.movedim(1, -1)
    assert isinstance(media, Audio)
    return media.waveform


def call_stock(name: str, **given: Any) -> Tensor:
    """Call a decoder's pipeline as its own documentation says, with the seed 5 and two steps."""
    pipeline, sample = decoder_of(name).pipeline, PIPELINES[name]
    if "clean_caption" in inspect.signature(pipeline.__call__).parameters:
        given["clean_caption"] = False
    common = {"generator": torch.Generator().manual_seed(5), "num_inference_steps": 2, "guidance_scale": 2.0}
    output = pipeline(**{**common, **sample.call, **given}, output_type="np")
    field = {Modality.IMAGE: "images", Modality.AUDIO: "audios", Modality.VIDEO: "frames"}[sample.modality]
    made = torch.from_numpy(np.asarray(getattr(output, field))[0])
    return torch.atleast_2d(made).clamp(-1, 1) if sample.modality is Modality.AUDIO else made


def make(decoder: Decoder, condition: dict[str, Tensor], **options: Any) -> Tensor:
    (media,) = decoder.decode(condition, DecodeOptions(seed=5, **options))
    assert isinstance(media, MADE[decoder.modality])
    return tensor(media)


@every
def test_the_condition_is_found_from_the_pipeline(name: str) -> None:
    decoder, sample = decoder_of(name), PIPELINES[name]
    assert dict(decoder.condition_shapes) == sample.shapes
    made = decoder.condition([CAPTION, "a"])
    assert {n for n in made if n not in sample.shapes} == set(sample.masks)
    assert {n: tuple(made[n].shape) for n in sample.shapes} == {n: (2, *s) for n, s in sample.shapes.items()}
    assert {n: tuple(v.shape) for n, v in decoder.unconditional.items()} == {
        n: (1, *s) for n, s in sample.shapes.items()
    }


@every
def test_a_sample_costs_the_networks_what_the_stock_pipeline_costs_them(name: str) -> None:
    decoder, calls = decoder_of(name), []
    networks = [part for part in decoder.pipeline.components.values() if isinstance(part, torch.nn.Module)]
    hooks = [part.register_forward_pre_hook(lambda module, _: calls.append(type(module))) for part in networks]
    try:
        make(decoder, decoder.condition([CAPTION]))
        ours = calls.copy()
        calls.clear()
        call_stock(name, prompt=CAPTION)
    finally:
        for hook in hooks:
            hook.remove()
    given, stock = Counter(ours), Counter(calls)
    assert given <= stock, "a network ran more often than the stock pipeline runs it"
    denoiser = type(denoisers(decoder.pipeline)[0])
    assert given[denoiser] == stock[denoiser] > 0


# Latte shortens a caption that comes alone; AudioLDM lengthens its empty one: each is compared by embeddings below.
@pytest.mark.parametrize("name", sorted(set(PIPELINES) - {"Latte", "AudioLDM"}))
def test_a_caption_makes_what_the_stock_pipeline_makes_of_it_to_the_bit(name: str) -> None:
    decoder = decoder_of(name)
    assert torch.equal(make(decoder, decoder.condition([CAPTION])), call_stock(name, prompt=CAPTION))


@pytest.mark.parametrize("name", sorted(n for n, sample in PIPELINES.items() if not sample.masks))
def test_a_condition_makes_what_the_stock_pipeline_makes_of_the_same_embeddings_to_the_bit(name: str) -> None:
    decoder = decoder_of(name)
    condition = decoder.condition([CAPTION])
    negative = {f"negative_{n}": value for n, value in decoder.unconditional.items()}
    assert torch.equal(make(decoder, condition), call_stock(name, negative_prompt=None, **condition, **negative))


@pytest.mark.parametrize("name", ["StableDiffusion", "PixArtAlpha", "AudioLDM2", "Wan"])
def test_a_configured_negative_prompt_is_what_the_stock_pipeline_is_told(name: str) -> None:
    config = DecoderConfig(2, 2.0, rate=4.0, call={**PIPELINES[name].call, "negative_prompt": "dull"})
    decoder = PromptEmbedsDecoder(decoder_of(name).pipeline, PIPELINES[name].modality, config)
    made = make(decoder, decoder.condition([CAPTION]))
    assert torch.equal(made, call_stock(name, prompt=CAPTION, negative_prompt="dull"))
    assert not torch.equal(made, make(decoder_of(name), decoder.condition([CAPTION])))


def test_further_negative_prompts_are_told_too() -> None:
    name, told = "StableDiffusionXL", {"negative_prompt": "dull", "negative_prompt_2": "grey"}
    decoder = PromptEmbedsDecoder(decoder_of(name).pipeline, Modality.IMAGE, DecoderConfig(2, 2.0, call=told))
    assert torch.equal(make(decoder, decoder.condition([CAPTION])), call_stock(name, prompt=CAPTION, **told))


@every
def test_without_guidance_the_caption_alone_counts(name: str) -> None:
    decoder = decoder_of(name)
    condition = decoder.condition([CAPTION])
    alone = make(decoder, condition, guidance_scale=1.0)
    assert alone.isfinite().all()
    assert not torch.equal(alone, make(decoder, condition))
    if name not in ("Latte", "AudioLDM"):
        assert torch.equal(alone, call_stock(name, prompt=CAPTION, guidance_scale=1.0))


@masked
def test_what_a_caption_leaves_over_is_zero_and_a_missing_mask_is_seen_by_it(name: str) -> None:
    decoder = decoder_of(name)
    condition = decoder.condition(["a", CAPTION])
    (mask,) = (condition.pop(mask) for mask in PIPELINES[name].masks)
    assert 0 < mask[0].sum() < mask[1].sum()
    assert not condition["prompt_embeds"][mask == 0].any()
    alone = {n: value[:1] for n, value in condition.items()}
    given = {**alone, PIPELINES[name].masks[0]: mask[:1]}
    assert torch.equal(make(decoder, alone), make(decoder, given))
    full = torch.ones_like(mask[:1])
    assert not torch.equal(make(decoder, given), make(decoder, {**alone, PIPELINES[name].masks[0]: full}))


@masked
def test_a_mask_of_another_length_is_refused(name: str) -> None:
    decoder, (mask,) = decoder_of(name), PIPELINES[name].masks
    condition = decoder.condition([CAPTION])
    with pytest.raises(ValueError, match=f"takes the conditions .*'{mask}': \\({condition[mask].shape[1]},\\)"):
        decoder.decode({**condition, mask: condition[mask][:, 1:]}, DecodeOptions())


@every
def test_every_step_is_reported_and_cancelling_stops_before_the_autoencoder(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder, steps = decoder_of(name), []

    def stop(step: DecodeStep) -> None:
        steps.append((step.step, step.num_steps))
        if step.step == 2:
            raise Cancelled

    condition = decoder.condition([CAPTION])
    before = make(decoder, condition)
    with monkeypatch.context() as patch:
        patch.setattr(decoder.pipeline.vae, "decode", lambda *_, **__: pytest.fail("the autoencoder ran"))
        with pytest.raises(Cancelled):
            decoder.decode(condition, DecodeOptions(seed=5, num_inference_steps=3), stop)
    assert steps == [(1, 3), (2, 3)]
    assert torch.equal(make(decoder, condition), before)


@pytest.mark.parametrize("name", sorted(set(PIPELINES) - {"StableDiffusion", "Latte", "AudioLDM"}))
def test_a_seed_gives_the_same_bytes_at_any_count(name: str) -> None:
    decoder = decoder_of(name)
    condition = decoder.condition([CAPTION, "bo"])
    together = [media.content_hash for media in decoder.decode(condition, DecodeOptions(seed=5, count=2))]
    (last,) = decoder.decode({n: value[1:] for n, value in condition.items()}, DecodeOptions(seed=8))
    assert len(set(together)) == 4
    assert together[3] == last.content_hash


def test_a_scheduler_that_adds_noise_draws_it_from_the_samples_own_seed() -> None:
    decoder = decoder_of("StableDiffusion")
    stock, decoder.pipeline.scheduler = decoder.pipeline.scheduler, LCMScheduler()
    try:
        condition = decoder.condition([CAPTION])
        made = [media.content_hash for media in decoder.decode(condition, DecodeOptions(seed=4, count=2))]
        assert [media.content_hash for media in decoder.decode(condition, DecodeOptions(seed=5))] == made[1:]
    finally:
        decoder.pipeline.scheduler = stock


@pytest.mark.parametrize("name", ["StableDiffusion", "StableDiffusionXL", "PixArtAlpha", "Wan", "AnimateDiff"])
def test_a_picture_of_the_sample_so_far_is_shown(name: str) -> None:
    decoder = decoder_of(name)
    steps: list[DecodeStep] = []
    decoder.decode(decoder.condition([CAPTION]), DecodeOptions(seed=5, preview_every=1), steps.append)
    shown, last = (step.preview for step in steps)
    assert last is None and shown is not None
    assert shown.pixels.shape == (3, 16, 16)
    assert shown.pixels.std() > 0


@pytest.mark.parametrize(
    "name", ["StableDiffusionXL", "PixArtAlpha", "TextToVideoSD", "Wan", "AudioLDM2", "StableAudio"]
)
def test_the_text_encoders_can_be_dropped_and_nothing_changes(name: str) -> None:
    decoder: Any = pipeline_parts.decoder(name)
    condition = decoder.condition([CAPTION])
    before = make(decoder, condition)
    decoder.drop_text_encoder()
    left = [n for n, part in decoder.pipeline.components.items() if isinstance(part, torch.nn.Module)]
    assert not [n for n in left if n.startswith(("text_encoder", "language_model"))]
    assert torch.equal(make(decoder, condition), before)
    with pytest.raises(ValueError, match="was dropped"):
        decoder.condition([CAPTION])


def test_a_shorter_condition_is_the_start_of_the_whole_one() -> None:
    decoder = decoder_of("AudioLDM2")
    short = PromptEmbedsDecoder(
        decoder.pipeline, Modality.AUDIO, pipeline_parts.config("AudioLDM2", condition_length=7)
    )
    assert short.condition_shapes["prompt_embeds"] == (7, pipeline_parts.WIDTH)
    whole, cut = decoder.condition(["a"]), short.condition(["a"])
    torch.testing.assert_close(cut["prompt_embeds"], whole["prompt_embeds"][:, :7])
    assert torch.equal(cut["attention_mask"], whole["attention_mask"][:, :7])
    assert make(short, cut).shape == make(decoder, whole).shape


def test_a_pipeline_that_takes_no_embeddings_is_refused() -> None:
    class Plain:
        def __call__(self, prompt: str) -> None: ...

    with pytest.raises(ValueError, match="Plain takes no prompt_embeds"):
        PromptEmbedsDecoder(Plain(), Modality.IMAGE, pipeline_parts.config("StableDiffusion"))


@pytest.mark.parametrize("name", ["StableDiffusion", "StableAudio", "Wan"])
def test_a_decoder_adds_at_most_three_percent_to_the_operations_of_its_pipeline(name: str) -> None:
    """Counted, since time depends on what else a machine does; `python tests/decoder_overhead.py` takes the time."""
    stock, ours = decoder_overhead.operations(name)
    assert stock <= ours <= 1.03 * stock


def test_the_ratio_of_times_is_the_median_of_pairs_with_its_interval() -> None:
    slowed = [(10.0, 10.0 * ratio) for ratio in (1.0, 1.01, 1.02, 1.03, 1.04, 3.0)]  # a pause fell into one of them
    measured = decoder_overhead.Measured.of([(1.0, 1.02)] * 94 + slowed)
    assert measured.ratio == pytest.approx(1.02)
    assert measured.spread == pytest.approx(0.0)
    assert decoder_overhead.Measured.of(slowed).spread > 0.1  # too few to say
