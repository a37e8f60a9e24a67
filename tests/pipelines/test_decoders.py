"""Decoders: the same bytes at any count, every step reported, cancelled at once; for one pipeline of each modality."""

from types import SimpleNamespace
from typing import Any

import parts
import pytest
import torch
from diffusers import HeunDiscreteScheduler, PNDMScheduler
from transformers import AutoTokenizer

from encoders.media import Audio, Image, Media, Video
from encoders.modality import Modality
from pipelines.decoders.audioldm import ClassLabelsDecoder
from pipelines.decoders.base import Cancelled, DecodeOptions, Decoder, DecoderConfig, DecodeStep
from pipelines.decoders.captions import plain_captions
from pipelines.decoders.diffusion import PromptEmbedsDecoder
from pipelines.presets import preset_folder

IMAGE, AUDIO, VIDEO = Modality.IMAGE, Modality.AUDIO, Modality.VIDEO
MADE = {IMAGE: Image, AUDIO: Audio, VIDEO: Video}


def make_decoder(modality: Modality) -> Decoder:
    config = parts.decoder_config(modality)
    if modality is AUDIO:
        return ClassLabelsDecoder(parts.audio_pipeline(), modality, config)
    pipeline = parts.image_pipeline() if modality is IMAGE else parts.video_pipeline()
    return PromptEmbedsDecoder(pipeline, modality, config)


@pytest.fixture(scope="module")
def decoders() -> dict[Modality, Decoder]:
    return {modality: make_decoder(modality) for modality in MADE}


@pytest.fixture(params=list(MADE), ids=lambda modality: modality.value)
def decoder(request: pytest.FixtureRequest, decoders: dict[Modality, Decoder]) -> Decoder:
    return decoders[request.param]


def hashes(media: list[Media]) -> list[str]:
    return [item.content_hash for item in media]


def test_the_condition_is_shaped_by_the_text_encoder(decoders: dict[Modality, Decoder]) -> None:
    assert {modality: dict(decoder.condition_shapes) for modality, decoder in decoders.items()} == {
        IMAGE: {"prompt_embeds": (6, 16)}, AUDIO: {"prompt_embeds": (8,)}, VIDEO: {"prompt_embeds": (6, 16)},
    }  # fmt: skip


def test_the_condition_does_not_depend_on_the_batch(decoder: Decoder) -> None:
    both, second = decoder.condition(["one", "another"]), decoder.condition(["another"])
    for name, value in second.items():
        torch.testing.assert_close(both[name][1:], value)


def test_what_a_caption_of_a_video_leaves_over_is_zero_as_the_stock_pipeline_makes_it(
    decoders: dict[Modality, Decoder],
) -> None:
    decoder = decoders[VIDEO]
    captions = ["a", "abcd"]
    stock = decoder.pipeline.encode_prompt(captions, mask_feature=True)  # type: ignore[attr-defined]
    made = decoder.condition(captions)["prompt_embeds"]
    torch.testing.assert_close(made, stock[0][:, :6])
    assert not made[0, 1:].any()
    torch.testing.assert_close(decoder.unconditional["prompt_embeds"], stock[1][:1, :6])
    assert decoder.unconditional["prompt_embeds"].any()


def test_a_sounds_condition_is_a_unit_vector_and_any_length_makes_the_same(decoders: dict[Modality, Decoder]) -> None:
    decoder = decoders[AUDIO]
    condition = decoder.condition(["a bell"])
    torch.testing.assert_close(condition["prompt_embeds"].norm(dim=-1), torch.ones(1))
    longer = {"prompt_embeds": 3 * condition["prompt_embeds"]}
    made, again = (decoder.decode(given, DecodeOptions(seed=1))[0] for given in (condition, longer))
    assert isinstance(made, Audio) and isinstance(again, Audio)
    torch.testing.assert_close(again.waveform, made.waveform, atol=1e-5, rtol=0)


def test_a_seed_gives_the_same_bytes_at_any_count(decoder: Decoder) -> None:
    condition = decoder.condition(["a red bell", "a blue boat"])
    together = decoder.decode(condition, DecodeOptions(seed=5, count=2))
    assert len(set(hashes(together))) == 4
    assert all(isinstance(media, MADE[decoder.modality]) for media in together)
    alone = [
        decoder.decode({name: value[row : row + 1] for name, value in condition.items()}, DecodeOptions(seed=seed))[0]
        for row, seed in ((0, 5), (0, 6), (1, 7), (1, 8))
    ]
    assert hashes(together) == hashes(alone)


def test_without_a_seed_samples_differ(decoder: Decoder) -> None:
    condition = decoder.condition(["a"])
    assert hashes(decoder.decode(condition, DecodeOptions())) != hashes(decoder.decode(condition, DecodeOptions()))


def test_the_callers_random_state_is_left_alone(decoder: Decoder) -> None:
    before = torch.random.get_rng_state()
    decoder.decode(decoder.condition(["a"]), DecodeOptions(seed=1))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_every_step_is_reported_and_previews_when_asked(decoder: Decoder) -> None:
    steps: list[DecodeStep] = []
    options = DecodeOptions(seed=1, count=2, num_inference_steps=4, preview_every=2)
    decoder.decode(decoder.condition(["a"]), options, steps.append)
    assert [(s.sample, s.step, s.num_steps) for s in steps] == [(i, s, 4) for i in range(2) for s in range(1, 5)]
    shown = [s.step for s in steps if s.preview is not None]
    assert shown == ([] if decoder.modality is AUDIO else [2, 2])


