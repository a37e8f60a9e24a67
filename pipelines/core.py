"""The language core: any Hugging Face causal language model, frozen, with its own rows for the new tokens."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

from pipelines.signals import SignalTokens

ROW_NOISE = 0.02  # the usual standard deviation of a language model's embedding at its start


class LanguageCore(nn.Module):
    """A frozen causal language model that also reads media embeddings and reads and writes signal tokens.

    The base's embedding and head stay as they are; the new tokens' rows are parameters of their own, `input_rows` and
    `output_rows`, each (num_new, width). Ids from `num_base` on are the new tokens, in the order of `signals`.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        signals: SignalTokens,
        *,
        stops: tuple[str, ...] = (),
        is_placed: bool = False,
    ) -> None:
        super().__init__()
        _check(model)
        self.stops = stops  # texts that end its turn, besides the tokens that do
        self.is_placed = is_placed  # by a device map or a quantiser, as it was loaded: the base then stays where it is
        self.model: Any = model.requires_grad_(requires_grad=False)
        self.tokenizer = tokenizer
        embedding: Tensor = self.base.get_input_embeddings().weight
        head: Tensor = self.base.get_output_embeddings().weight
        self.num_base, self.width = embedding.shape
        self.signals = replace(signals, first_id=self.num_base)
        self.input_rows = nn.Parameter(_rows_like(embedding, self.signals.num_tokens, seed=0))
        self.output_rows = nn.Parameter(_rows_like(head, self.signals.num_tokens, seed=1))

    @property
    def base(self) -> Any:
        """The causal language model itself, without the adapter's wrapper (its layers carry the adapter)."""
        return self.model.get_base_model() if isinstance(self.model, PeftModel) else self.model

    @property
    def max_positions(self) -> int:
        """How many positions the core can attend over."""
        return int(self.base.config.get_text_config().max_position_embeddings)

    @property
    def num_ids(self) -> int:
        """The number of all ids: the base's rows and the new ones."""
        return self.num_base + self.signals.num_tokens

    @property
    def device(self) -> torch.device:
        return self.input_rows.device

    @property
    def adapter(self) -> PeftModel | None:
        """The LoRA adapter around the base, where there is one."""
        return self.model if isinstance(self.model, PeftModel) else None

    def embed(self, ids: Tensor | Sequence[int]) -> Tensor:
        """Ids (...) -> embeddings (..., width), from the base's matrix or from the new rows."""
        ids = torch.as_tensor(ids, dtype=torch.long, device=self.device)
        is_new = ids >= self.num_base
        base: Tensor = self.base.get_input_embeddings()(ids.masked_fill(is_new, 0))
        if not len(self.input_rows):
            return base
        new = nn.functional.embedding((ids - self.num_base).clamp(min=0), self.input_rows)
        return torch.where(is_new.unsqueeze(-1).to(base.device), new.to(base), base)

    def forward(
        self, inputs_embeds: Tensor, cache: DynamicCache | None = None, attention_mask: Tensor | None = None
    ) -> Tensor:
        """(B, T, width) -> last hidden states after the final norm (B, T, width).

        `cache` holds the keys and values of the positions before, and grows by T; `attention_mask` (B, T) marks padding
        with 0.
        """
        output = self.base.get_decoder()(
            inputs_embeds=inputs_embeds.to(self.base.dtype),
            attention_mask=attention_mask,
            past_key_values=cache,
            use_cache=cache is not None,
        )
        states: Tensor = output.last_hidden_state
        return states

    def logits(self, states: Tensor) -> Tensor:
        """(..., width) -> (..., num_ids): the base's head, then the new rows, reshaped as the base reshapes its own."""
        base: Tensor = self.base.get_output_embeddings()(states)
        rows = self.output_rows.to(states)
        return _reshaped(torch.cat([base, (states @ rows.T).to(base)], dim=-1), self.base.config.get_text_config())

    def attach_lora(self, config: LoraConfig) -> PeftModel:
        """Wrap the base in a new LoRA adapter, the only part of it that trains."""
        if isinstance(self.model, PeftModel):
            raise ValueError("This core already has an adapter.")
        with warnings.catch_warnings():
            # peft asks transformers by an old name.
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
            adapter = get_peft_model(self.model, config)
        assert isinstance(adapter, PeftModel)
        self.model = adapter
        return adapter


def _check(model: PreTrainedModel) -> None:
    """Raise ValueError unless a model reads from left to right and remembers by keys and values."""
    kind = getattr(model.config, "model_type", type(model).__name__)
    if getattr(model.config, "is_encoder_decoder", False):
        raise ValueError(f"A {kind!r} does not write from left to right as it is; choose a causal language model.")
    if getattr(model, "_is_stateful", False):
        raise ValueError(
            f"A {kind!r} keeps a running state, which a conversation cannot take back; choose a core with attention only."
        )
    if not isinstance(getattr(model.config.get_text_config(), "max_position_embeddings", None), int):
        raise ValueError(f"A {kind!r} does not say how many positions it has (max_position_embeddings) in its config.")


def _reshaped(logits: Tensor, config: Any) -> Tensor:
    """Reshape logits as Cohere (logit_scale), Granite (logits_scaling) and Gemma 2 (final_logit_softcapping) do."""
    scale = (getattr(config, "logit_scale", None) or 1.0) / (getattr(config, "logits_scaling", None) or 1.0)
    logits = logits if scale == 1.0 else logits * scale
    cap = getattr(config, "final_logit_softcapping", None)
    return logits if cap is None else cap * torch.tanh(logits / cap)


def _rows_like(matrix: Tensor, num_rows: int, seed: int) -> Tensor:
    """Make rows (num_rows, width) at the mean of a matrix (rows, width), plus a little noise that tells them apart.

    A matrix that a device map keeps on disk cannot be looked at: the rows are then around zero.
    """
    noise = torch.randn(num_rows, matrix.shape[1], generator=torch.Generator().manual_seed(seed))
    if matrix.is_meta:
        return ROW_NOISE * noise
    mean = matrix.detach().float().mean(dim=0)
    scale = min(ROW_NOISE, float(matrix.detach().float().std()))
    return mean + scale * noise.to(mean.device)
