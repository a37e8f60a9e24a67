"""What somebody else's core or adapter may not do: run code, hide weights, come in pieces, or be another than it was."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import parts
import pytest
import torch
from peft import LoraConfig
from safetensors.torch import load_file, save_file

from pipelines.checkpoint import Reference, hash_folder, verify
from pipelines.core import LanguageCore
from pipelines.loading import load_adapter, load_language_model, save_adapter
from pipelines.quiet import quiet
from pipelines.safe_weights import convert

RAN: list[str] = []


class Evil:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return RAN.append, ("code ran",)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole small core."""
    tokenizer = parts.core_tokenizer()
    with quiet():
        parts.core_model(len(tokenizer)).save_pretrained(tmp_path / "core")
    tokenizer.save_pretrained(tmp_path / "core")
    return tmp_path / "core"


def edit(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def to_pickle(folder: Path, extra: Any = None) -> None:
    """Turn a core's weights into a pickle, as older ones were published."""
    tensors: dict[str, Any] = dict(load_file(folder / "model.safetensors"))
    (folder / "model.safetensors").unlink()
    torch.save(tensors if extra is None else tensors | {"extra": extra}, folder / "pytorch_model.bin")


def test_a_pickled_core_is_refused_with_a_sentence_that_says_what_to_do(folder: Path) -> None:
    to_pickle(folder, Evil())
    with pytest.raises(
        ValueError, match=r"only pickled weights \(pytorch_model\.bin\).*python -m pipelines\.safe_weigh"
    ):
        load_language_model(folder)
    assert RAN == []


def test_what_the_sentence_says_makes_a_pickled_core_loadable(folder: Path) -> None:
    before, _ = load_language_model(folder)
    to_pickle(folder)
    assert [path.name for path in convert(folder)] == ["model.safetensors"]
    after, _ = load_language_model(folder)
    for name, value in before.state_dict().items():
        assert torch.equal(after.state_dict()[name], value)


def test_a_core_pickled_in_shards_becomes_one_in_safetensors(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    to_pickle(folder)
    (folder / "pytorch_model.bin").unlink()
    names = sorted(tensors)
    for number, part in enumerate((names[::2], names[1::2]), start=1):
        torch.save({name: tensors[name] for name in part}, folder / f"pytorch_model-0000{number}-of-00002.bin")
    convert(folder)
    model, _ = load_language_model(folder)
    torch.testing.assert_close(model.state_dict()["lm_head.weight"], tensors["lm_head.weight"])


def test_making_safetensors_of_a_pickle_runs_nothing_that_it_holds(folder: Path) -> None:
    to_pickle(folder, Evil())
    with pytest.raises(ValueError, match="asks for more than tensors when it is opened, so it is refused"):
        convert(folder)
    assert not list(folder.glob("*.safetensors"))
    assert RAN == []


@pytest.mark.parametrize(
    ("file", "fields"),
    [
        ("config.json", {"auto_map": {"AutoModelForCausalLM": "evil.Model"}}),
        ("config.json", {"text_config": {"auto_map": {"AutoConfig": "somebody/evil--config.Config"}}}),
        ("config.json", {"attn_implementation": "somebody/evil-kernel"}),
        ("config.json", {"_attn_implementation_internal": "somebody/evil-kernel"}),
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["evil.Tokenizer", None]}}),
        ("generation_config.json", {"trust_remote_code": True}),
    ],
)
def test_a_core_that_asks_for_code_of_its_own_is_refused(folder: Path, file: str, fields: dict[str, Any]) -> None:
    (folder / "evil.py").write_text("raise SystemExit")
    edit(folder / file, **fields)
    with pytest.raises(ValueError, match=r"asks for code of its own to be run \('\w+'\), which is never done"):
        load_language_model(folder)


def test_only_families_that_transformers_itself_knows_are_loaded(folder: Path) -> None:
    edit(folder / "config.json", model_type="surprise")
    with pytest.raises(ValueError, match="describes a 'surprise'; wanted a causal language model"):
        load_language_model(folder)


def test_an_adapter_inside_a_core_is_not_loaded_unseen(folder: Path) -> None:
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "somebody/else"}))
    with pytest.raises(ValueError, match="holds an adapter"):
        load_language_model(folder)


