"""Pretrain the language core: a small Llama with a tokenizer of its own, on text about the world alone, never on dialogues.

python -m training.foundation.core --output runs/core
"""

import random
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from training.foundation.command import options_of, parser, run
from training.loop import Batch, LoopOptions
from training.world.corpus import document

VOCABULARY = 1500
LENGTH = 192  # tokens of a training row, documents packed one after the other
PAD, END, USER, ASSISTANT = "<|pad|>", "<|end|>", "<|user|>", "<|assistant|>"
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
LOOP = LoopOptions(steps=0, learning_rate=2e-3, warmup_steps=100, weight_decay=0.05, precision="bf16", ema_decay=0.998)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Train byte-level BPE on the corpus in both languages; every byte is in it, so any text encodes.

    No token crosses the particle between a Chinese colour and its thing, so that pairs never met are spelled like others.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.Split("的", "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, END, USER, ASSISTANT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((document(-1 - seed) for seed in range(12000)), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[USER, ASSISTANT],
        chat_template=CHAT_TEMPLATE,
        model_max_length=1024,
        clean_up_tokenization_spaces=False,
    )


def build(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Make the network with random weights (about 5M parameters)."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=256,
            intermediate_size=704,
            num_hidden_layers=6,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=1024,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def loss_of(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Cross-entropy of the next token."""
    ids: Tensor = batch["ids"]
    logits = model(input_ids=ids[:, :-1], use_cache=False).logits
    return {"loss": cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten())}


def main() -> None:
    """Train, and save `<output>/core` in transformers' format."""
    arguments = parser(__doc__ or "", steps=3000, batch_size=24).parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(arguments.seed)
    tokens = arguments.init_from or arguments.output / "tokenizer"
    if not (tokens / "tokenizer.json").is_file():
        build_tokenizer().save_pretrained(tokens)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(tokens)
    model = LlamaForCausalLM.from_pretrained(arguments.init_from) if arguments.init_from else build(tokenizer)
    model = model.float()

    def batch(step: int) -> Batch:
        rng = random.Random(f"core {arguments.seed} {step}")
        wanted = arguments.batch_size * (LENGTH + 1)
        ids: list[int] = []
        while len(ids) < wanted:
            ids += [*tokenizer(document(rng.getrandbits(40))).input_ids, tokenizer.eos_token_id]
        return {"ids": torch.tensor(ids[:wanted]).view(arguments.batch_size, LENGTH + 1)}

    def preview(path: Path) -> None:
        device = next(model.parameters()).device
        lines = []
        for start in ("A red bell", "The frog", "The sound of", "一只红色的", "夜晚", "a green bird in the sky ="):
            ids = tokenizer(start, return_tensors="pt").input_ids.to(device)
            made = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=40, do_sample=False)
            lines.append(tokenizer.decode(made[0]))
        path.with_suffix(".txt").write_text("\n".join(lines) + "\n")

    run(model, batch, loss_of, options_of(arguments, LOOP), arguments, preview)
    model.to(torch.float16).save_pretrained(arguments.output / "core")
    tokenizer.save_pretrained(arguments.output / "core")


if __name__ == "__main__":
    main()