@pytest.mark.parametrize("modality", [IMAGE, AUDIO], ids=["current callback", "older callback"])
@pytest.mark.parametrize(
    ("scheduler", "taken"),
    [(PNDMScheduler(skip_prk_steps=True, steps_offset=1), (5, 4)), (HeunDiscreteScheduler(), (7, 4))],
    ids=["PNDM", "Heun"],
)
def test_whatever_steps_a_scheduler_takes_the_last_one_reported_is_the_last(
    modality: Modality, scheduler: Any, taken: tuple[int, int]
) -> None:
    pipeline = parts.image_pipeline() if modality is IMAGE else parts.audio_pipeline()
    pipeline.scheduler = scheduler
    make = PromptEmbedsDecoder if modality is IMAGE else ClassLabelsDecoder
    decoder = make(pipeline, modality, DecoderConfig(4, 2.0))
    steps: list[DecodeStep] = []
    decoder.decode(decoder.condition(["a"]), DecodeOptions(seed=1), steps.append)
    total = taken[0] if modality is IMAGE else taken[1]
    assert [(s.step, s.num_steps) for s in steps] == [(step, total) for step in range(1, total + 1)]


def test_looking_on_changes_nothing(decoder: Decoder) -> None:
    condition = decoder.condition(["a"])
    watched = decoder.decode(condition, DecodeOptions(seed=1, preview_every=1), lambda step: None)
    assert hashes(watched) == hashes(decoder.decode(condition, DecodeOptions(seed=1)))


def test_guidance_and_steps_make_a_difference(decoder: Decoder) -> None:
    condition = decoder.condition(["a"])
    options = [
        DecodeOptions(seed=1),
        DecodeOptions(seed=1, guidance_scale=9.0),
        DecodeOptions(seed=1, guidance_scale=0.0),
    ]
    options.append(DecodeOptions(seed=1, num_inference_steps=3))
    assert len({hashes(decoder.decode(condition, option))[0] for option in options}) == 4


def test_raising_from_the_callback_stops_before_the_next_step_and_before_the_vae(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []

    def stop(step: DecodeStep) -> None:
        steps.append(step.step)
        raise Cancelled

    def no_decode(*arguments: Any, **options: Any) -> None:
        raise AssertionError("the VAE ran")

    condition = decoder.condition(["a"])
    expected = hashes(decoder.decode(condition, DecodeOptions(seed=1)))
    with monkeypatch.context() as patch:
        patch.setattr(decoder.pipeline.vae, "decode", no_decode)  # type: ignore[attr-defined]
        with pytest.raises(Cancelled):
            decoder.decode(condition, DecodeOptions(seed=1, num_inference_steps=5), stop)
    assert steps == [1]
    assert hashes(decoder.decode(condition, DecodeOptions(seed=1))) == expected


def test_the_text_encoder_can_be_dropped_and_nothing_changes() -> None:
    for modality in MADE:
        decoder = make_decoder(modality)
        condition, options = decoder.condition(["a red bell"]), DecodeOptions(seed=3)
        before, unconditional = hashes(decoder.decode(condition, options)), decoder.unconditional
        decoder.drop_text_encoder()
        assert hashes(decoder.decode(condition, options)) == before
        assert {n: tuple(v.shape[1:]) for n, v in unconditional.items()} == dict(decoder.condition_shapes)
        with pytest.raises(ValueError, match="was dropped"):
            decoder.condition(["a red bell"])


def test_a_condition_of_another_shape_is_refused(decoder: Decoder) -> None:
    with pytest.raises(ValueError, match="takes the conditions"):
        decoder.decode({"prompt_embeds": torch.zeros(1, 3, 3)}, DecodeOptions())


@pytest.mark.parametrize(
    "options", [{"num_inference_steps": 0}, {"guidance_scale": -1.0}, {"seed": -1}, {"seed": 2**31}, {"count": 0}]
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        DecodeOptions(**options)


def test_a_control_token_in_a_caption_is_read_as_text(decoder: Any) -> None:
    names = [token.content for token in decoder.pipeline.tokenizer.added_tokens_decoder.values()]
    assert names
    caption = f"a red {''.join(names)} bell"
    (plain,) = plain_captions(decoder.pipeline, [caption])
    assert not any(name in plain for name in names) and plain.replace(" ", "") == caption.replace(" ", "")
    torch.testing.assert_close(decoder.condition([caption]), decoder.condition([plain]), rtol=0, atol=0)


@pytest.mark.parametrize("part", ["image", "audio", "video"])
def test_no_caption_holds_a_control_token_of_the_presets_tokenizers(part: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(preset_folder("tiny") / part / "tokenizer", local_files_only=True)
    pipeline = SimpleNamespace(components={"tokenizer": tokenizer})
    control = set(tokenizer.added_tokens_decoder) - {tokenizer.unk_token_id}
    names = [token.content for token in tokenizer.added_tokens_decoder.values()]
    (plain,) = plain_captions(pipeline, [f"a red bell {' and '.join(names)} and a blue boat"])
    assert control.isdisjoint(tokenizer(plain, add_special_tokens=False)["input_ids"])