def test_a_core_may_not_name_other_weights_or_an_unknown_quantiser(folder: Path) -> None:
    edit(folder / "config.json", transformers_weights="hidden.safetensors")
    with pytest.raises(ValueError, match="names other weights"):
        load_language_model(folder)
    edit(folder / "config.json", transformers_weights=None, quantization_config={"quant_method": "surprise"})
    text = (folder / "config.json").read_text().replace('"transformers_weights": null, ', "")
    (folder / "config.json").write_text(text)
    with pytest.raises(ValueError, match="quantised by 'surprise'; wanted one of: bitsandbytes, torchao"):
        load_language_model(folder)


def test_the_tensors_of_a_core_must_be_exactly_its_own(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    name = "model.layers.1.mlp.up_proj.weight"
    save_file({n: v for n, v in tensors.items() if n != name} | {"prototype.a": torch.zeros(1)}, path, {"format": "pt"})
    with pytest.raises(ValueError, match=rf"does not fit this model\. 1 missing: {name}; 1 extra: prototype\.a"):
        load_language_model(folder)
    save_file(tensors | {name: torch.zeros(3, 4)}, path, {"format": "pt"})
    with pytest.raises(ValueError, match=rf"1 wrong shape: {name} \(3, 4\) instead of \(96, 48\)"):
        load_language_model(folder)


def test_a_core_that_was_cut_short_or_lacks_a_shard_is_never_used(folder: Path) -> None:
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"model\.safetensors is not a whole safetensors file .* fetch it again"):
        load_language_model(folder)
    path.write_bytes(whole)
    index = {"weight_map": {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match=r"names model-00002-of-00002\.safetensors, which is missing"):
        load_language_model(folder)


def test_a_core_whose_content_changed_since_is_refused(folder: Path) -> None:
    recorded = Reference(path="core", sha256=hash_folder(folder))
    verify(recorded, folder)
    tensors = load_file(folder / "model.safetensors")
    tensors["lm_head.weight"][0, 0] += 1
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match="not those that this model was made with"):
        verify(recorded, folder)


@pytest.fixture
def adapted(folder: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A core, and an adapter for it."""
    core = fresh(folder)
    core.attach_lora(LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM"))
    save_adapter(core, tmp_path / "adapter")
    return folder, tmp_path / "adapter"


def fresh(folder: Path) -> LanguageCore:
    return LanguageCore(*load_language_model(folder), parts.signal_tokens())


def test_a_pickled_adapter_is_refused(adapted: tuple[Path, Path]) -> None:
    core, adapter = adapted
    (adapter / "adapter_model.safetensors").unlink()
    (adapter / "adapter_model.bin").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ValueError, match=r"only pickled weights \(adapter_model\.bin\)"):
        load_adapter(fresh(core), adapter)
    assert RAN == []


def test_an_adapter_cannot_name_code_to_import(adapted: tuple[Path, Path]) -> None:
    core, adapter = adapted
    edit(adapter / "adapter_config.json", auto_mapping={"parent_library": "evil", "base_model_class": "Evil"})
    loaded = fresh(core)
    load_adapter(loaded, adapter)  # a field that peft would import from is not read
    assert loaded.adapter is not None
    assert loaded.adapter.peft_config["default"].auto_mapping != {"parent_library": "evil", "base_model_class": "Evil"}
    edit(adapter / "adapter_config.json", auto_map={"AutoModel": "evil.Model"})
    with pytest.raises(ValueError, match="asks for code of its own"):
        load_adapter(fresh(core), adapter)


def test_the_tensors_of_an_adapter_must_be_exactly_its_own(adapted: tuple[Path, Path]) -> None:
    core, adapter = adapted
    path = adapter / "adapter_model.safetensors"
    tensors = load_file(path)
    first = sorted(tensors)[0]
    save_file({n: v for n, v in tensors.items() if n != first} | {"__class__": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match=f"1 missing: {first}; 1 extra: __class__"):
        load_adapter(fresh(core), adapter)
    save_file(tensors | {first: torch.zeros(1, 1)}, path)
    with pytest.raises(ValueError, match=rf"{first} \(1, 1\) instead of"):
        load_adapter(fresh(core), adapter)
