"""Turns in which the assistant makes media: draw, play, animate, convert one sense into another, several at once."""

from dataclasses import replace

from training.world.scene import SIZES, Kind, Motion, Scene
from training.world.split import is_trained
from training.world.talk import ATTRIBUTES, Talk

_THING = frozenset({"thing"})
_VERBS: dict[Kind, str] = {"one": "draw", "two": "draw", "video": "animate", "audio": "play"}


def make_from_text(talk: Talk, scene: Scene, kind: Kind) -> None:
    """Ask for a scene in words, naming all or some of it, and make it."""
    named = talk.named(kind)
    talk.user(talk.ask(_VERBS[kind], p=talk.phrase(scene, kind, named)))
    talk.make((scene, kind, named))


def draw_from_text(talk: Talk) -> None:
    kind = talk.picture_kind()
    make_from_text(talk, talk.draw(kind), kind)


def play_from_text(talk: Talk) -> None:
    make_from_text(talk, talk.draw("audio"), "audio")


def animate_from_text(talk: Talk) -> None:
    make_from_text(talk, talk.draw("video"), "video")


def draw_heard(talk: Talk) -> None:
    _show_heard(talk, "one", "draw_heard")


def animate_heard(talk: Talk) -> None:
    _show_heard(talk, "video", "animate_heard")


def draw_seen(talk: Talk) -> None:
    """Take a still of a video: the same thing and background, in a size of the assistant's choice."""
    scene = talk.draw("one")
    talk.user(talk.ask("draw_seen"), talk.shown(_moving(talk, scene), "video"))
    talk.make((scene, "one", frozenset({"thing", "colour", "background"})))


def play_seen(talk: Talk) -> None:
    """Play the sound of what a picture or a video shows."""
    kind: Kind = talk.rng.choice(("one", "one", "video"))
    scene = talk.draw(kind, sounding=True)
    talk.user(talk.ask("play_seen"), talk.shown_thing(scene, kind))
    talk.make((scene, "audio", _THING))


def animate_seen(talk: Talk) -> None:
    """Set the thing of a picture in motion, mostly one that the user asks for."""
    video = talk.draw("video")
    picture = _still(talk, video)
    motion = video.motion
    assert motion is not None
    asked = ATTRIBUTES["video"]
    if talk.rng.random() < 0.15:
        text, asked = talk.ask("animate_seen_any"), asked - {"motion"}
    else:
        commanded, doing = talk.wording.commanded[motion], talk.wording.doing[motion]
        text = talk.ask("animate_seen", do=talk.rng.choice(commanded), doing=talk.rng.choice(doing))
    talk.user(text, talk.shown(picture, "one"))
    talk.make((video, "video", asked))


def draw_and_play(talk: Talk) -> None:
    """Draw something and play its sound, or another's, in either order; of two things the one that has a sound."""
    kind = talk.picture_kind()
    shape = talk.rng.random()
    scene, named = talk.draw(kind, sounding=True), talk.named(kind)
    while shape < 0.5 and scene.things[-1].has_sound and kind == "two":
        scene = talk.draw(kind, sounding=True)
    picture = talk.phrase(scene, kind, named)
    if shape < 0.5:
        talk.user(talk.ask("draw_and_play", p=picture))
        talk.make((scene, kind, named), (_alone(scene), "audio", _THING))
        return
    heard = _alone(scene) if talk.rng.random() < 0.4 else talk.draw("audio")
    sound = talk.phrase(heard, "audio", _THING)
    if shape < 0.75:
        talk.user(talk.ask("draw_and_play_other", p=picture, s=sound))
        talk.make((scene, kind, named), (heard, "audio", _THING))
    else:
        talk.user(talk.ask("play_and_draw", p=picture, s=sound))
        talk.make((heard, "audio", _THING), (scene, kind, named))


def _alone(scene: Scene) -> Scene:
    """The first thing of a scene without the other."""
    return replace(scene, things=scene.things[:1], relation=None)


def draw_and_animate(talk: Talk) -> None:
    kind = talk.picture_kind()
    picture, video = talk.draw(kind), talk.draw("video")
    drawn, animated = talk.named(kind), talk.named("video")
    phrases = {"p": talk.phrase(picture, kind, drawn), "q": talk.phrase(video, "video", animated)}
    talk.user(talk.ask("draw_and_animate", **phrases))
    talk.make((picture, kind, drawn), (video, "video", animated))


def animate_with_sound(talk: Talk) -> None:
    """Make a video with its sound: one sentence names both, the video is directly followed by the sound."""
    scene, named = talk.draw("video", sounding=True), talk.named("video")
    talk.user(talk.ask("animate_with_sound", p=talk.phrase(scene, "video", named)))
    canonical = talk.wording.canonical
    text = talk.reply("made_two", c=canonical(scene, "video"), d=canonical(scene, "audio"))
    parts = [{"type": "text", "text": text}, talk.generated(scene, "video"), talk.generated(scene, "audio")]
    talk.messages.append({"role": "assistant", "content": parts})
    talk.asked += [named, _THING]
    talk.last = None


def _show_heard(talk: Talk, kind: Kind, what: str) -> None:
    """Hear a thing and show it, with what else the user asks for; the rest is the assistant's choice."""
    scene, rng, wording = talk.draw(kind, sounding=True), talk.rng, talk.wording
    wanted: dict[str, str] = {}
    if rng.random() < 0.35:
        wanted["colour"] = wording.colour(scene.thing.colour)
    if rng.random() < 0.35:
        wanted["background"] = rng.choice(wording.backgrounds[scene.background])
    if scene.motion is not None and rng.random() < 0.5:
        wanted["motion"] = rng.choice(wording.doing[scene.motion])
    extras = "".join(wording.extra(attribute, value) for attribute, value in wanted.items())
    talk.user(talk.ask(what, x=extras), talk.shown(scene, "audio"))
    talk.make((scene, kind, _THING | frozenset(wanted)))


def _moving(talk: Talk, picture: Scene) -> Scene:
    """Draw a video of what a picture shows; on the train side a trained one."""
    while True:
        thing = replace(picture.thing, size=None)
        video = Scene((thing,), picture.background, motion=talk.rng.choice(list(Motion)))
        if talk.side == "held_out" or is_trained(video):
            return video


def _still(talk: Talk, video: Scene) -> Scene:
    return Scene((replace(video.thing, size=talk.rng.choice(SIZES)),), video.background)
