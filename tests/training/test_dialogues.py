"""Dialogues are pure functions of a seed, keep to their side of the split, and restate what they make."""

import itertools
import re
import string
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from training.world import chinese, outside
from training.world.dialogues import LANGUAGES, TASKS, Dialogue, MediaRef, draw_dialogue
from training.world.reading import Reading, agrees, read_attributes
from training.world.scene import BACKGROUNDS, COLOURS, SOUNDING_THINGS, THINGS, Motion, Relation
from training.world.split import Side, colour_is_held_out, is_held_out, is_trained, motion_is_held_out, pair_is_held_out
from training.world.wording import Language

SIDES: tuple[Side, ...] = ("train", "held_out")
SILENT_TASKS = ("describe_image", "describe_audio", "describe_video", "ask_attribute", "facts", "small_talk", "refuse",
                "foreign", "silent")  # fmt: skip
MADE_BY_TASK = {
    "draw": ["image"], "play": ["audio"], "animate": ["video"], "draw_heard": ["image"], "draw_seen": ["image"],
    "play_seen": ["audio"], "animate_seen": ["video"], "animate_heard": ["video"],
    "draw_and_animate": ["image", "video"], "animate_with_sound": ["video", "audio"],
}  # fmt: skip


def _texts(dialogue: Dialogue, role: str | None = None) -> Iterator[str]:
    for message in dialogue.messages:
        if role in (None, message["role"]):
            yield from (part["text"] for part in message["content"] if part["type"] == "text")


def _made(dialogue: Dialogue) -> list[dict[str, Any]]:
    parts = [part for message in dialogue.messages if message["role"] == "assistant" for part in message["content"]]
    return [part for part in parts if part["type"] != "text"]


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+|[\u4e00-\u9fff]", text.lower())


