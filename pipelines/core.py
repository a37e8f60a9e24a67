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
# A core that reshapes its logits after the head would need the same for the new rows.
UNSUPPORTED = ("final_logit_softcapping", "logit_scale", "logits_scaling")


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
    ) -> None:
        super().__init__()
        self.stops = stops  # texts that end its turn, besides the tokens that do
        for name in UNSUPPORTED:
            if getattr(model.config, name, None) not in (None, 1, 1.0):
                raise ValueError(f"This core sets {name!r}, which reshapes its logits; choose one that does not.")
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
        return int(self.base.config.max_position_embeddings)

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
        return torch.where(is_new.unsqueeze(-1), new.to(base.dtype), base)

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
        """(..., width) -> (..., num_ids): the base's head, then the new rows."""
        new = states @ self.output_rows.to(states.dtype).T
        return torch.cat([self.base.get_output_embeddings()(states), new], dim=-1)

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


def _rows_like(matrix: Tensor, num_rows: int, seed: int) -> Tensor:
    """Make rows (num_rows, width) at the mean of a matrix (rows, width), plus a little noise that tells them apart."""
    mean = matrix.detach().float().mean(dim=0)
    noise = torch.randn(num_rows, matrix.shape[1], generator=torch.Generator().manual_seed(seed))
    scale = min(ROW_NOISE, float(matrix.detach().float().std()))
    return mean + scale * noise.to(mean.device)
