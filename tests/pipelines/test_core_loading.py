"""Cores from folders: every family through the one door, at the precision, place and quantisation that were asked for."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import parts
import pytest
import torch
from peft import LoraConfig
from transformers import (
    AutoModelForCausalLM,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)

from pipelines import core_options
from pipelines.core import LanguageCore
from pipelines.core_options import CoreOptions, load_arguments
from pipelines.loading import load_language_model
from pipelines.prompt import encode_dialogue, stop_ids
from pipelines.quiet import quiet

SIZES = {
    "vocab_size": len(parts.core_tokenizer()), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64,
}  # fmt: skip
# Each family with a template of the form that its chat models have, and a turn as that template writes it.
VICUNA = (
    "{{ bos_token }}A chat. {% for m in messages %}{% if m.role == 'user' %}USER: {{ m.content }} "
    "{% elif m.role == 'assistant' %}ASSISTANT: {{ m.content }}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
QWEN = (
    "{% for m in messages %}<|user|>{{ m.role }}\n{{ m.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|user|>assistant\n{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate user/assistant') }}{% endif %}{% if m.role == 'user' %}"
    "[INST] {{ m.content }} [/INST]{% else %} {{ m.content }}{{ eos_token }}{% endif %}{% endfor %}"
)
FAMILIES: dict[str, tuple[PreTrainedConfig, str | None, str]] = {
    "llama": (LlamaConfig(**SIZES), None, "<|begin|>### Human: red\n### Assistant:"),
    "vicuna": (LlamaConfig(**SIZES), VICUNA, "<|begin|>A chat. USER: red ASSISTANT:"),
    "qwen2": (Qwen2Config(**SIZES), QWEN, "<|user|>user\nred<|end|>\n<|user|>assistant\n"),
    "qwen3": (Qwen3Config(**SIZES, head_dim=16), QWEN, "<|user|>user\nred<|end|>\n<|user|>assistant\n"),
    "mistral": (MistralConfig(**SIZES), MISTRAL, "<|begin|>[INST] red [/INST]"),
    "gpt_neox": (GPTNeoXConfig(**SIZES, pad_token_id=None), None, "<|begin|>### Human: red\n### Assistant:"),
}


def tokenizer(template: str | None) -> PreTrainedTokenizerFast:
    made = parts.core_tokenizer()
    made.chat_template = template
    return made


def save(folder: Path, family: str) -> Path:
    config, template, _ = FAMILIES[family]
    torch.manual_seed(0)
    with quiet():
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
        tokenizer(template).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_loads_from_its_folder_and_speaks_through_its_own_template(family: str, tmp_path: Path) -> None:
    model, read = load_language_model(save(tmp_path, family))
    core = LanguageCore(model, read, parts.signal_tokens())
    prompt = encode_dialogue([{"role": "user", "content": "red"}], read, core.signals, add_generation_prompt=True)
    ids = [item for item in prompt.items if isinstance(item, int)]
    assert read.decode(ids) == FAMILIES[family][2]
    assert read.eos_token_id in stop_ids(read)
    with torch.no_grad():
        stock = AutoModelForCausalLM.from_pretrained(tmp_path)(torch.tensor([ids]))
        torch.testing.assert_close(core.logits(core(core.embed([ids])))[..., : core.num_base], stock.logits)


def test_dtype_and_attention_are_those_that_were_asked_for(tmp_path: Path) -> None:
    folder = save(tmp_path, "qwen3")
    model, _ = load_language_model(folder, CoreOptions(dtype="bfloat16", attention="eager"))
    assert (model.dtype, model.config._attn_implementation) == (torch.bfloat16, "eager")
    AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float16).save_pretrained(folder)
    assert load_language_model(folder, CoreOptions(dtype="auto"))[0].dtype == torch.float16


def test_a_device_map_may_keep_layers_on_disk_and_changes_no_result(tmp_path: Path) -> None:
    folder = save(tmp_path, "llama")
    on_disk = {"model.layers.1": "disk", "lm_head": "disk"}
    rest = ("model.embed_tokens", "model.layers.0", "model.norm", "model.rotary_emb")
    options = CoreOptions(device_map={**dict.fromkeys(rest, "cpu"), **on_disk})
    ids = torch.arange(1, 9)[None]
    plain, placed = (
        LanguageCore(*load_language_model(folder, given), parts.signal_tokens()) for given in (CoreOptions(), options)
    )
    assert placed.base.lm_head.weight.is_meta
    with torch.no_grad():
        states = placed(placed.embed(ids))
        torch.testing.assert_close(states, plain(plain.embed(ids)))
        torch.testing.assert_close(
            placed.logits(states)[..., : plain.num_base], plain.logits(states)[..., : plain.num_base]
        )


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"dtype": "int3"}, "No dtype 'int3'; wanted one of: auto, float32"),
        ({"quantisation": "gguf"}, "No quantisation 'gguf'; wanted one of: bnb-8bit"),
        ({"attention": "kernels-community/flash-attn"}, "No attention 'kernels-community/flash-attn'"),
    ],
)
def test_options_that_nobody_knows_are_refused_with_those_that_are(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        CoreOptions(**options)


@pytest.mark.parametrize("name", core_options.QUANTISATIONS)
def test_quantisation_without_its_library_says_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core_options, "find_spec", lambda library: None)
    with pytest.raises(ValueError, match=r"needs (bitsandbytes|torchao), .* \(pip install (bitsandbytes|torchao)\)"):
        load_arguments(CoreOptions(quantisation=name))


def test_quantisation_is_handed_to_the_library_that_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core_options, "find_spec", {"bitsandbytes": SimpleNamespace()}.get)
    given = load_arguments(CoreOptions(dtype="bfloat16", quantisation="bnb-4bit"))["quantization_config"]
    assert (given.load_in_4bit, given.bnb_4bit_quant_type, given.bnb_4bit_compute_dtype) == (
        True,
        "nf4",
        torch.bfloat16,
    )
    assert load_arguments(CoreOptions(quantisation="bnb-8bit"))["quantization_config"].load_in_8bit


@pytest.mark.filterwarnings("ignore")  # of the libraries
@pytest.mark.parametrize("name", core_options.QUANTISATIONS)
def test_a_quantised_core_computes_nearly_the_same_and_an_adapter_learns_through_it(name: str, tmp_path: Path) -> None:
    pytest.importorskip(core_options.QUANTISATIONS[name], reason="not installed here")
    torch.manual_seed(0)
    with quiet():
        AutoModelForCausalLM.from_config(Qwen3Config(**SIZES | {"hidden_size": 64, "head_dim": 16})).save_pretrained(
            tmp_path
        )
        tokenizer(QWEN).save_pretrained(tmp_path)
    ids = torch.arange(1, 9)[None]
    plain, quantised = (
        LanguageCore(*load_language_model(tmp_path, CoreOptions(quantisation=given)), parts.signal_tokens())
        for given in (None, name)
    )
    assert isinstance(quantised.base.get_submodule("model.layers.1.mlp.up_proj"), torch.nn.Linear)
    assert type(quantised.base.get_parameter("model.layers.1.mlp.up_proj.weight")) is not torch.nn.Parameter
    adapter = quantised.attach_lora(LoraConfig(r=2, target_modules=["q_proj", "down_proj"]))
    quantised(quantised.embed(ids)).sum().backward()
    learning = [value.grad for key, value in adapter.named_parameters() if "lora_B" in key]
    assert len(learning) == 4
    assert all(grad is not None and grad.abs().sum() > 0 for grad in learning)
    with torch.no_grad():
        states, wanted = quantised(quantised.embed(ids)), plain(plain.embed(ids))
    difference = float((states - wanted).norm() / wanted.norm())
    assert 0 < difference < 0.3, f"{name} moves the hidden states by {difference:.3f} of their length"


def test_an_encoder_is_no_core(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ValueError, match="'bert'; wanted a causal language model that transformers knows, as llama"):
        load_language_model(tmp_path)
