"""Decoders from folders: whole and fitting weights, older layouts, known classes, and nothing that could run."""

import inspect
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from shutil import copytree
from typing import Any

import diffusers
import pipeline_parts
import pytest
import torch
from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
from pipeline_parts import PIPELINES
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPConfig, CLIPImageProcessor, GPT2LMHeadModel, GPT2Model

from encoders.modality import Modality
from pipelines.decoders import catalogue, load_decoder
from pipelines.decoders.base import DecodeOptions, DecoderConfig
from pipelines.decoders.placement import Placement
from pipelines.safe_weights import convert

IMAGE = Modality.IMAGE
PLAIN = Placement()
UNET, TEXT = "unet/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved Stable Diffusion; not to be written to."""
    folder = tmp_path_factory.mktemp("stock") / "stable-diffusion"
    pipeline_parts.build("StableDiffusion").save_pretrained(folder)
    return folder


@pytest.fixture
def folder(stock: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return copytree(stock, tmp_path / "pipeline")


def load(folder: Path, **options: Any) -> Any:
    return load_decoder("prompt_embeds", folder, IMAGE, pipeline_parts.config("StableDiffusion"), **options)


def assert_same(given: torch.nn.Module, wanted: torch.nn.Module) -> None:
    values, expected = given.state_dict(), wanted.state_dict()
    assert values.keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in values.items())


def rewrite(path: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> None:
    save_file(change(load_file(path)), path, metadata={"format": "pt"})


def edit(path: Path, **fields: Any) -> None:
    values = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(values | fields))


@pytest.mark.parametrize("name", PIPELINES)
def test_every_family_loads_by_configuration_alone(name: str, tmp_path: Path) -> None:
    sample, pipeline = PIPELINES[name], pipeline_parts.build(name)
    pipeline.save_pretrained(tmp_path)
    decoder: Any = load_decoder(sample.kind, tmp_path, sample.modality, pipeline_parts.config(name))
    assert type(decoder.pipeline) is type(pipeline)
    assert dict(decoder.condition_shapes) == sample.shapes
    for part, network in pipeline.components.items():
        if isinstance(network, torch.nn.Module):
            loaded = decoder.pipeline.components[part]
            assert not loaded.training
            assert_same(loaded, network)


def test_older_and_newer_layouts_of_the_same_weights_make_the_same(stock: Path, folder: Path) -> None:
    def older_vae(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
        for new, old in names.items():
            tensors = {n.replace(f"attentions.0.{new}", f"attentions.0.{old}"): v for n, v in tensors.items()}
        return tensors

    def older_text(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return {f"text_model.{n}": v for n, v in tensors.items()} | {
            "text_model.embeddings.position_ids": torch.arange(6)[None]
        }

    rewrite(folder / "vae/diffusion_pytorch_model.safetensors", older_vae)
    rewrite(folder / TEXT, older_text)
    assert not load_file(folder / TEXT).keys() & load_file(stock / TEXT).keys()
    assert any("proj_attn" in name for name in load_file(folder / "vae/diffusion_pytorch_model.safetensors"))
    for part in ("vae", "text_encoder"):
        assert_same(*(getattr(load(f).pipeline, part) for f in (stock, folder)))


def test_a_released_safety_checker_is_read(folder: Path) -> None:
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision = {**sizes, "image_size": 8, "patch_size": 4}
    text = {**sizes, "vocab_size": 8, "bos_token_id": 0, "eos_token_id": 1}
    checker = StableDiffusionSafetyChecker(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8))
    checker.save_pretrained(folder / "safety_checker")
    CLIPImageProcessor(size=8, crop_size=8).save_pretrained(folder / "feature_extractor")
    edit(
        folder / "model_index.json",
        safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"],
        feature_extractor=["transformers", "CLIPFeatureExtractor"],  # its older name
    )
    older = {"vision_model.embeddings.position_ids": torch.arange(5)[None]}
    rewrite(
        folder / "safety_checker/model.safetensors",
        lambda tensors: {
            n.replace("vision_model.", "vision_model.vision_model."): v for n, v in (tensors | older).items()
        },
    )
    decoder = load(folder)
    assert_same(decoder.pipeline.safety_checker, checker)
    assert len(decoder.decode(decoder.condition(["a"]), DecodeOptions(seed=1))) == 1


def test_every_class_that_may_be_loaded_is_there() -> None:
    libraries = [import_module(name) for name in catalogue.LIBRARIES.values()]
    for name in catalogue.NETWORKS | catalogue.OTHERS:
        name = catalogue.SUCCESSORS.get(name, name)
        assert any(getattr(library, name, None) is not None for library in libraries), name
    assert all(getattr(diffusers, name, None) is not None for name in catalogue.PIPELINES)


def test_the_bare_gpt_2_of_early_audioldm2_folders_is_read_as_the_one_that_writes(tmp_path: Path) -> None:
    pipeline = pipeline_parts.build("AudioLDM2")
    pipeline.save_pretrained(tmp_path)
    bare = GPT2Model(pipeline.language_model.config)
    bare.load_state_dict(pipeline.language_model.transformer.state_dict())
    bare.save_pretrained(tmp_path / "language_model")
    edit(tmp_path / "model_index.json", language_model=["transformers", "GPT2Model"])
    decoder: Any = load_decoder("prompt_embeds", tmp_path, Modality.AUDIO, pipeline_parts.config("AudioLDM2"))
    assert isinstance(decoder.pipeline.language_model, GPT2LMHeadModel)
    whole = pipeline_parts.decoder("AudioLDM2", pipeline).condition(["bell"])
    for name, value in decoder.condition(["bell"]).items():
        torch.testing.assert_close(value, whole[name])


@pytest.mark.parametrize("file", [UNET, TEXT])
def test_weights_must_be_exactly_the_networks(folder: Path, file: str) -> None:
    name = sorted(load_file(folder / file))[3]
    rewrite(folder / file, lambda tensors: {**tensors, "evil.key": torch.zeros(2)})
    with pytest.raises(ValueError, match=r"does not fit this model\. 1 extra: evil\.key\."):
        load(folder)
    rewrite(folder / file, lambda tensors: {n: v for n, v in tensors.items() if n not in (name, "evil.key")})
    with pytest.raises(ValueError, match=rf"does not fit this model\. 1 missing: {name}\."):
        load(folder)
    rewrite(folder / file, lambda tensors: {**tensors, name: torch.zeros(7)})
    with pytest.raises(ValueError, match=rf"{name}.*7"):
        load(folder)


@pytest.mark.parametrize("file", [UNET, TEXT])
def test_a_missing_file_is_named_with_the_repository_and_the_way_to_get_it(folder: Path, file: str) -> None:
    (folder / file).unlink()
    with pytest.raises(ValueError, match=f"owner/name: the file {file} is not in .*: hf download owner/name {file}"):
        load(folder, repository="owner/name")
    with pytest.raises(ValueError, match=f"{file} is missing; copy it there"):
        load(folder)


@pytest.mark.parametrize("file", [UNET, TEXT])
def test_a_half_downloaded_file_is_refused(folder: Path, file: str) -> None:
    whole = (folder / file).read_bytes()
    (folder / file).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=f"{file} is not a whole safetensors file .* fetch it again"):
        load(folder)


