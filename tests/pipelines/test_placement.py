"""Where decoders run: diffusers' own options, applied from plain values, and refused where they do not go."""

import gc
import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pipeline_parts
import pytest
import torch

from encoders.media import Image, Media
from encoders.modality import Modality
from pipelines.decoders import load_decoder
from pipelines.decoders.base import Cancelled, DecodeOptions, DecodeStep
from pipelines.decoders.diffusion import PromptEmbedsDecoder
from pipelines.decoders.placement import Placement, denoisers, offload, place

SEEDED = DecodeOptions(seed=1)


def content(decoder: Any, condition: Any = None) -> str:
    (media,) = decoder.decode(decoder.condition(["a bell"]) if condition is None else condition, SEEDED)
    return str(media.content_hash)


def pixels(made: list[Media]) -> torch.Tensor:
    (media,) = made
    return media.pixels if isinstance(media, Image) else media.frames  # type: ignore[union-attr]


def test_a_placement_is_plain_values_and_needs_no_torch() -> None:
    placement = Placement(device="cuda", dtype="bfloat16", dtypes={"vae": "float32"}, offload="model")
    assert Placement(**json.loads(json.dumps(asdict(placement)))) == placement
    code = "import sys; from pipelines.decoders.placement import Placement; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"dtype": "int3"}, "No dtype 'int3'; wanted one of: float32, bfloat16, float16"),
        ({"dtypes": {"vae": "half"}}, "No dtype 'half'"),
        ({"offload": "all"}, "No offload 'all'; wanted one of: none, model, sequential, group"),
        ({"offload": "model"}, "the device is 'cpu'; name an accelerator, as in device='cuda'"),
        ({"offload": "group", "device": "cpu:0"}, "the device is 'cpu:0'"),
        ({"attention_backend": "flash_hub"}, "'flash_hub' runs code fetched from the hub, which is never done"),
    ],
)
def test_values_that_cannot_be_are_refused(fields: dict[str, Any], wanted: str) -> None:
    with pytest.raises(ValueError, match=wanted):
        Placement(**fields)


@pytest.mark.parametrize(("name", "vae"), [("StableDiffusion", "bfloat16"), ("Wan", "float32")])
def test_each_component_has_its_own_precision(name: str, vae: str, tmp_path: Path) -> None:
    sample = pipeline_parts.PIPELINES[name]
    pipeline_parts.build(name).save_pretrained(tmp_path)
    placement = Placement(dtype="bfloat16", dtypes={"vae": vae})
    whole, half = (
        load_decoder(sample.kind, tmp_path, sample.modality, pipeline_parts.config(name), placement=given)
        for given in (Placement(), placement)
    )
    pipeline: Any = half.pipeline  # type: ignore[attr-defined]
    (denoiser,) = denoisers(pipeline)
    last = denoiser.proj_out if name == "Wan" else denoiser.conv_out
    assert last.weight.dtype == torch.bfloat16
    assert (pipeline.text_encoder.dtype, pipeline.vae.dtype) == (torch.bfloat16, getattr(torch, vae))
    condition = whole.condition(["a bell"])
    given, wanted = (
        pixels(d.decode(condition, replace(SEEDED, preview_every=1), lambda s: None)) for d in (half, whole)
    )
    assert 0 < (given - wanted).abs().max() < 0.1


@pytest.mark.parametrize("name", ["StableDiffusion", "Wan", "AudioLDM2"])
@pytest.mark.parametrize("kind", ["model", "group"])
def test_an_offloaded_pipeline_makes_the_same_bytes(name: str, kind: Any) -> None:
    plain = pipeline_parts.decoder(name)
    condition = plain.condition(["a bell"])
    pipeline = pipeline_parts.build(name)
    offload(pipeline, kind, "cpu")  # from the CPU to itself: the hooks are the same
    decoder = pipeline_parts.decoder(name, pipeline)
    assert content(decoder) == content(plain, condition)
    decoder.drop_text_encoder()
    assert content(decoder, condition) == content(plain, condition)


