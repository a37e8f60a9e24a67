"""The fixed split: which combinations of the world are held out of all training, so that figures measure generalisation.

Held out, by position in the tuples of scene.py:

* thing x colour: one colour for three things of four (12 of 96 combinations);
* two things with a relation, said either way: one in ten;
* thing x motion: exactly one motion for each thing (16 of 128);
* sounds: a band of every synthesis parameter (`SOUND_BAND`, on its 0 to 1 scale);
* language: some wordings (marked in captions.py and dialogues.py).

One aid comes near a held-out combination without teaching it: where replies slip (training/slips.py), any colour's word
may stand before any thing's among what the core reads, never in what it is taught.
"""

import random
from typing import Literal

from training.world.scene import COLOURS, THINGS, Kind, Motion, Relation, Scene, draw_scene

Side = Literal["train", "held_out"]
SOUND_BAND = (0.55, 0.7)
_MOTIONS = list(Motion)
_INVERSE = {Relation.RIGHT_OF: Relation.LEFT_OF, Relation.BELOW: Relation.ABOVE}


def colour_is_held_out(thing: str, colour: str) -> bool:
    return (THINGS.index(thing) * 5 + COLOURS.index(colour)) % 8 == 3


def pair_is_held_out(first: str, second: str, relation: Relation) -> bool:
    """The same for both ways to say a pair: "a bell above a boat" shows what "a boat below a bell" does."""
    if relation in _INVERSE:
        first, second, relation = second, first, _INVERSE[relation]
    return (THINGS.index(first) * 3 + THINGS.index(second) * 5 + (relation is Relation.ABOVE)) % 8 == 0


def motion_is_held_out(thing: str, motion: Motion) -> bool:
    return (THINGS.index(thing) * 3 + _MOTIONS.index(motion)) % 8 == 1


def is_trained(scene: Scene) -> bool:
    """Tell whether every combination in the scene may be trained on."""
    if any(colour_is_held_out(thing.name, thing.colour) for thing in scene.things):
        return False
    if scene.relation is not None and pair_is_held_out(scene.things[0].name, scene.things[1].name, scene.relation):
        return False
    return scene.motion is None or not motion_is_held_out(scene.thing.name, scene.motion)


def is_held_out(scene: Scene) -> bool:
    """Tell whether what the scene's kind is judged on (the pair, the motion, else the colour) is a held-out one."""
    if scene.relation is not None:
        return pair_is_held_out(scene.things[0].name, scene.things[1].name, scene.relation)
    if scene.motion is not None:
        return motion_is_held_out(scene.thing.name, scene.motion)
    return colour_is_held_out(scene.thing.name, scene.thing.colour)


def draw(rng: random.Random, kind: Kind, side: Side) -> Scene:
    """Draw a scene of a kind from one side of the split. Sounds have no combinations: their split is `SOUND_BAND`."""
    accepts = is_trained if side == "train" else is_held_out
    while True:
        scene = draw_scene(rng, kind)
        if kind == "audio" and side == "held_out":
            return scene
        if accepts(scene):
            return scene