def test_weights_in_shards_are_read_and_a_missing_shard_is_named(folder: Path, stock: Path) -> None:
    part = folder / "unet"
    load(stock).pipeline.unet.save_pretrained(part, max_shard_size="100KB")
    (part / "diffusion_pytorch_model.safetensors").unlink()
    shards = sorted(part.glob("diffusion_pytorch_model-*.safetensors"))
    assert len(shards) > 1
    assert_same(*(load(f).pipeline.unet for f in (stock, folder)))
    shards[1].unlink()
    with pytest.raises(ValueError, match=f"hf download owner/name unet/{shards[1].name}"):
        load(folder, repository="owner/name")
    index = part / "diffusion_pytorch_model.safetensors.index.json"
    edit(index, weight_map={"conv_in.weight": "../../elsewhere.safetensors"})
    with pytest.raises(ValueError, match=r"names '\.\./\.\./elsewhere\.safetensors'"):
        load(folder)


def test_pickled_weights_are_never_opened(folder: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (pytest.fail, ("the pickle was opened",))

    (folder / UNET).unlink()
    (folder / "unet/diffusion_pytorch_model.bin").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ValueError, match=r"owner/name has unet/diffusion_pytorch_model\.bin and no .* pickle can run"):
        load(folder, repository="owner/name")


def test_pickled_tensors_made_safe_by_our_own_command_are_read(folder: Path, stock: Path) -> None:
    for file in (UNET, TEXT):
        tensors = load_file(folder / file)
        (folder / file).unlink()
        pickled = "diffusion_pytorch_model.bin" if file == UNET else "pytorch_model.bin"
        torch.save(tensors, (folder / file).parent / pickled)
        with pytest.raises(ValueError, match=f"python -m pipelines.safe_weights {(folder / file).parent}"):
            load(folder)
        convert((folder / file).parent)
    for part in ("unet", "text_encoder"):
        assert_same(*(getattr(load(f).pipeline, part) for f in (folder, stock)))


