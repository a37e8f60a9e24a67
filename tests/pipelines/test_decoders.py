"""Decoders: equal to the recorded pipelines, the same bytes at any count, cancelled at once, and safe to load."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import parts
import pytest
import torch
from diffusers import (
    PixArtAlphaPipeline,
    PixArtTransformer2DModel,
    PNDMScheduler,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from safetensors.torch import load_file
from torch import Tensor

from encoders.media import Audio, Image, Media, Video
from encoders.modality import Modality
from pipelines.decoders import check_model_index, load_decoder
from pipelines.decoders.audioldm import ClassLabelsDecoder
from pipelines.decoders.base import Cancelled, DecodeOptions, Decoder, DecoderConfig, DecodeStep
from pipelines.decoders.diffusion import PromptEmbedsDecoder

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


@pytest.mark.parametrize(
    ("name", "kind", "modality", "output"),
    [
        ("sd15_pipeline", "prompt_embeds", IMAGE, "out.image"),
        ("textvideo_pipeline", "prompt_embeds", VIDEO, "out.video"),
        ("audioldm_pipeline", "class_labels", AUDIO, "out.audio"),
    ],
)
def test_a_decoder_makes_what_the_stock_pipeline_was_recorded_to_make(
    golden: Path, name: str, kind: str, modality: Modality, output: str
) -> None:
    folder = golden / name
    recorded = load_file(folder / "io.safetensors")
    facts = json.loads((folder / "config.json").read_text())
    call = {key: facts[key] for key in ("height", "width", "num_frames", "audio_length_in_s") if key in facts}
    config = DecoderConfig(facts["num_inference_steps"], facts["guidance_scale"], call=call)
    decoder = load_decoder(kind, folder / "pipeline", modality, config)
    torch.testing.assert_close(
        decoder.condition([facts["prompt"]])["prompt_embeds"], recorded["in.prompt_embeds"], atol=1e-5, rtol=1e-5
    )
    pipeline: Any = decoder.pipeline  # type: ignore[attr-defined]
    stock = pipeline.__call__
    made: list[Any] = []

    def with_recorded_noise(self: Any, **arguments: Any) -> Any:
        noise = {"latents": recorded["in.latents"], "negative_prompt_embeds": recorded["in.negative_prompt_embeds"]}
        made.append(stock(**{**arguments, **noise}))
        return made[-1]

    patched = type(pipeline.__class__.__name__, (pipeline.__class__,), {"__call__": with_recorded_noise})
    patched.__call__.__signature__ = __import__("inspect").signature(pipeline.__class__.__call__)
    pipeline.__class__ = patched
    (media,) = decoder.decode({"prompt_embeds": recorded["in.prompt_embeds"]}, DecodeOptions(seed=0))
    expected = recorded[output]
    values = {IMAGE: "pixels", AUDIO: "waveform", VIDEO: "frames"}[modality]
    got: Tensor = getattr(media, values)
    wanted = expected if modality is AUDIO else expected[0].movedim(-1, -3)
    torch.testing.assert_close(got, wanted.clamp(-1 if modality is AUDIO else 0, 1), atol=2e-5, rtol=1e-4)


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
    assert hashes(decoder.decode(condition, DecodeOptions(seed=1))) == hashes(
        decoder.decode(longer, DecodeOptions(seed=1))
    )


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


def test_a_scheduler_that_takes_more_steps_than_asked_reports_them_all() -> None:
    pipeline = parts.image_pipeline()
    pipeline.scheduler = PNDMScheduler(skip_prk_steps=True, steps_offset=1)
    decoder = PromptEmbedsDecoder(pipeline, IMAGE, DecoderConfig(4, 2.0))
    steps: list[DecodeStep] = []
    decoder.decode(decoder.condition(["a"]), DecodeOptions(seed=1), steps.append)
    assert [(s.step, s.num_steps) for s in steps] == [(step, 5) for step in range(1, 6)]


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


def pixart() -> PixArtAlphaPipeline:
    video = parts.video_pipeline()
    transformer = PixArtTransformer2DModel(
        num_attention_heads=2, attention_head_dim=8, in_channels=4, out_channels=8, num_layers=1,
        cross_attention_dim=16, sample_size=8, patch_size=2, caption_channels=16, use_additional_conditions=False,
    )  # fmt: skip
    return PixArtAlphaPipeline(video.tokenizer, video.text_encoder, video.vae, transformer, video.scheduler)


def sdxl() -> StableDiffusionXLPipeline:
    image = parts.image_pipeline()
    from transformers import CLIPTextModelWithProjection

    config = image.text_encoder.config
    config.projection_dim = 12
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8, block_out_channels=(16, 16), layers_per_block=1, cross_attention_dim=32, attention_head_dim=2,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        norm_num_groups=4, addition_embed_type="text_time", addition_time_embed_dim=4,
        projection_class_embeddings_input_dim=12 + 6 * 4,
    )  # fmt: skip
    return StableDiffusionXLPipeline(
        image.vae, image.text_encoder, CLIPTextModelWithProjection(config).eval(), image.tokenizer, image.tokenizer,
        unet, image.scheduler,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("build", "call", "shapes"),
    [
        (pixart, {"height": 16, "width": 16, "use_resolution_binning": False}, {"prompt_embeds": (6, 16)}),
        (sdxl, {}, {"prompt_embeds": (6, 32), "pooled_prompt_embeds": (12,)}),
    ],
)
def test_pipelines_with_masks_or_pooled_embeddings_are_decoders_too(
    build: Callable[[], Any], call: dict[str, Any], shapes: dict[str, tuple[int, ...]]
) -> None:
    decoder = PromptEmbedsDecoder(build(), IMAGE, DecoderConfig(2, 2.0, condition_length=6, call=call))
    assert dict(decoder.condition_shapes) == shapes
    condition = decoder.condition(["a bell", "a boat"])
    made = decoder.decode(condition, DecodeOptions(seed=1))
    assert len(set(hashes(made))) == 2
    decoder.drop_text_encoder()
    assert hashes(decoder.decode(condition, DecodeOptions(seed=1))) == hashes(made)


@pytest.mark.parametrize(
    ("index", "wanted"),
    [
        ({"_class_name": "EvilPipeline"}, "'EvilPipeline'"),
        ({"_class_name": "LattePipeline", "unet": ["my_module", "UNet2DConditionModel"]}, "my_module"),
        ({"_class_name": "LattePipeline", "unet": ["diffusers", "Surprise"]}, "diffusers.Surprise"),
    ],
)
def test_only_known_classes_are_ever_loaded(tmp_path: Path, index: dict[str, Any], wanted: str) -> None:
    with pytest.raises(ValueError, match=r"model_index\.json is missing"):
        check_model_index(tmp_path)
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match=wanted):
        load_decoder("prompt_embeds", tmp_path, IMAGE, DecoderConfig(2, 2.0))


def test_an_unknown_kind_of_decoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="prompt_embeds, class_labels"):
        load_decoder("magic", tmp_path, IMAGE, DecoderConfig(2, 2.0))


@pytest.mark.parametrize(
    "options", [{"num_inference_steps": 0}, {"guidance_scale": -1.0}, {"seed": -1}, {"seed": 2**31}, {"count": 0}]
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        DecodeOptions(**options)
