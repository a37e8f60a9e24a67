"""NExT-GPT's new tokens and ours: which row of a checkpoint's embedding and head each of our tokens takes.

What is kept: every signal token's rows, as they are. The first release shows all media between `<Img>` and `</Img>`,
so that each of our marks takes a copy of one of these. The 2024 code shows media without marks, and its core writes a
run with a space between any two tokens, which its projections read too: there a run is 2N - 1 tokens long, and every
other one takes a copy of the space's rows. Only names differ otherwise, and none of ours is ever tokenized from text.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from encoders.modality import Modality
from pipelines.chat_form import ChatForm
from pipelines.signals import PREFIXES, SignalTokens

COUNTS = {Modality.IMAGE: 4, Modality.AUDIO: 8, Modality.VIDEO: 24}
SPACE = " "
# The released order of the runs, and the names of the tokens.
ORDER = (Modality.IMAGE, Modality.VIDEO, Modality.AUDIO)
MARKS = ("<Img>", "</Img>")

# The forms of a conversation that the two generations were trained on.
LEGACY_FORM = ChatForm(
    template=(
        "{{ bos_token }}{% for message in messages %}"
        "{% if message['role'] == 'user' %}### Human: {{ message['content'] }}\n"
        "{% elif message['role'] == 'assistant' %}### Assistant:{{ message['content'] }}\n"
        "{% else %}{{ message['content'] }}\n{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}### Assistant:{% endif %}"
    ),
    stops=("\n###",),
)
FORM_2024 = ChatForm(
    template=(
        "{{ bos_token }}{% if messages[0]['role'] != 'system' %}A chat between a curious user and an artificial "
        "intelligence assistant. The assistant gives helpful, detailed, and polite answers to the user's questions. "
        "{% endif %}{% for message in messages %}"
        "{% if message['role'] == 'user' %}USER: {{ message['content'] }} "
        "{% elif message['role'] == 'assistant' %}ASSISTANT:{{ message['content'] }}{{ eos_token }}"
        "{% else %}{{ message['content'] }} {% endif %}{% endfor %}"
        "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
    ),
    has_marks=False,
)


def released_tokens(counts: Mapping[Modality, int], *, is_legacy: bool) -> tuple[str, ...]:
    """Name the tokens that a checkpoint adds behind the base vocabulary, in their order."""
    runs = tuple(name for modality in ORDER for name in _run(modality, counts[modality], is_legacy=is_legacy))
    return (*MARKS, *runs) if is_legacy else runs


def counts_of(added: Mapping[str, int], *, is_legacy: bool) -> dict[Modality, int]:
    """Count the signal tokens among those that a training added, by their names.

    Raises ValueError unless they are the last ones, in the released order.
    """
    counts = {}
    for modality in ORDER:
        numbers = (
            number for number in range(len(added)) if _run(modality, number + 1, is_legacy=is_legacy)[-1] not in added
        )
        counts[modality] = next(numbers, len(added))
    tokens = sorted(added, key=lambda name: added[name])
    wanted = released_tokens(counts, is_legacy=is_legacy)
    if tuple(tokens[-len(wanted) :]) != wanted:
        raise ValueError(
            f"This checkpoint's tokenizer adds {' '.join(tokens)}, in this order; wanted at the end: {' '.join(wanted)}."
        )
    return counts


def run_length(count: int, *, is_legacy: bool) -> int:
    """How many of the core's positions a run of so many signal tokens takes."""
    return count if is_legacy else 2 * count - 1


def row_names(signals: SignalTokens, counts: Mapping[Modality, int], *, is_legacy: bool) -> tuple[str, ...]:
    """Name for each of our new tokens, in their order, the one whose rows it takes; SPACE is the base's lone space."""
    marks = MARKS * len(signals.inputs) if signals.has_marks else ()
    runs: list[str] = []
    for modality in signals.counts:
        run = _run(modality, counts[modality], is_legacy=is_legacy)
        runs += run if is_legacy else [name for token in run for name in (token, SPACE)][:-1]
    return (*marks, *runs)


def take_rows(matrix: Tensor, tokens: Sequence[str], names: Sequence[str], space: int | None) -> Tensor:
    """Take rows out of a checkpoint's matrix (rows, width), whose last rows are those of `tokens`, in order."""
    first = len(matrix) - len(tokens)
    at = {name: first + number for number, name in enumerate(tokens)}
    if space is not None:
        at[SPACE] = space
    return matrix[torch.tensor([at[name] for name in names], dtype=torch.long)].clone()


def _run(modality: Modality, count: int, *, is_legacy: bool) -> list[str]:
    if is_legacy:
        return [f"[{PREFIXES[modality]}{number}]" for number in range(count)]
    return [f"<{modality.value}_{number:02d}>" for number in range(count)]
