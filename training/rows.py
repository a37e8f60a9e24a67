"""The rows of the evaluation: each draws held-out dialogues, lets the model answer them, and grades the answers."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from encoders.modality import Modality
from training.examinee import Examinee
from training.grading import (
    JUDGED,
    Answer,
    Verdict,
    declines,
    expected_media,
    fired_rightly,
    keep_free_choices,
    media_are_right,
    read_medium,
    text_is_right,
)
from training.world import split
from training.world.dialogues import Dialogue, MediaRef, draw_dialogue
from training.world.judge import JudgedModality, right, set_attributes
from training.world.judge_accuracy import READERS, render
from training.world.scene import Kind, Scene
from training.world.wording import Language

SEED_STRIDE = 1_000_003  # dialogue seeds of one sample stay below the next one's

Sample = Callable[[Examinee, int], Verdict]


@dataclass(frozen=True)
class Row:
    """One kind of sample: its title for people, and what draws, asks and grades sample number `index`."""

    title: str
    sample: Sample


def draw_fitting(
    task: str, index: int, language: Language, fits: Callable[[Dialogue], bool] = lambda _: True
) -> Dialogue:
    """The first held-out dialogue of a task, from a seed set by `index` on, that fits."""
    seed = (index + 1) * SEED_STRIDE
    while not fits(dialogue := draw_dialogue(seed, "held_out", task=task, language=language)):
        seed += 1
    return dialogue


def _made_scene(dialogue: Dialogue) -> Scene:
    return scene_of(expected_media(dialogue)[-1][-1])


def _asks(*attributes: str, things: int = 1) -> Callable[[Dialogue], bool]:
    """Choose dialogues whose last medium shows so many things, and of which at least these attributes are asked."""
    return lambda d: d.asked[-1] >= set(attributes) and len(_made_scene(d).things) == things


@dataclass(frozen=True)
class Request:
    """Something to ask for, and the attributes of what is made that count (None: all that were asked)."""

    task: str
    fits: Callable[[Dialogue], bool] = lambda _: True
    counts: frozenset[str] | None = None


REQUESTS: Mapping[str, Request] = {
    "text_to_image_one": Request("draw", _asks("thing", "colour", "background")),
    "text_to_image_two": Request("draw", _asks("thing", "colour", "relation", things=2)),
    "text_to_audio": Request("play"),
    "text_to_video": Request("animate", _asks("thing", "colour", "motion")),
    "audio_to_image": Request("draw_heard", counts=frozenset({"thing"})),
    "image_to_audio": Request("play_seen", lambda d: next(d.media()).modality is Modality.IMAGE),
    "audio_to_video": Request("animate_heard", counts=frozenset({"thing"})),
    "image_to_video": Request("animate_seen", _asks("motion"), counts=frozenset({"thing", "colour", "motion"})),
}
DESCRIPTIONS = {
    "image_to_text": "describe_image",
    "audio_to_text": "describe_audio",
    "video_to_text": "describe_video",
}
# What Chinese is compared in, and what decoders make with and without signal tokens.
COMPARED = ("text_to_image_one", "text_to_image_two", "text_to_audio", "text_to_video", *DESCRIPTIONS)
DECODED = ("text_to_image_one", "text_to_image_two", "text_to_audio", "text_to_video")
CLIP_ROW = "clip_image_to_text"
SEVERAL = ("draw_and_play", "draw_and_animate", "animate_with_sound")
NOTHING_MADE = ("small_talk", "facts", "ask_earlier", "ask_attribute", "refuse", "silent")


def make(request: Request, language: Language = "en") -> Sample:
    """Ask for media and let the judge read the last turn's."""

    def sample(examinee: Examinee, index: int) -> Verdict:
        dialogue = draw_fitting(request.task, index, language, request.fits)
        answers = examinee.answer(dialogue, index)
        return grade_made(dialogue, answers, request)

    return sample


