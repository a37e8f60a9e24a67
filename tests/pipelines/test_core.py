"""The language core: new rows beside a frozen base, adapters, and forced runs equal to stepwise ones."""

import hashlib
import warnings
from pathlib import Path

import parts
import pytest
import torch
from peft import LoraConfig, PeftModel
from transformers import (
    AutoModelForCausalLM,
    CohereConfig,
    DynamicCache,
    Gemma2Config,
    GraniteConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from encoders.modality import Modality
from pipelines.core import LanguageCore
from pipelines.loading import load_adapter, save_adapter
from pipelines.quiet import quiet

TOKENIZER = parts.core_tokenizer()
SIZES = {
    "vocab_size": len(TOKENIZER) + 5, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64,
}  # fmt: skip


def build(family: str, *, tied: bool = False) -> PreTrainedModel:
    torch.manual_seed(0)
    match family:
        case "llama":
            return LlamaForCausalLM(LlamaConfig(**SIZES, tie_word_embeddings=tied)).eval()
        case "qwen2":
            return Qwen2ForCausalLM(Qwen2Config(**SIZES, tie_word_embeddings=tied)).eval()
        case "qwen3":
            return Qwen3ForCausalLM(Qwen3Config(**SIZES, head_dim=16, tie_word_embeddings=tied)).eval()
        case _:
            return MistralForCausalLM(MistralConfig(**SIZES, tie_word_embeddings=tied, sliding_window=6)).eval()


FAMILIES = ("llama", "qwen2", "qwen3", "mistral")  # a Vicuna is a Llama


@pytest.fixture(params=FAMILIES)
def core(request: pytest.FixtureRequest) -> LanguageCore:
    return LanguageCore(build(request.param), TOKENIZER, parts.signal_tokens())


def digest(core: LanguageCore) -> str:
    """A digest of the base's bytes, by their stock names."""
    sha = hashlib.sha256()
    for name, value in sorted(core.base.state_dict().items()):
        if "lora_" not in name:
            sha.update(name.replace(".base_layer", "").encode() + value.numpy().tobytes())
    return sha.hexdigest()


def test_the_core_computes_what_the_stock_model_computes(core: LanguageCore) -> None:
    ids = torch.arange(1, 20)[None]
    with torch.no_grad():
        stock = core.base(ids, output_hidden_states=True)
        states = core(core.embed(ids))
        logits = core.logits(states)
    torch.testing.assert_close(states, stock.hidden_states[-1])
    torch.testing.assert_close(logits[..., : core.num_base], stock.logits)
    assert logits.shape[-1] == core.num_ids == core.num_base + core.signals.num_tokens


def test_new_ids_lie_behind_the_rows_of_the_base(core: LanguageCore) -> None:
    assert core.signals.first_id == core.num_base == len(TOKENIZER) + 5
    first = core.signals.first_id
    embedded = core.embed([[3, first], [first + 1, 4]])
    torch.testing.assert_close(embedded[0, 0], core.base.get_input_embeddings().weight[3])
    torch.testing.assert_close(embedded[0, 1], core.input_rows[0])
    torch.testing.assert_close(embedded[1, 0], core.input_rows[1])


@pytest.mark.parametrize("tied", [False, True])
def test_new_rows_start_near_the_mean_of_the_bases_and_apart(tied: bool) -> None:
    core = LanguageCore(build("llama", tied=tied), TOKENIZER, parts.signal_tokens())
    for rows, module in ((core.input_rows, core.base.get_input_embeddings()), (core.output_rows, core.base.lm_head)):
        assert (rows - module.weight.mean(dim=0)).abs().max() < 0.15
        assert len(torch.unique(rows.detach(), dim=0)) == len(rows)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_training_leaves_the_base_byte_for_byte(family: str, tied: bool) -> None:
    core = LanguageCore(build(family, tied=tied), TOKENIZER, parts.signal_tokens())
    before = digest(core)
    core.attach_lora(LoraConfig(r=2, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))
    trained = [parameter for parameter in core.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=1.0)
    ids = torch.tensor([[1, 2, *core.signals.run(Modality.IMAGE)]])
    rows = core.input_rows.detach().clone()
    for _ in range(2):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(core.logits(core(core.embed(ids)))[0, :-1], ids[0, 1:])
        loss.backward()
        optimizer.step()
    assert digest(core) == before
    assert not torch.equal(core.input_rows, rows)


def test_only_the_new_rows_train_without_an_adapter(core: LanguageCore) -> None:
    assert [name for name, p in core.named_parameters() if p.requires_grad] == ["input_rows", "output_rows"]


def test_a_forced_run_has_the_hidden_states_of_a_stepwise_one(core: LanguageCore) -> None:
    prompt, run = list(range(1, 12)), list(core.signals.run(Modality.VIDEO))
    with torch.no_grad():
        forced, stepwise = DynamicCache(), DynamicCache()
        core(core.embed([prompt]), forced)
        core(core.embed([prompt]), stepwise)
        at_once = core(core.embed([run]), forced)
        one_by_one = torch.cat([core(core.embed([[id_]]), stepwise) for id_ in run], dim=1)
    torch.testing.assert_close(at_once, one_by_one, atol=1e-5, rtol=0)


def test_padding_on_the_right_changes_nothing(core: LanguageCore) -> None:
    ids = torch.arange(1, 9)[None]
    padded = torch.cat([ids, torch.zeros(1, 4, dtype=torch.long)], dim=1)
    mask = (padded > 0).long()
    with torch.no_grad():
        torch.testing.assert_close(core(core.embed(padded), attention_mask=mask)[:, :8], core(core.embed(ids)))


def test_an_adapter_survives_saving_and_stock_peft_loads_it(tmp_path: Path) -> None:
    core = LanguageCore(build("llama"), TOKENIZER, parts.signal_tokens())
    adapter = core.attach_lora(
        LoraConfig(r=2, lora_alpha=7, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    )
    for parameter in adapter.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(1))
    core.eval()
    ids = torch.arange(1, 9)[None]
    with torch.no_grad():
        expected = core(core.embed(ids))
    save_adapter(core, tmp_path)
    assert str(tmp_path) not in (tmp_path / "adapter_config.json").read_text()

    again = LanguageCore(build("llama"), TOKENIZER, parts.signal_tokens())
    load_adapter(again, tmp_path)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing")  # peft's own
        stock = PeftModel.from_pretrained(build("llama"), str(tmp_path))
    with torch.no_grad():
        torch.testing.assert_close(again(again.embed(ids)), expected)
        torch.testing.assert_close(stock(ids, output_hidden_states=True).hidden_states[-1], expected)
    assert not any(p.requires_grad for name, p in again.named_parameters() if "lora_" in name)


def test_an_adapter_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    core = LanguageCore(build("llama"), TOKENIZER, parts.signal_tokens())
    core.attach_lora(LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM"))
    save_adapter(core, tmp_path)
    config = (tmp_path / "adapter_config.json").read_text()
    other = LanguageCore(build("llama"), TOKENIZER, parts.signal_tokens())
    (tmp_path / "adapter_config.json").write_text(config.replace('"q_proj"', '"v_proj"'))
    with pytest.raises(ValueError, match="does not fit"):
        load_adapter(other, tmp_path)
    (tmp_path / "adapter_config.json").write_text(config.replace('"LORA"', '"PROMPT_TUNING"'))
    with pytest.raises(ValueError, match="wanted 'LORA'"):
        load_adapter(other, tmp_path)
    with pytest.raises(ValueError, match="no adapter"):
        save_adapter(LanguageCore(build("llama"), TOKENIZER, parts.signal_tokens()), tmp_path)


@pytest.mark.parametrize(
    "config",
    [
        CohereConfig(**SIZES, logit_scale=0.25),
        Gemma2Config(**SIZES, head_dim=8, final_logit_softcapping=0.5),
        GraniteConfig(**SIZES, logits_scaling=8.0),
    ],
    ids=lambda config: config.model_type,
)
def test_a_core_that_reshapes_its_logits_reshapes_those_of_the_new_tokens_too(config: PreTrainedConfig) -> None:
    torch.manual_seed(0)
    core = LanguageCore(AutoModelForCausalLM.from_config(config).eval(), TOKENIZER, parts.signal_tokens())
    core.output_rows.data[0] = core.base.get_output_embeddings().weight[7]
    ids = torch.arange(1, 9)[None]
    with torch.no_grad():
        logits = core.logits(core(core.embed(ids)))
        torch.testing.assert_close(logits[..., : core.num_base], core.base(ids).logits)
    torch.testing.assert_close(logits[..., core.num_base], logits[..., 7])


def test_a_core_that_keeps_a_running_state_is_refused() -> None:
    with quiet():
        model = AutoModelForCausalLM.from_config(MambaConfig(vocab_size=32, hidden_size=8, num_hidden_layers=1))
    with pytest.raises(ValueError, match="'mamba' keeps a running state, which a conversation cannot take back"):
        LanguageCore(model, TOKENIZER, parts.signal_tokens())


def test_a_core_that_reads_a_whole_text_before_it_writes_is_refused() -> None:
    model = build("llama")
    model.config.is_encoder_decoder = True
    with pytest.raises(ValueError, match="'llama' does not write from left to right"):
        LanguageCore(model, TOKENIZER, parts.signal_tokens())
