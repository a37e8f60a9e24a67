"""A dialogue while it is being written: the messages so far, and what was last shown or heard."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from encoders.modality import Modality
from training.world.captions import canonical_caption
from training.world.scene import Kind, Scene
from training.world.split import Side, draw, is_held_out, is_trained
from training.world.wording import Wording

MODALITIES: Mapping[Kind, Modality] = {
    "one": Modality.IMAGE,
    "two": Modality.IMAGE,
    "video": Modality.VIDEO,
    "audio": Modality.AUDIO,
}
# What a medium of each kind shows.
ATTRIBUTES: Mapping[Kind, frozenset[str]] = {
    "one": frozenset({"thing", "colour", "size", "background"}),
    "two": frozenset({"thing", "colour", "background", "relation"}),
    "video": frozenset({"thing", "colour", "background", "motion"}),
    "audio": frozenset({"thing"}),
}
# What was taken away from a medium, so that the rest is read on its own: its hues turned; its motion (one frame, or the
# frames in any order); its shapes; or how it stood, with its place.
Partial = Literal["", "turned", "still", "shuffled", "blurred", "rotated"]
_WITHOUT_HINTS: Mapping[Kind, tuple[Partial, ...]] = {
    "one": ("turned",), "two": ("turned",), "video": ("still", "shuffled", "rotated"), "audio": ("",),
}  # fmt: skip
_OFTEN_PARTIAL = 0.6
_HARD_SOUNDS, _OFTEN_HARD = ("bell", "phone"), 0.25
_OFTEN_NAMED = {"thing": 1.0, "relation": 0.9, "motion": 0.9, "colour": 0.75, "background": 0.6, "size": 0.5}


@dataclass(frozen=True)
class MediaRef:
    """A medium to be rendered when needed: of a scene, or (foreign, then without a scene) from outside the world.

    Of a `partial` one nothing is asked that was taken away.
    """

    modality: Modality
    scene: Scene | None
    seed: int
    foreign: bool = False
    partial: Partial = ""


@dataclass
class Talk:
    """Messages so far, the attributes asked of each generated medium, and what was last shown or heard.

    `last_was_made` tells whether the assistant made it; a sound or video that the user brought is not revised.
    """

    rng: random.Random
    side: Side
    wording: Wording
    messages: list[dict[str, Any]] = field(default_factory=list)
    asked: list[frozenset[str]] = field(default_factory=list)
    last: tuple[Scene, Kind] | None = None
    last_was_made: bool = False

    def user(self, text: str, *media: MediaRef) -> None:
        """Say something, with media before the text."""
        parts = [{"type": str(medium.modality), str(medium.modality): medium} for medium in media]
        self.messages.append({"role": "user", "content": [*parts, {"type": "text", "text": text}]})

    def assistant(self, text: str) -> None:
        """Reply with text alone."""
        self.messages.append({"role": "assistant", "content": [{"type": "text", "text": text}]})

    def make(self, *made: tuple[Scene, Kind, frozenset[str]]) -> None:
        """Reply with media, each restated in its canonical wording right before it; with them comes what was asked."""
        content: list[dict[str, Any]] = []
        for scene, kind, asked in made:
            content += [{"type": "text", "text": self.announce(scene, kind)}, self.generated(scene, kind)]
            self.asked.append(asked)
        self.messages.append({"role": "assistant", "content": content})
        self.last, self.last_was_made = (made[0][:2] if len(made) == 1 else None), True

    def generated(self, scene: Scene, kind: Kind) -> dict[str, Any]:
        """Make the part of a generated medium."""
        modality = str(MODALITIES[kind])
        return {"type": modality, modality: self.shown(scene, kind), "caption": canonical_caption(scene, kind)}

    def shown(self, scene: Scene, kind: Kind) -> MediaRef:
        """Refer to a medium of a scene, with a seed of its own."""
        return MediaRef(MODALITIES[kind], scene, self.rng.getrandbits(31))

    def shown_thing(self, scene: Scene, kind: Kind) -> MediaRef:
        """Refer to a medium of which nothing but the thing is asked: while training, mostly without what hints at it.

        A colour or a motion comes with some things only; where it tells nothing, the thing must be read from its shape.
        """
        return self._partly(self.shown(scene, kind), self.rng.choice(_WITHOUT_HINTS[kind]))

    def shown_motion(self, scene: Scene) -> MediaRef:
        """Refer to a video of which nothing but the motion is asked: while training, mostly a blurred one."""
        return self._partly(self.shown(scene, "video"), "blurred")

    def _partly(self, medium: MediaRef, partial: Partial) -> MediaRef:
        taken = self.side == "train" and self.rng.random() < _OFTEN_PARTIAL
        return replace(medium, partial=partial) if taken else medium

    def announce(self, scene: Scene, kind: Kind) -> str:
        """Restate what is made in its canonical wording."""
        return self.reply("made_sound" if kind == "audio" else "made", c=self.wording.canonical(scene, kind))

    def remember(self, scene: Scene, kind: Kind) -> None:
        """Note what the user brought."""
        self.last, self.last_was_made = (scene, kind), False

    def draw(self, kind: Kind, *, sounding: bool = False) -> Scene:
        """Draw a scene from this dialogue's side of the split; its first thing has a sound if `sounding`.

        While training, the sounds most like others come more often.
        """
        is_hard = kind == "audio" and self.side == "train" and self.rng.random() < _OFTEN_HARD
        while True:
            scene = draw(self.rng, kind, self.side)
            if is_hard and scene.thing.name not in _HARD_SOUNDS:
                continue
            if scene.thing.has_sound or not sounding:
                return scene

    def accepts(self, scene: Scene, kind: Kind) -> bool:
        """Tell whether a medium may be what a dialogue of this side ends with."""
        return is_trained(scene) if self.side == "train" else kind == "audio" or is_held_out(scene)

    def picture_kind(self) -> Kind:
        return "one" if self.rng.random() < 0.5 else "two"

    def named(self, kind: Kind) -> frozenset[str]:
        """Choose what the user names: everything half of the time."""
        attributes = sorted(ATTRIBUTES[kind])
        if self.rng.random() < 0.5:
            return ATTRIBUTES[kind]
        return frozenset(attribute for attribute in attributes if self.rng.random() < _OFTEN_NAMED[attribute])

    def phrase(self, scene: Scene, kind: Kind, named: frozenset[str]) -> str:
        """Word a scene as the user puts it into a request."""
        return self.wording.phrase(scene, self.rng, kind=kind, side=self.side, named=named)

    def ask(self, what: str, **slots: str) -> str:
        return self.wording.asked(what, self.side, self.rng, **slots)

    def reply(self, what: str, **slots: str) -> str:
        return self.wording.replied(what, self.rng, **slots)


Turn = Callable[[Talk], None]