# Those that Stable Diffusion can be sampled with; the others belong to other families, which have tests of their own.
SCHEDULERS = sorted(
    name
    for name in catalogue.OTHERS
    if name.endswith("Scheduler") and not name.startswith(("Cosine", "EDM", "FlowMatch"))
)


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")  # of diffusers' own use of numpy
@pytest.mark.parametrize("name", SCHEDULERS)
def test_any_scheduler_makes_what_it_makes_in_the_stock_pipeline(name: str, folder: Path) -> None:
    edit(folder / "model_index.json", scheduler=["diffusers", name])
    scheduler_class = getattr(diffusers, name)
    wanted = {"beta_schedule": "scaled_linear", "steps_offset": 1, "skip_prk_steps": True, "clip_sample": False}
    known = inspect.signature(scheduler_class).parameters
    scheduler_class(**{key: value for key, value in wanted.items() if key in known}).save_pretrained(
        folder / "scheduler"
    )
    decoder, latents = load(folder), torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    decoder.config = replace(decoder.config, call={**decoder.config.call, "latents": latents})
    (made,) = decoder.decode(decoder.condition(["a bell"]), DecodeOptions(seed=3, num_inference_steps=3))
    stock = diffusers.StableDiffusionPipeline.from_pretrained(folder)
    stock.set_progress_bar_config(disable=True)
    assert type(stock.scheduler).__name__ == name
    call = {**decoder.config.call, "generator": torch.Generator().manual_seed(3), "num_inference_steps": 3}
    guidance = decoder.config.guidance_scale
    pixels = stock("a bell", **call, guidance_scale=guidance, output_type="np").images[0]
    assert torch.equal(made.pixels, torch.from_numpy(pixels).permute(2, 0, 1))


def test_a_scheduler_whose_package_is_not_installed_names_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(folder / "model_index.json", scheduler=["diffusers", "CosineDPMSolverMultistepScheduler"])
    monkeypatch.setattr(catalogue, "find_spec", lambda package: None)
    told = r"CosineDPMSolverMultistepScheduler needs the package torchsde, .*pip install 'multimodal-studio\[sde\]'"
    with pytest.raises(ValueError, match=told):
        load(folder)


@pytest.mark.filterwarnings("ignore:Should have:UserWarning")  # torchsde, of the last bit of an interval
def test_stable_audio_runs_with_the_scheduler_that_it_was_published_with(tmp_path: Path) -> None:
    pytest.importorskip("torchsde")
    pipeline = pipeline_parts.build("StableAudio")
    pipeline.scheduler = diffusers.CosineDPMSolverMultistepScheduler(
        sigma_min=0.3, sigma_max=500, solver_order=2, prediction_type="v_prediction", sigma_schedule="exponential"
    )
    pipeline.save_pretrained(tmp_path)
    decoder: Any = load_decoder("prompt_embeds", tmp_path, Modality.AUDIO, pipeline_parts.config("StableAudio"))
    condition = decoder.condition(["a bell"])
    made = [decoder.decode(condition, DecodeOptions(seed=seed, num_inference_steps=3))[0] for seed in (1, 1, 2)]
    assert made[0].content_hash == made[1].content_hash != made[2].content_hash


def test_weights_of_a_variant_are_taken_where_they_are(folder: Path) -> None:
    (folder / UNET).rename(folder / "unet/diffusion_pytorch_model.fp16.safetensors")
    with pytest.raises(ValueError, match=f"{UNET} is missing"):
        load(folder)
    pipeline = load(folder, placement=Placement(variant="fp16", dtypes={"unet": "bfloat16"})).pipeline
    assert (pipeline.unet.dtype, pipeline.vae.dtype) == (torch.bfloat16, torch.float32)


@pytest.mark.parametrize("index", ["safetensors.index.fp16.json", "safetensors.fp16.index.json"])
def test_the_shards_of_a_variant_are_found_by_either_name_of_their_index(folder: Path, stock: Path, index: str) -> None:
    """The second name is diffusers' own of old, which it misreads beneath a folder with a dot, as AuraFlow-v0.3's."""
    folder = folder.rename(folder.with_name("Model-v0.3"))
    load(stock).pipeline.unet.save_pretrained(folder / "unet", max_shard_size="100KB", variant="fp16")
    (folder / UNET).unlink()
    written = folder / "unet/diffusion_pytorch_model.safetensors.index.fp16.json"
    written.rename(written.with_name(f"diffusion_pytorch_model.{index}"))
    assert_same(*(load(f, placement=p).pipeline.unet for f, p in ((stock, PLAIN), (folder, Placement(variant="fp16")))))
    next((folder / "unet").glob("*-00002-*")).unlink()
    with pytest.raises(ValueError, match=r"owner/name: the file unet/diffusion_pytorch_model\S*-00002-\S* is not in"):
        load(folder, placement=Placement(variant="fp16"), repository="owner/name")


def test_a_variant_that_no_part_has_is_refused(stock: Path) -> None:
    with pytest.raises(ValueError, match="No weights of the variant 'ema'"):
        load(stock, placement=Placement(variant="ema"))


