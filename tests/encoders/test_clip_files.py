"""A CLIP is found by folder, file, name and tag, or repository; what is missing, unsafe or does not fit is said."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from safetensors.torch import save_file
from transformers import PreTrainedTokenizerFast

from encoders.clip import CLIPEncoder, create_clip
from encoders.clip_layouts import openai_arguments, openai_config
from encoders.media import Image, Text
from encoders.registry import load_encoder

PICTURE = [Image(torch.rand(3, 40, 50, generator=torch.Generator().manual_seed(0)))]
ARGUMENTS = {
    "embed_dim": 24, "image_resolution": 32, "vision_layers": 1, "vision_width": 64, "vision_patch_size": 8,
    "context_length": 77, "vocab_size": 49408, "transformer_width": 64, "transformer_heads": 1, "transformer_layers": 1,
}  # fmt: skip
CONFIG = openai_config(ARGUMENTS)


@pytest.fixture(scope="module")
def model() -> Any:
    """A random CLIP in OpenAI's sizes; nobody changes it."""
    torch.manual_seed(0)
    return create_clip(CONFIG).eval()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of repositories, and no network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def cached(hub: Path, repository: str) -> Path:
    """The folder in the cache where a repository's files lie."""
    root = hub / f"models--{repository.replace('/', '--')}"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text("0" * 40)
    (root / "snapshots" / ("0" * 40)).mkdir(parents=True)
    return root / "snapshots" / ("0" * 40)


def pooled(encoder: CLIPEncoder) -> torch.Tensor:
    return encoder.encode(PICTURE).pooled


def expected(model: Any, encoder: CLIPEncoder) -> torch.Tensor:
    """The model's own vector of the picture as the encoder prepares it."""
    return CLIPEncoder(model, encoder._transform, None).encode(PICTURE).pooled


def test_a_file_of_openais_needs_no_config_and_reads_text(model: Any, tmp_path: Path) -> None:
    sizes = {
        "input_resolution": torch.tensor(32),
        "context_length": torch.tensor(77),
        "vocab_size": torch.tensor(49408),
    }
    torch.save({**model.state_dict(), **sizes}, tmp_path / "ViT.pt")
    encoder = CLIPEncoder.from_checkpoint(tmp_path / "ViT.pt")
    assert torch.equal(pooled(encoder), expected(model, encoder))
    ids = open_clip.SimpleTokenizer()(["a red bell"])
    assert torch.equal(encoder.encode([Text("a red bell")]).pooled, model.encode_text(ids, normalize=True))


def test_a_typed_control_token_stays_text(model: Any, tmp_path: Path) -> None:
    torch.save(model.state_dict(), tmp_path / "ViT.pt")
    encoder = CLIPEncoder.from_checkpoint(tmp_path / "ViT.pt")
    long, cut = (encoder.encode([Text(text)]).pooled for text in ("a <end_of_text> bell", "a <end_of_text>"))
    assert not torch.allclose(long, cut, atol=1e-3)


def test_half_precision_files_compute_in_float32(model: Any, tmp_path: Path) -> None:
    torch.save(
        {name: x.half() if x.is_floating_point() else x for name, x in model.state_dict().items()}, tmp_path / "x.pt"
    )
    encoder = CLIPEncoder.from_checkpoint(tmp_path / "x.pt")
    assert {parameter.dtype for parameter in encoder.model.parameters()} == {torch.float32}
    torch.testing.assert_close(pooled(encoder), expected(model, encoder), atol=1e-3, rtol=0)


def test_a_training_checkpoint_of_open_clips_is_read(model: Any, tmp_path: Path) -> None:
    state = {f"module.{name}": tensor for name, tensor in model.state_dict().items()}
    torch.save({"epoch": 3, "name": "run", "state_dict": state}, tmp_path / "epoch_3.pt")
    encoder = CLIPEncoder.from_checkpoint(tmp_path / "epoch_3.pt", CONFIG)
    assert torch.equal(pooled(encoder), expected(model, encoder))