def test_layers_are_offloaded_by_diffusers(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline, asked = pipeline_parts.build("StableDiffusion"), []
    monkeypatch.setattr(pipeline, "enable_sequential_cpu_offload", lambda **options: asked.append(options))
    place(pipeline, Placement(device="cuda:1", offload="sequential"))
    assert asked == [{"device": "cuda:1"}]


def test_an_offloaded_decoder_stays_where_its_hooks_put_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline, moves = pipeline_parts.build("StableDiffusion"), []
    config = pipeline_parts.config("StableDiffusion")
    for can_move in (False, True):
        decoder = PromptEmbedsDecoder(pipeline, Modality.IMAGE, config, can_move=can_move)
        monkeypatch.setattr(pipeline, "to", moves.append)
        assert decoder.to("meta") is decoder
        assert moves == ["meta"] * can_move


@pytest.mark.parametrize("kind", [None, "model"])
def test_memory_stays_flat_over_cancels(kind: Any) -> None:
    pipeline = pipeline_parts.build("StableDiffusion")
    if kind is not None:
        offload(pipeline, kind, "cpu")
    decoder = pipeline_parts.decoder("StableDiffusion", pipeline)
    condition = decoder.condition(["a bell"])

    def stop(step: DecodeStep) -> None:
        raise Cancelled

    def num_tensors() -> int:
        for _ in range(3):
            with pytest.raises(Cancelled):
                decoder.decode(condition, SEEDED, stop)
        gc.collect()
        return sum(issubclass(type(value), torch.Tensor) for value in gc.get_objects())

    assert num_tensors() == num_tensors()


def test_a_network_offloaded_whole_goes_back_when_a_sample_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder: Any = pipeline_parts.decoder("StableDiffusion")
    freed: list[bool] = []
    monkeypatch.setattr(decoder.pipeline, "maybe_free_model_hooks", lambda: freed.append(True))

    def stop(step: DecodeStep) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        decoder.decode(decoder.condition(["a bell"]), SEEDED, stop)
    assert freed == [True]


def test_tiling_and_slicing_are_the_autoencoders_own() -> None:
    pipeline = pipeline_parts.build("StableDiffusion")
    assert not (pipeline.vae.use_tiling or pipeline.vae.use_slicing)
    place(pipeline, Placement(vae_tiling=True, vae_slicing=True))
    assert pipeline.vae.use_tiling and pipeline.vae.use_slicing


def test_tiles_make_what_the_whole_makes() -> None:
    pipeline = pipeline_parts.build("StableDiffusion")
    whole: Any = pipeline_parts.decoder("StableDiffusion", pipeline)
    condition = whole.condition(["a bell"])
    (before,) = whole.decode(condition, SEEDED)
    place(pipeline, Placement(vae_tiling=True))
    pipeline.vae.tile_latent_min_size, pipeline.vae.tile_sample_min_size = 4, 8
    (after,) = whole.decode(condition, SEEDED)
    assert after.pixels.shape == before.pixels.shape
    assert 0 < (after.pixels - before.pixels).abs().mean() < 0.1


@pytest.mark.parametrize(
    ("name", "block"), [("StableDiffusion", "BasicTransformerBlock"), ("Wan", "WanTransformerBlock")]
)
def test_the_repeated_blocks_alone_are_compiled(name: str, block: str) -> None:
    pipeline = pipeline_parts.build(name)
    place(pipeline, Placement(compile_blocks=True))
    (denoiser,) = denoisers(pipeline)
    compiled = {type(module).__name__ for module in denoiser.modules() if module._compiled_call_impl is not None}
    assert compiled == {block}


def test_the_attention_backend_is_set_where_there_is_a_choice() -> None:
    pipeline = pipeline_parts.build("Wan")
    place(pipeline, Placement(attention_backend="native"))
    processors = [module.processor for module in pipeline.transformer.modules() if "processor" in vars(module)]
    assert {processor._attention_backend for processor in processors} == {"native"}


@pytest.mark.parametrize(
    ("name", "fields", "wanted"),
    [
        ("TextToVideoSD", {"compile_blocks": True}, "compile_blocks does not go with UNet3DConditionModel"),
        ("StableDiffusion", {"attention_backend": "native"}, "attention_backend does not go with UNet2DConditionModel"),
        ("Wan", {"attention_backend": "quick"}, "attention_backend does not go with WanTransformer3DModel: .*'quick'"),
        ("Wan", {"attention_backend": "sage"}, "attention_backend does not go with .* install `sageattention"),
    ],
)
def test_an_option_that_a_pipeline_has_not_is_named(name: str, fields: dict[str, Any], wanted: str) -> None:
    with pytest.raises(ValueError, match=wanted):
        place(pipeline_parts.build(name), Placement(**fields))


def test_an_offload_that_a_part_has_not_is_named() -> None:
    with pytest.raises(ValueError, match="offload='group' does not go with StableAudioPipeline: AutoencoderOobleck"):
        offload(pipeline_parts.build("StableAudio"), "group", "cpu")


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="device='cuda:99'"):
        place(pipeline_parts.build("StableDiffusion"), Placement(device="cuda:99"))