def test_an_index_without_a_part_that_the_pipeline_needs_is_refused(folder: Path) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({n: v for n, v in index.items() if n != "scheduler"}))
    with pytest.raises(ValueError, match=r"cannot be loaded: .*'scheduler'"):
        load(folder)


def test_what_the_index_tells_the_pipeline_is_told(tmp_path: Path) -> None:
    pipeline_parts.build("StableDiffusionXL").save_pretrained(tmp_path)
    edit(tmp_path / "model_index.json", force_zeros_for_empty_prompt=False)
    config = pipeline_parts.config("StableDiffusionXL")
    decoder: Any = load_decoder("prompt_embeds", tmp_path, IMAGE, config)
    assert decoder.pipeline.config.force_zeros_for_empty_prompt is False
    assert decoder.unconditional["prompt_embeds"].any()
    assert not pipeline_parts.decoder("StableDiffusionXL").unconditional["prompt_embeds"].any()


def test_what_is_no_pipeline_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no diffusers pipeline: .*model_index\.json is missing"):
        catalogue.read_model_index(tmp_path)
    with pytest.raises(ValueError, match=r"wanted one of: .*prompt_embeds, class_labels"):
        load_decoder("magic", tmp_path, IMAGE, DecoderConfig(2, 2.0))


# Each row is a way in which a downloaded folder has asked a loader to run something.
@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"_class_name": "EvilPipeline"}, "names the pipeline 'EvilPipeline'"),
        ({"_class_name": ["my_pipeline", "EvilPipeline"]}, "names the pipeline .'my_pipeline', 'EvilPipeline'."),
        ({"custom_pipelines": {"evil": {}}}, "asks for code of its own"),
        ({"auto_map": {"AutoModel": "evil.Model"}}, "asks for code of its own"),
        ({"unet": ["my_module", "UNet2DConditionModel"]}, r"names my_module\.UNet2DConditionModel as 'unet'"),
        ({"unet": ["diffusers", "Surprise"]}, r"names diffusers\.Surprise as 'unet'"),
        ({"unet": ["transformers", "AutoModel"]}, r"names transformers\.AutoModel as 'unet'"),
        ({"unet": ["diffusers"]}, "names diffusers as 'unet'"),
        ({"unet": ["diffusers", {"a": "b"}]}, "which is not one that may be loaded"),
        ({"../unet": ["diffusers", "UNet2DConditionModel"]}, "as '../unet', which is not one"),
    ],
)
def test_an_index_that_names_code_is_refused_before_anything_is_loaded(
    folder: Path, fields: dict[str, Any], wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "my_pipeline.py").write_text("raise SystemExit('the code of the folder ran')")
    (folder / "unet" / "my_module.py").write_text("raise SystemExit('the code of the folder ran')")
    edit(folder / "model_index.json", **fields)
    monkeypatch.setattr("diffusers.AutoencoderKL.from_pretrained", lambda *_, **__: pytest.fail("it was loaded"))
    with pytest.raises(ValueError, match=wanted):
        load(folder)


@pytest.mark.parametrize("file", ["text_encoder/config.json", "unet/config.json", "tokenizer/tokenizer_config.json"])
@pytest.mark.parametrize(
    "fields",
    [
        {"auto_map": {"AutoModel": "evil.Model"}},
        {"trust_remote_code": True},
        {"_attn_implementation_internal": "owner/kernel"},
        {"text_config": {"attn_implementation": "owner/kernel@main:evil"}},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_a_parts_config_that_names_code_is_refused(folder: Path, file: str, fields: dict[str, Any]) -> None:
    edit(folder / file, **fields)
    with pytest.raises(ValueError, match=f"{file} asks for code of its own"):
        load(folder)


def test_a_part_may_not_bring_other_weights_than_those_that_were_checked(folder: Path) -> None:
    edit(folder / "text_encoder" / "config.json", transformers_weights="hidden.bin")
    with pytest.raises(ValueError, match="names other weights"):
        load(folder)


def test_an_adapter_inside_a_part_is_not_loaded_unseen(folder: Path) -> None:
    edit(folder / "text_encoder" / "adapter_config.json", peft_type="LORA")
    with pytest.raises(ValueError, match="text_encoder holds an adapter"):
        load(folder)


def test_code_beside_the_weights_is_never_run(folder: Path, stock: Path) -> None:
    # diffusers itself looks for None.py
    for name in ("None.py", "pipeline.py", "unet/unet.py", "text_encoder/modeling.py", "tokenizer/tokenizer.py"):
        (folder / name).write_text("raise SystemExit('the code of the folder ran')")
    made = [load(f) for f in (folder, stock)]
    assert len({d.decode(d.condition(["a"]), DecodeOptions(seed=1))[0].content_hash for d in made}) == 1