def test_a_text_tower_in_a_module_of_its_own_is_the_same_network(model: Any, tmp_path: Path) -> None:
    other: Any = create_clip({**CONFIG, "custom_text": True})
    other.load_state_dict(open_clip.model.convert_to_custom_text_state_dict(model.state_dict()))
    assert any(name.startswith("text.") for name in other.state_dict())
    save_file(other.state_dict(), tmp_path / "x.safetensors")
    encoder = CLIPEncoder.from_checkpoint(tmp_path / "x.safetensors", CONFIG)
    assert torch.equal(pooled(encoder), expected(model, encoder))
    ids = open_clip.SimpleTokenizer()(["a red bell"])
    torch.testing.assert_close(encoder.model.encode_text(ids), model.encode_text(ids))


@pytest.mark.parametrize("facts", [ARGUMENTS, CONFIG], ids=["OpenAI", "open_clip"])
def test_a_config_json_may_be_openais_arguments_or_open_clips_config(
    model: Any, tmp_path: Path, facts: dict[str, Any]
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(facts))
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    encoder = load_encoder("clip", tmp_path)
    assert isinstance(encoder, CLIPEncoder)
    assert torch.equal(pooled(encoder), expected(model, encoder))


def test_a_folder_of_hugging_faces_reads_text_with_its_own_tokenizer(
    tmp_path: Path, save_huggingface: Callable[..., Any]
) -> None:
    theirs = save_huggingface(tmp_path)
    tokenizer = small_tokenizer()
    tokenizer.save_pretrained(tmp_path)
    encoder = load_encoder("clip", tmp_path)
    ids = tokenizer(["red bell", "red <end> bell"], padding="max_length", max_length=12, return_tensors="pt").input_ids
    vectors = torch.nn.functional.normalize(theirs.get_text_features(input_ids=ids).pooler_output, dim=-1)
    made = encoder.encode([Text("red bell"), Text("red <end> bell")]).pooled
    torch.testing.assert_close(made[0], vectors[0])
    assert not torch.allclose(made[1], vectors[1], atol=1e-3)  # there, the typed end was one; here it stays text