def grade_made(
    dialogue: Dialogue, answers: Sequence[Answer], request: Request, *, scene: Scene | None = None
) -> Verdict:
    """Grade the media of the last turn; `scene` stands in the place of the dialogue's own."""
    wanted = [(reference.modality, scene or scene_of(reference)) for reference in expected_media(dialogue)[-1]]
    asked = [attributes & (request.counts or attributes) | {"thing"} for attributes in dialogue.asked[-len(wanted) :]]
    is_right, read = media_are_right(answers[-1], wanted, asked)
    return Verdict(
        is_right,
        fired_rightly(dialogue, answers),
        any(declines(answer.text, dialogue.language) for answer in answers),
        f"{_said(dialogue)} -> {', '.join(str(scene) for _, scene in wanted)}",
        f"{answers[-1].text} | {read}",
    )


def describe(task: str, language: Language = "en", *, with_clip: bool = False) -> Sample:
    """Show or play something and read all its attributes in the answer."""

    def sample(examinee: Examinee, index: int) -> Verdict:
        dialogue = draw_fitting(task, index, language)
        answers = examinee.answer(dialogue, index, with_clip=with_clip)
        reference = next(dialogue.media())
        assert reference.scene is not None
        asked = set_attributes(reference.scene, JUDGED[reference.modality])
        return Verdict(
            text_is_right(answers[-1].text, language, reference.scene, frozenset(map(str, asked))),
            fired_rightly(dialogue, answers),
            declines(answers[-1].text, language),
            _shown(reference),
            answers[-1].text,
        )

    return sample


def revise(examinee: Examinee, index: int) -> Verdict:
    """Have a picture made and changed: the change is there, all else is as it was, asked for or chosen freely."""
    dialogue = draw_fitting("revise", index, "en", _revises_a_picture)
    answers = examinee.answer(dialogue, index)
    scene = None
    if fired_rightly(dialogue, answers):
        (old, new), before = (scene_of(made[0]) for made in expected_media(dialogue)[-2:]), answers[-2].media[0]
        scene = keep_free_choices(new, old, dialogue.asked[-2], read_medium(before))
    return grade_made(dialogue, answers, Request("revise"), scene=scene)


def _revises_a_picture(dialogue: Dialogue) -> bool:
    """Choose dialogues that draw and revise; a pair's relation was asked for, since no other can be told to be kept."""
    made = expected_media(dialogue)[-2:]
    if len(made) < 2 or any([reference.modality for reference in turn] != [Modality.IMAGE] for turn in made):
        return False
    return len(scene_of(made[0][0]).things) == 1 or "relation" in dialogue.asked[-2]


def several(examinee: Examinee, index: int) -> Verdict:
    """Ask for two media in one reply, each kind of request in turn, in both languages: all of them must be right."""
    kind, number = SEVERAL[index % len(SEVERAL)], index // len(SEVERAL)
    return make(Request(kind), "zh" if number % 2 else "en")(examinee, number)


def in_chinese(examinee: Examinee, index: int) -> Verdict:
    """One of the compared requests in Chinese, in turn: number index // n of its English row, of n rows."""
    row, number = COMPARED[index % len(COMPARED)], index // len(COMPARED)
    sample = describe(DESCRIPTIONS[row], "zh") if row in DESCRIPTIONS else make(REQUESTS[row], "zh")
    return sample(examinee, number)


def directly(examinee: Examinee, index: int) -> Verdict:
    """A decoder conditioned by its own text encoder on the caption, in turn: the same scenes as through the core."""
    row, number = DECODED[index % len(DECODED)], index // len(DECODED)
    dialogue = draw_fitting(REQUESTS[row].task, number, "en", REQUESTS[row].fits)
    part = next(part for part in dialogue.messages[-1]["content"] if "caption" in part)
    reference = expected_media(dialogue)[-1][0]
    medium = examinee.decode(reference.modality, part["caption"], number)
    verdict = grade_made(dialogue, [Answer("", (medium,))], REQUESTS[row])
    return replace(verdict, fired=None, declined=None)  # nobody was asked