def names_held_out(reading: Reading) -> bool:
    """Tell whether a text names a combination that no training may see."""
    if any(thing.colour and colour_is_held_out(thing.name, thing.colour) for thing in reading.things):
        return True
    if reading.relation and len(reading.things) == 2:
        first, second = (thing.name for thing in reading.things)
        return pair_is_held_out(first, second, Relation(reading.relation))
    return bool(reading.motion and len(reading.things) == 1) and motion_is_held_out(
        reading.things[0].name, Motion(reading.motion or "")
    )


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("side", SIDES)
def test_a_dialogue_alternates_and_is_a_pure_function_of_its_seed(task: str, side: Side) -> None:
    for seed in range(30):
        dialogue = draw_dialogue(seed, side, task=task)
        assert dialogue == draw_dialogue(seed, side, task=task)
        assert dialogue.task == task
        roles = [message["role"] for message in dialogue.messages]
        assert roles == ["user", "assistant"] * (len(roles) // 2)
        assert 2 <= len(roles) <= 10
        assert all(text == text.strip() and "{" not in text and "  " not in text for text in _texts(dialogue))


@pytest.mark.parametrize("side", SIDES)
def test_what_is_made_is_restated_before_it_and_agrees_with_its_scene(side: Side) -> None:
    for seed in range(500):
        dialogue = draw_dialogue(seed, side)
        assert len(dialogue.asked) == len(_made(dialogue))
        for message in dialogue.messages:
            spoken = ""
            for part in message["content"]:
                if part["type"] == "text":
                    spoken = part["text"]
                elif message["role"] == "assistant":
                    scene = part[part["type"]].scene
                    assert dialogue.language == "zh" or part["caption"] in spoken
                    asked = frozenset({"thing"}) if part["type"] == "audio" else None
                    assert agrees(read_attributes(part["caption"]), scene, asked)
                    assert agrees(read_attributes(spoken), scene, asked)


def test_what_is_asked_is_what_is_made() -> None:
    for seed in range(400):
        for task in ("draw", "play", "animate"):
            dialogue = draw_dialogue(seed, task=task)
            (part,), (asked,) = _made(dialogue), dialogue.asked
            text = next(_texts(dialogue, "user"))
            assert agrees(read_attributes(text, dialogue.language), part[part["type"]].scene, asked), text


def test_train_dialogues_neither_show_nor_name_what_is_held_out() -> None:
    for seed in range(3000):
        dialogue = draw_dialogue(seed)
        assert all(reference.scene is None or is_trained(reference.scene) for reference in dialogue.media())
        for text in _texts(dialogue):
            for sentence in re.split("[.?。？]| and animate | and a video |再", text):
                assert not names_held_out(read_attributes(sentence, dialogue.language)), text


@pytest.mark.parametrize("task", ["draw", "animate", "animate_seen", "draw_heard", "animate_heard", "revise"])
def test_held_out_dialogues_end_with_a_held_out_combination(task: str) -> None:
    for seed in range(100):
        part = _made(draw_dialogue(seed, "held_out", task=task))[-1]
        assert part["type"] == "audio" or is_held_out(part[part["type"]].scene)


@pytest.mark.parametrize("language", LANGUAGES)
def test_held_out_templates_are_new_but_made_of_known_words(language: Language) -> None:
    wording = LANGUAGES[language]
    groups = [*wording.users.values(), *(topic[:2] for topic in wording.small_talk.values())]
    known = {word for train, _ in groups for template in train for word in _words(template)}
    for train, held_out in groups:
        assert not set(train) & set(held_out)
        assert held_out
        new = {word for template in held_out for word in _words(template)} - known
        assert not new, (held_out, new)


@pytest.mark.parametrize("task", SILENT_TASKS)
@pytest.mark.parametrize("side", SIDES)
def test_no_medium_is_made_where_none_is_asked_or_possible(task: str, side: Side) -> None:
    assert not any(_made(draw_dialogue(seed, side, task=task)) for seed in range(100))


@pytest.mark.parametrize(("task", "modalities"), MADE_BY_TASK.items())
def test_the_asked_modalities_are_made(task: str, modalities: list[str]) -> None:
    for seed in range(50):
        assert [part["type"] for part in _made(draw_dialogue(seed, task=task))] == modalities


def test_a_video_with_its_sound_is_a_video_directly_followed_by_a_sound() -> None:
    reply = draw_dialogue(1, task="animate_with_sound").messages[1]["content"]
    assert [part["type"] for part in reply] == ["text", "video", "audio"]


def test_one_of_two_things_drawn_can_be_played() -> None:
    played = Counter[tuple[int, bool]]()
    for seed in range(80):
        parts = {part["type"]: part[part["type"]].scene for part in _made(draw_dialogue(seed, task="draw_and_play"))}
        shown = parts["image"].things
        assert parts["audio"].thing.has_sound
        assert parts["audio"].relation is None
        played[len(shown), parts["audio"].thing.name in {thing.name for thing in shown}] += 1
    assert min(played[1, True], played[2, True], played[2, False]) > 5


def test_a_revision_changes_something_and_keeps_most() -> None:
    for seed in range(200):
        made = _made(draw_dialogue(seed, task="revise"))
        before, after = draw_dialogue(seed, task="revise").media(), made[-1]
        first = next(before).scene
        assert first is not None
        assert first != after[after["type"]].scene
        names = {thing.name for thing in first.things} & {thing.name for thing in after[after["type"]].scene.things}
        assert names or first.background == after[after["type"]].scene.background


def test_a_rehearsal_changes_one_pair_several_times_in_a_row() -> None:
    changes = set()
    for seed in range(60):
        scenes = [part["image"].scene for part in _made(draw_dialogue(seed, task="rehearse"))]
        assert 2 <= len(scenes) <= 4
        for before, after in itertools.pairwise(scenes):
            kept = [a == b for a, b in zip(before.things, after.things, strict=True)]
            swapped = before.things == after.things[::-1]
            assert before != after and (any(kept) or swapped)
            changes.add((*kept, swapped, before.background == after.background, before.relation is after.relation))
    assert len(changes) >= 5  # either thing, a swap, the background, the relation


def test_foreign_media_have_no_scene_and_are_declined() -> None:
    for seed in range(50):
        dialogue = draw_dialogue(seed, task="foreign")
        (reference,) = dialogue.media()
        assert reference.foreign
        assert reference.scene is None
        assert next(_texts(dialogue, "assistant")).startswith(("Sorry", "对不起"))


def test_the_seeds_of_media_differ() -> None:
    references: list[MediaRef] = [reference for seed in range(200) for reference in draw_dialogue(seed).media()]
    assert len({reference.seed for reference in references}) == len(references)


def test_languages_are_even_and_all_tasks_come_up() -> None:
    dialogues = [draw_dialogue(seed) for seed in range(3000)]
    assert set(Counter(dialogue.task for dialogue in dialogues)) == set(TASKS) - {"rehearse"}
    assert 0.45 < sum(dialogue.language == "en" for dialogue in dialogues) / len(dialogues) < 0.55


def test_replies_are_short() -> None:
    for seed, side in itertools.product(range(500), SIDES):
        for message in draw_dialogue(seed, side).messages:
            text = "".join(part["text"] for part in message["content"] if part["type"] == "text")
            assert message["role"] == "user" or len(_words(text)) < 60


def test_templates_name_only_slots_that_are_filled() -> None:
    for wording in LANGUAGES.values():
        for train, held_out in wording.users.values():
            for template in (*train, *held_out):
                assert all(name is None or name.isidentifier() for _, name, _, _ in string.Formatter().parse(template))


def test_chinese_has_words_for_the_whole_world() -> None:
    assert set(chinese.NAMES) == set(chinese.MEASURE_WORDS) == set(THINGS)
    assert set(chinese.COLOUR_WORDS) == set(COLOURS)
    assert set(chinese.BACKGROUND_PHRASES) == set(chinese.BACKGROUND_NAMES) == set(BACKGROUNDS)
    assert set(chinese.SOUND_PHRASES) == set(SOUNDING_THINGS)


def test_what_is_refused_is_not_in_the_world() -> None:
    for side in SIDES:
        assert not {name for name, _ in outside.of_side(outside.UNKNOWN_THINGS, side)} & set(THINGS)
        assert not {name for name, _ in outside.of_side(outside.UNKNOWN_COLOURS, side)} & set(COLOURS)


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(ValueError, match="No task 'sing'; the tasks are: draw, play"):
        draw_dialogue(0, task="sing")


def test_of_two_things_the_left_or_the_upper_one_is_described_first() -> None:
    for seed in range(60):
        dialogue = draw_dialogue(seed, task="describe_image", language="en")
        said = dialogue.messages[-1]["content"][0]["text"]
        assert " right of " not in said
        assert " below " not in said


def test_media_are_partial_only_while_training_and_only_where_nothing_is_asked_of_what_is_gone() -> None:
    def kinds(task: str, side: Side = "train") -> set[str]:
        return {ref.partial for seed in range(150) for ref in draw_dialogue(seed, side, task=task).media()}

    assert kinds("describe_image") == kinds("describe_video") == kinds("animate_seen") == {""}
    assert kinds("play_seen") == {"", "turned", "still", "shuffled", "rotated"}
    assert kinds("ask_attribute") == {"", "turned", "still", "shuffled", "blurred", "rotated"}
    assert kinds("ask_attribute", "held_out") == kinds("play_seen", "held_out") == {""}


def test_of_a_partial_medium_nothing_else_is_asked_in_the_turns_that_follow() -> None:
    for seed in range(400):
        dialogue = draw_dialogue(seed, task="mixed")
        for number, message in enumerate(dialogue.messages):
            media = [part[part["type"]] for part in message["content"] if part["type"] != "text"]
            if any(ref.partial == "blurred" for ref in media):
                reply = read_attributes(dialogue.messages[number + 1]["content"][0]["text"], dialogue.language)
                assert reply.motion is not None
                assert reply.background is None


def test_people_put_words_around_a_request_while_training_only() -> None:
    def begins(side: Side) -> bool:
        dialogues = [draw_dialogue(seed, side, task="play", language="en") for seed in range(120)]
        return any(d.messages[0]["content"][0]["text"].lower().startswith("ok, ") for d in dialogues)

    assert begins("train")
    assert not begins("held_out")