def small_tokenizer() -> Any:
    """Words of a bell's world, with CLIP's kind of start, end and padding."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from tokenizers.processors import TemplateProcessing

    words = {"<unk>": 0, "red": 1, "bell": 2, "<": 3, "end": 4, ">": 5, "<start>": 98, "<end>": 99}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(["<start>", "<end>"])
    tokenizer.post_processor = TemplateProcessing(
        single="<start> $A <end>", special_tokens=[("<start>", 98), ("<end>", 99)]
    )
    build: Any = PreTrainedTokenizerFast
    return build(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<start>", eos_token="<end>", pad_token="<end>"
    )


def test_hugging_faces_pixel_statistics_are_used(tmp_path: Path, save_huggingface: Callable[..., Any]) -> None:
    save_huggingface(tmp_path)
    facts = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25], "resample": 2}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(facts))
    encoder = CLIPEncoder.from_folder(tmp_path)
    transform: Any = encoder._transform
    assert transform.transforms[-1].mean == [0.5, 0.5, 0.5]
    assert transform.transforms[0].interpolation.value == "bilinear"
    assert transform.transforms[0].size == 32


def test_a_name_and_a_tag_give_the_weights_with_the_activation_that_they_were_trained_with(
    model: Any, hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Small.json").write_text(json.dumps({**CONFIG, "quick_gelu": False}))
    monkeypatch.setattr("open_clip.factory._MODEL_CONFIG_PATHS", [tmp_path / "Small.json"])
    monkeypatch.setattr("open_clip.factory._MODEL_CONFIGS", {})
    open_clip.factory._rescan_model_configs()
    tags = {"openai": {"hf_hub": "owner/small.openai/", "quick_gelu": True}, "ours": {"hf_hub": "owner/small.ours/"}}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "Small", tags)
    for tag in tags:
        save_file(model.state_dict(), cached(hub, f"owner/small.{tag}") / "open_clip_pytorch_model.safetensors")
    same, other = (pooled(CLIPEncoder.from_pretrained("Small", tag)) for tag in ("openai", "ours"))
    assert torch.equal(same, expected(model, CLIPEncoder.from_pretrained("Small", "openai")))
    assert not torch.allclose(same, other, atol=1e-4)


@pytest.mark.parametrize("layout", ["open_clip", "Hugging Face"])
def test_a_repository_is_read_from_the_cache_without_a_network(
    model: Any, hub: Path, save_huggingface: Callable[..., Any], layout: str
) -> None:
    folder = cached(hub, "owner/name")
    if layout == "open_clip":
        save_file(model.state_dict(), folder / "open_clip_model.safetensors")
        (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG, "preprocess_cfg": {}}))
        (folder / "model.safetensors").write_bytes(b"another layout of the same network")
    else:
        save_huggingface(folder)
    for name in ("owner/name", "hf-hub:owner/name"):
        assert CLIPEncoder.from_pretrained(name).pooled_width == 24


def test_missing_weights_name_the_repository_the_file_and_how_to_get_it(hub: Path) -> None:
    wanted = (
        r"'{0}' is neither on this machine nor can it be fetched \(needed: open_clip_model\.safetensors\)\. .*"
        r"hf download {0} --include 'open_clip_model\.safetensors'"
    )
    with pytest.raises(ValueError, match=wanted.format(r"timm/vit_base_patch32_clip_224\.openai")):
        CLIPEncoder.from_pretrained("ViT-B-32", "openai")
    with pytest.raises(
        ValueError, match=r"'owner/name' is neither .*config\.json.*hf download owner/name --include 'config\.json'"
    ):
        CLIPEncoder.from_pretrained("owner/name")
    (cached(hub, "owner/half") / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG}))
    with pytest.raises(ValueError, match=wanted.format("owner/half")):
        CLIPEncoder.from_pretrained("owner/half")


def test_a_half_downloaded_file_of_a_repository_is_not_used(model: Any, hub: Path) -> None:
    folder = cached(hub, "owner/name")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG}))
    save_file(model.state_dict(), folder / "whole")
    (folder / "open_clip_model.safetensors.incomplete").write_bytes((folder / "whole").read_bytes()[:1000])
    with pytest.raises(ValueError, match="is neither on this machine nor"):
        CLIPEncoder.from_pretrained("owner/name")
    (folder / "open_clip_model.safetensors").write_bytes((folder / "whole").read_bytes()[:1000])
    with pytest.raises(ValueError, match="half-downloaded; fetch it again"):
        CLIPEncoder.from_pretrained("owner/name")


def test_unknown_names_and_tags_say_what_there_is() -> None:
    with pytest.raises(ValueError, match="no model called 'ViT-B-33'; close to it: ViT-B-32"):
        CLIPEncoder.from_pretrained("ViT-B-33", "openai")
    with pytest.raises(
        ValueError, match="A tag goes with one of open_clip's names; 'owner/name' holds its own weights"
    ):
        CLIPEncoder.from_pretrained("owner/name", "openai")
    with pytest.raises(ValueError, match=r"RN50x64 has no weights called None; there are: openai\."):
        CLIPEncoder.from_pretrained("RN50x64")


def test_a_folder_that_is_not_whole_says_what_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"not complete\. Wanted open_clip_config\.json and open_clip_model\.safetensors"
    ):
        CLIPEncoder.from_folder(tmp_path)
    save_file({"x": torch.ones(1)}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ValueError, match=r"describes a 'bert'; wanted a CLIPModel"):
        CLIPEncoder.from_folder(tmp_path)


def test_tensors_that_do_not_fit_are_named(model: Any, tmp_path: Path) -> None:
    state = dict(model.state_dict())
    state["surprise"] = state.pop("visual.ln_post.bias")
    state["visual.proj"] = torch.zeros(2, 2)
    save_file(state, tmp_path / "x.safetensors")
    report = r"1 missing: visual\.ln_post\.bias; 1 extra: surprise; 1 wrong shape: visual\.proj \(2, 2\) instead of \(64, 24\)"
    with pytest.raises(ValueError, match=report):
        CLIPEncoder.from_checkpoint(tmp_path / "x.safetensors")


def test_a_malicious_pickle_and_a_torchscript_archive_are_refused_unopened(tmp_path: Path) -> None:
    class Malicious:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "trace"),)

    torch.save({"visual.proj": Malicious()}, tmp_path / "evil.pt")
    with pytest.raises(ValueError, match=r"refused\. Ask its publisher for safetensors"):
        CLIPEncoder.from_checkpoint(tmp_path / "evil.pt")
    with pytest.warns(FutureWarning, match=r"torch\.jit"):
        torch.jit.save(torch.jit.trace(torch.nn.Linear(1, 1), torch.ones(1, 1)), tmp_path / "RN50.pt")
    with pytest.raises(ValueError, match="is a TorchScript archive"):
        CLIPEncoder.from_checkpoint(tmp_path / "RN50.pt")
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ({"tokenizer_kwargs": {"trust_remote_code": True}}, "trust_remote_code"),
        ({"hf_model_name": "../evil"}, "../evil"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_config_that_asks_for_more_than_a_clip_is_refused(model: Any, tmp_path: Path, part: Any, value: str) -> None:
    """open_clip hands tokenizer_kwargs to transformers, where they can turn on code from the folder."""
    config = {**CONFIG, "text_cfg": CONFIG["text_cfg"] | {"hf_tokenizer_name": "x"} | part}
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    save_file(model.state_dict(), tmp_path / "open_clip_model.safetensors")
    with pytest.raises(ValueError, match=rf"holds {value}, which is refused"):
        CLIPEncoder.from_folder(tmp_path)
    with pytest.raises(ValueError, match="holds hf-hub:owner/x, which is refused"):
        create_clip({**CONFIG, "vision_cfg": {"image_size": 32, "timm_model_name": "hf-hub:owner/x"}})


def test_a_missing_tokenizer_names_its_repository_and_how_to_get_it(model: Any, hub: Path, tmp_path: Path) -> None:
    config = {**CONFIG, "text_cfg": CONFIG["text_cfg"] | {"hf_tokenizer_name": "owner/words"}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    save_file(model.state_dict(), tmp_path / "open_clip_model.safetensors")
    with pytest.raises(ValueError, match=r"in the repository owner/words, which is not .* `hf download owner/words`"):
        CLIPEncoder.from_folder(tmp_path)


def test_a_tokenizer_with_code_of_its_own_is_refused(tmp_path: Path, save_huggingface: Callable[..., Any]) -> None:
    save_huggingface(tmp_path)
    small_tokenizer().save_pretrained(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    code = {"AutoTokenizer": ["evil.Tokenizer", None]}
    path.write_text(json.dumps({**json.loads(path.read_text()), "auto_map": code}))
    with pytest.raises(ValueError, match=r"tokenizer_config\.json asks for code of its own .* never done"):
        CLIPEncoder.from_folder(tmp_path)


@pytest.mark.parametrize("name", ["RN50", "ViT-B-32", "ViT-L-14"])
def test_the_sizes_of_the_released_clips_are_found_from_their_shapes(name: str) -> None:
    with torch.device("meta"):
        state = create_clip(open_clip.get_model_config(name)).state_dict()
        found = create_clip(openai_config(openai_arguments(state))).state_dict()
    assert {key: x.shape for key, x in found.items()} == {key: x.shape for key, x in state.items()}