def outside(examinee: Examinee, index: int) -> Verdict:
    """Photographs, speech, noise: the answer says that it does not know them, and nothing is made."""
    dialogue = draw_fitting("foreign", index, "en")
    answers = examinee.answer(dialogue, index)
    declined = declines(answers[-1].text, "en")
    return Verdict(declined, fired_rightly(dialogue, answers), None, _said(dialogue), answers[-1].text)


def talk(examinee: Examinee, index: int) -> Verdict:
    """Talk in which the last turn asks for no media."""
    dialogue = draw_fitting(NOTHING_MADE[index % len(NOTHING_MADE)], index, "en" if index % 2 else "zh")
    answers = examinee.answer(dialogue, index)
    fired = fired_rightly(dialogue, answers)
    return Verdict(fired, fired, None, _said(dialogue), " / ".join(answer.text for answer in answers))


def judge_itself(modality: JudgedModality, kind: Kind) -> Sample:
    """Let the judge read one clean render of a held-out scene."""

    def sample(_: Examinee, index: int) -> Verdict:
        rng = random.Random(f"judge itself {modality} {kind} {index}")
        scene = split.draw(rng, kind, "held_out")
        read = READERS[modality](render([scene], modality, [rng.getrandbits(31)], side="held_out"))[0]
        return Verdict(right(read, scene, set_attributes(scene, modality)), wanted=str(scene), got=str(read))

    return sample


ROWS: Mapping[str, Row] = {
    "judge_image_one": Row("the judge itself: image, one thing", judge_itself("image", "one")),
    "judge_image_two": Row("the judge itself: image, two things", judge_itself("image", "two")),
    "judge_audio": Row("the judge itself: audio", judge_itself("audio", "audio")),
    "judge_video": Row("the judge itself: video", judge_itself("video", "video")),
    "text_to_image_one": Row("text -> image, one thing", make(REQUESTS["text_to_image_one"])),
    "text_to_image_two": Row("text -> image, two things", make(REQUESTS["text_to_image_two"])),
    "text_to_audio": Row("text -> audio", make(REQUESTS["text_to_audio"])),
    "text_to_video": Row("text -> video", make(REQUESTS["text_to_video"])),
    "image_to_text": Row("image -> text", describe("describe_image")),
    "audio_to_text": Row("audio -> text", describe("describe_audio")),
    "video_to_text": Row("video -> text", describe("describe_video")),
    "audio_to_image": Row("audio -> image", make(REQUESTS["audio_to_image"])),
    "image_to_audio": Row("image -> audio", make(REQUESTS["image_to_audio"])),
    "audio_to_video": Row("audio -> video", make(REQUESTS["audio_to_video"])),
    "image_to_video": Row("image -> video", make(REQUESTS["image_to_video"])),
    CLIP_ROW: Row("image -> text through CLIP", describe("describe_image", with_clip=True)),
    "revise": Row("revise an earlier image", revise),
    "several": Row("several media in one reply", several),
    "outside": Row("outside its world", outside),
    "talk": Row("talk, nothing to make", talk),
    "in_chinese": Row("requests in Chinese", in_chinese),
    "directly": Row("decoders by their own text encoders", directly),
}


def scene_of(reference: MediaRef) -> Scene:
    assert reference.scene is not None
    return reference.scene


def _shown(reference: MediaRef) -> str:
    return f"{reference.modality} of {reference.scene}"


def _said(dialogue: Dialogue) -> str:
    """What the user wrote, turn by turn."""
    texts = (
        part["text"]
        for message in dialogue.messages
        if message["role"] == "user"
        for part in message["content"]
        if part["type"] == Modality.TEXT
    )
    return " / ".join(texts)
