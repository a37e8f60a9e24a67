"""A reading aid for training encoders: a throw-away head that names a scene's attributes from the encoder's tokens.

Contrast alone taught colours and places long before things, since near misses of a batch can be told apart by the easy
attributes. Asking for every attribute at once, of the very tokens that the projections will read, teaches all of them
(an auxiliary loss on frozen-to-be features, in the manner of CoCa, Yu et al. 2022, with labels in place of captions).
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from training.world.captions import upright
from training.world.scene import BACKGROUNDS, COLOURS, SIZES, THINGS, Motion, Relation, Scene

UNKNOWN = "unknown"  # what a medium from outside the world shows
# What is asked for, with its answers; "other" is the second thing of a pair, seen from the left or from above.
ANSWERS: Mapping[str, tuple[str, ...]] = {
    "thing": (*THINGS, UNKNOWN),
    "colour": COLOURS,
    "size": SIZES,
    "background": BACKGROUNDS,
    "motion": tuple(Motion),
    "relation": ("none", Relation.LEFT_OF, Relation.ABOVE),
    "other": THINGS,
    "other_colour": COLOURS,
}
UNASKED = -100


def answers(scenes: Sequence[Scene | None], *, heard: bool = False) -> Tensor:
    """(B, len(ANSWERS)) int64: the place of each right answer, UNASKED where a scene has none (of a sound: but its thing).

    None stands for what lies outside the world.
    """
    return torch.tensor([_answers(scene, heard) for scene in scenes])


def without(right: Tensor, *hidden: str) -> Tensor:
    """(B, len(ANSWERS)) -> the same, where nothing is asked of these attributes."""
    right = right.clone()
    right[:, [list(ANSWERS).index(name) for name in hidden]] = UNASKED
    return right


def _answers(scene: Scene | None, heard: bool) -> list[int]:
    if scene is None:
        return [ANSWERS["thing"].index(UNKNOWN), *[UNASKED] * (len(ANSWERS) - 1)]
    scene = upright(scene)
    right: dict[str, str | None] = {"thing": scene.thing.name}
    if not heard:
        right |= {"colour": scene.thing.colour, "size": scene.thing.size, "background": scene.background}
        right |= {"motion": scene.motion} if scene.motion else {"relation": scene.relation or "none"}
    if scene.relation:
        right |= {"other": scene.things[1].name, "other_colour": scene.things[1].colour}
    return [UNASKED if (answer := right.get(name)) is None else among.index(answer) for name, among in ANSWERS.items()]


class Readout(nn.Module):
    """A learned query for each attribute attends to the tokens; a linear layer each answers."""

    def __init__(self, width: int, num_heads: int = 4) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(1, len(ANSWERS), width) / width**0.5)
        self.norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, num_heads, batch_first=True)
        self.hidden = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU())
        self.answers = nn.ModuleList(nn.Linear(2 * width, len(among)) for among in ANSWERS.values())

    def forward(self, tokens: Tensor) -> list[Tensor]:
        """(B, N, width) -> for each attribute the scores (B, number of answers)."""
        read = self.norm(tokens)
        found, _ = self.attention(self.queries.expand(len(tokens), -1, -1), read, read, need_weights=False)
        hidden = self.hidden(found)
        return [layer(hidden[:, place]) for place, layer in enumerate(self.answers)]


def readout_loss(scores: Sequence[Tensor], right: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy averaged over the attributes asked for, and the share of items of which all were read rightly."""
    losses = []
    whole = torch.ones(len(right), dtype=torch.bool, device=right.device)
    for place, given in enumerate(scores):
        asked = right[:, place] != UNASKED
        if bool(asked.any()):
            losses.append(cross_entropy(given.float()[asked], right[asked, place]))
            whole &= ~asked | (given.argmax(1) == right[:, place])
    return torch.stack(losses).mean(), whole.float().mean()
