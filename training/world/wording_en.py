"""English: what users may say, and the few sentences that the assistant replies with."""

import random

from training.world.captions import (
    BACKGROUND_PHRASES,
    DOING,
    RELATION_PHRASES,
    canonical_caption,
    draw_words,
    noun_phrase,
    with_article,
)
from training.world.scene import Kind, Motion, Scene
from training.world.small_talk import ABLE_EN, SMALL_TALK_EN, SOUND_FACTS_EN
from training.world.split import Side
from training.world.wording import Templates, Wording

_PHRASES: dict[Kind, tuple[Templates, Templates]] = {
    "one": (("{a} {bg}", "{a} {bg}", "one {np} {bg}", "{a}", "{a}", "one {np}"), ("{a}, {bg}", "{a}")),
    "two": (
        ("{a} {rel} {b} {bg}", "{b} with {a} {rel} it {bg}", "{a} {rel} {b}", "{b} with {a} {rel} it"),
        ("{b} {bg} with {a} {rel} it", "{a}, {rel} {b}, {bg}", "{a}, {rel} {b}"),
    ),
    "video": (
        ("{a} {doing} {bg}", "{a} {bg} {doing}", "{a} that {does} {bg}", "{a} {doing}", "{a} that {does}", "{a} {bg}",
         "{a}"),
        ("{a} {bg} that {does}", "one {np} {doing} {bg}", "one {np} {doing}", "one {np} {bg}", "one {np}"),
    ),
    "audio": (("the sound of {a}", "{sound}", "{a}"), ("the sound of {sound}",)),
}  # fmt: skip
_USERS: dict[str, tuple[Templates, Templates]] = {
    "draw": (
        ("draw {p}", "draw {p}", "draw me {p}", "can you draw {p}?", "could you draw {p}?", "paint {p}", "show me {p}",
         "I want to see {p}", "I would like a picture of {p}", "make a picture of {p}", "create an image of {p}",
         "make me an image of {p}", "a picture of {p}", "I want you to draw {p}", "let me see {p}", "now draw {p}"),
        ("could you paint {p}?", "I would like to see {p}", "create a picture of {p} now", "can you show me {p}?",
         "I want an image of {p}"),
    ),
    "play": (
        ("play {p}", "play {p}", "let me hear {p}", "I want to hear {p}", "can you play {p}?",
         "could you play me {p}?", "play me {p}", "I would like to hear {p}"),
        ("can you let me hear {p}?", "I want you to play {p}", "now play {p}", "could you let me hear {p}?"),
    ),
    "animate": (
        ("animate {p}", "make a video of {p}", "show me a video of {p}", "I want to see a video of {p}",
         "can you make a video of {p}?", "create a video of {p}", "make an animation of {p}", "a video of {p}",
         "could you animate {p}?", "I would like a video of {p}", "make me a video of {p}", "now animate {p}"),
        ("could you make me a video of {p}?", "I want an animation of {p}", "let me see a video of {p}",
         "can you animate {p}?"),
    ),
    "describe_image": (
        ("describe this picture", "what do you see?", "what is in this picture?", "what is this?",
         "what does this show?",
         "describe this image", "tell me what you see", "can you describe this?", "look at this",
         "what is in the image?"),
        ("tell me what is in this picture", "can you tell me what you see?", "what does this image show?"),
    ),
    "describe_audio": (
        ("what do you hear?", "what is this sound?", "what can you hear?", "listen to this", "tell me what you hear",
         "describe this sound", "what makes this sound?", "can you hear this?", "what is this?"),
        ("can you tell me what you hear?", "tell me what makes this sound", "can you hear what this is?"),
    ),
    "describe_video": (
        ("what happens in this video?", "describe this video", "what is happening?", "what do you see?",
         "what does this video show?", "tell me what happens", "watch this", "what is moving here?", "what is this?"),
        ("tell me what happens in this video", "what is happening in this video?", "can you describe this video?"),
    ),
    "draw_heard": (
        ("draw what you hear{x}", "draw what makes this sound{x}", "can you draw what you hear{x}?",
         "make a picture of this sound{x}", "show me what you hear{x}", "listen and draw it{x}",
         "turn this sound into a picture{x}", "draw this sound{x}", "paint what you hear{x}", "hear this and draw{x}",
         "I want a picture of this sound{x}", "let me see what you hear{x}", "create an image of this sound{x}"),
        ("can you paint what you hear{x}?", "listen to this and draw it{x}", "make an image of what you hear{x}"),
    ),
    "draw_seen": (
        ("draw what you see in this video", "make a picture of this video", "draw the thing in this video",
         "turn this video into a picture"),
        ("make a picture of what you see in this video", "can you draw what you see in this video?"),
    ),
    "play_seen": (
        ("play what you see", "play the sound of this", "let me hear this", "let me hear what you see",
         "make the sound of this", "can you play what you see?", "turn this into a sound", "I want to hear this",
         "play this", "play the sound of the thing you see", "could you let me hear this?", "I want to hear what you see"),
        ("let me hear the sound of this", "can you let me hear what you see?", "I want to hear the thing you see"),
    ),
    "animate_seen": (
        ("animate this picture, make it {do}", "make it {do}", "make this {do}", "let it {do}", "can you make it {do}?",
         "make a video where it is {doing}", "animate this, {doing}", "turn this picture into a video, {doing}",
         "I want to see it {doing}", "show me this {doing}"),
        ("can you make this {do}?", "turn this into a video where it is {doing}", "I want to see this {do}",
         "animate it, let it {do}"),
    ),
    "animate_seen_any": (
        ("animate this picture", "animate this", "make this picture move", "turn this picture into a video",
         "make a video of this", "let this move", "I want to see it move", "show me a video of this"),
        ("can you animate this picture?", "turn this into a video"),
    ),
    "animate_heard": (
        ("animate what you hear{x}", "make a video of what you hear{x}", "turn this sound into a video{x}",
         "show me a video of what makes this sound{x}", "listen and animate it{x}", "animate this sound{x}",
         "hear this and show me a video{x}", "can you make a video of this sound{x}?", "I want a video of this sound{x}",
         "let me see a video of what you hear{x}", "make this sound into an animation{x}"),
        ("can you animate what you hear{x}?", "listen to this and make a video of it{x}"),
    ),
    "draw_and_play": (
        ("draw {p} and play its sound", "draw {p} and play it", "draw {p} and let me hear it",
         "show me {p} and its sound",
         "make a picture of {p} and play the sound", "draw {p}, then play its sound", "show me {p}, then play it",
         "make a picture of {p} and let me hear it", "I want a picture of {p} and its sound",
         "I want to see {p} and hear its sound", "can you draw {p} and let me hear its sound?"),
        ("show me {p} and let me hear it", "paint {p}, then let me hear its sound"),
    ),
    "draw_and_play_other": (
        ("draw {p} and play {s}", "show me {p} and let me hear {s}", "draw {p}, then play {s}",
         "make a picture of {p} and play {s}", "I want a picture of {p} and to hear {s}",
         "I want to see {p} and hear {s}", "show me {p}, then let me hear {s}"),
        ("paint {p} and let me hear {s}", "draw {p} and I want to hear {s}"),
    ),
    "play_and_draw": (
        ("play {s} and draw {p}", "let me hear {s} and draw {p}", "play {s}, then show me {p}",
         "I want to hear {s} and see {p}", "let me hear {s} and show me {p}"),
        ("let me hear {s}, then draw {p}",),
    ),
    "draw_and_animate": (
        ("draw {p} and animate {q}", "draw {p}, then make a video of {q}", "make a picture of {p} and a video of {q}",
         "I want a picture of {p} and a video of {q}", "show me {p}, then animate {q}"),
        ("show me {p} and a video of {q}", "paint {p} and animate {q}"),
    ),
    "animate_with_sound": (
        ("animate {p} with its sound", "make a video of {p} with sound", "show me a video of {p} with its sound",
         "make a video with sound of {p}", "animate {p} and let me hear it",
         "I want a video of {p} and its sound", "I want to see a video of {p} and hear it", "I want to hear and see {p}",
         "show me {p} as a video and let me hear it"),
        ("create a video of {p} with its sound", "I want to see and hear a video of {p}"),
    ),
    "revise_colour": (
        ("now make it {colour}", "make it {colour}", "I want it in {colour}", "change the colour to {colour}",
         "now in {colour}", "paint it {colour}", "can you make it {colour}?", "turn it {colour}"),
        ("can you paint it {colour}?", "I want you to paint it {colour}", "now change it to {colour}"),
    ),
    "revise_colour_of": (
        ("make the {name} {colour}", "now make the {name} {colour}", "paint the {name} {colour}",
         "I want the {name} in {colour}",
         "change the colour of the {name} to {colour}", "the same with the {name} in {colour}",
         "now paint the {name} {colour}", "can you make the {name} {colour}?", "the {name} in {colour} please"),
        ("can you paint the {name} {colour}?", "now the {name} in {colour}"),
    ),
    "revise_background": (
        ("put it {bg}", "now put it {bg}", "I want it {bg}", "the same {bg}", "now {bg}", "can you put it {bg}?",
         "change the background, put it {bg}", "move it, I want it {bg}"),
        ("can you show me the same {bg}?", "I want the same {bg}", "now I want it {bg}"),
    ),
    "revise_bigger": (
        ("make it bigger", "now make it bigger", "I want it bigger", "make it big", "it is too small",
         "can you make it larger?"),
        ("can you make it bigger?", "I want it larger", "now make it big"),
    ),
    "revise_smaller": (
        ("make it smaller", "now make it smaller", "I want it smaller", "make it small", "it is too big",
         "make it little"),
        ("can you make it smaller?", "I want it small", "now make it little"),
    ),
    "revise_add": (
        ("put it {rel} {b}", "now put it {rel} {b}", "move it {rel} {b}"),
        ("can you put it {rel} {b}?", "I want it {rel} {b}"),
    ),
    "revise_relation": (
        ("put the {name} {rel} the {other}", "now put the {name} {rel} the {other}",
         "move the {name}, I want it {rel} the {other}",
         "I want the {name} {rel} the {other}", "the {name} {rel} the {other} instead",
         "let the {name} be {rel} the {other}", "can you move the {name} {rel} the {other}?"),
        ("can you put the {name} {rel} the {other}?", "now the {name} {rel} the {other}"),
    ),
    "revise_swap": (
        ("swap them", "now swap them", "swap the two", "let them change places", "swap the {name} and the {other}",
         "can you swap the {name} and the {other}?", "let the two change places", "swap the {name} with the {other}",
         "now let them change places", "I want them to change places"),
        ("can you swap them?", "now swap the two", "let the {name} and the {other} change places"),
    ),
    "revise_thing": (
        ("make it {new} instead", "now {new} instead", "change it to {new}", "turn it into {new}",
         "I want {new} instead",
         "the same with {new}"),
        ("can you make it {new} instead?", "now turn it into {new}"),
    ),
    "revise_thing_of": (
        ("change the {name} to {new}", "turn the {name} into {new}", "I want {new} instead of the {name}",
         "the same with {new} instead of the {name}", "make the {name} into {new}", "{new} instead of the {name}",
         "can you change the {name} to {new}?"),
        ("now change the {name} to {new}", "make the {name} {new} instead"),
    ),
    "revise_motion": (
        ("now make it {do}", "make it {do}", "now let it {do}", "I want it {doing}", "the same, but {doing}",
         "let it {do} instead"),
        ("can you let it {do}?", "now I want it {doing}", "make it {do} instead"),
    ),
    "revise_sound": (
        ("now {new} instead", "and {new}?", "now play {new}", "I want to hear {new} instead", "{new} instead"),
        ("can you play {new} instead?", "and now {new}"),
    ),
    "ask_colour": (
        ("what colour is the {name}?", "which colour does the {name} have?", "what is the colour of the {name}?",
         "tell me the colour of the {name}", "is the {name} red or blue or another colour?"),
        ("can you tell me the colour of the {name}?", "which colour is the {name}?"),
    ),
    "ask_place": (
        ("where is it?", "where is this?", "what is the background?", "what place is this?"),
        ("tell me where it is", "can you tell me what the background is?"),
    ),
    "ask_relation": (
        ("where is the {name}?", "where is the {name} from the {other}?", "which one is {rel} the other?",
         "what is {rel} the {other}?"),
        ("tell me where the {name} is", "tell me what is {rel} the {other}"),
    ),
    "ask_size": (
        ("is the {name} big or small?", "how big is the {name}?", "what size is the {name}?"),
        ("tell me how big the {name} is", "what is the size of the {name}?"),
    ),
    "ask_motion": (
        ("what is the {name} doing?", "how does it move?", "what does the {name} do?", "where is it going?"),
        ("tell me what the {name} does", "how does the {name} move?"),
    ),
    "ask_count": (
        ("how many things do you see?", "is it one thing or two?", "how many things are in this picture?"),
        ("tell me how many things you see",),
    ),
    "ask_thing": (
        ("what thing is this?", "which thing is it?", "what thing do you see?", "what thing is that?"),
        ("tell me what thing this is", "can you tell me which thing you see?"),
    ),
    "ask_things": (
        ("which two things are there?", "which things do you see?", "what two things are in this picture?"),
        ("tell me which two things you see",),
    ),
    "ask_if_colour": (("is the {name} {colour}?", "is this {name} {colour}?"), ("tell me, is the {name} {colour}?",)),
    "ask_if_thing": (("is this {new}?", "do you see {new}?", "is there {new}?"), ("can you see {new}?",)),
    "ask_if_heard": (("is this {new}?", "do you hear {new}?", "is it {new}?"), ("can you hear {new}?",)),
    "was_colour": (
        ("what colour was the {name}?", "which colour did the {name} have?", "what was the colour of the {name}?"),
        ("can you tell me what colour the {name} was?", "tell me, what colour was the {name}?"),
    ),
    "was_place": (("where was it?", "where was the {name}?", "what was the background?"), ("tell me where it was",)),
    "was_relation": (
        ("which one was {rel} the other?", "where was the {name} from the {other}?", "what was {rel} the {other}?"),
        ("tell me which one was {rel} the other",),
    ),
    "was_size": (("was it big or small?", "how big was the {name}?", "what size was it?"), ("tell me how big it was",)),
    "was_motion": (("what did the {name} do?", "how did it move?", "what was the {name} doing?"),
    ("tell me what it did",)),
    "was_thing": (("what was it?", "what did you show me?", "what did I ask for?"), ("tell me what it was",)),
    "was_heard": (("what was that sound?", "what did I hear?", "what made that sound?"),
    ("tell me what that sound was",)),
    "fact_sound": (
        ("what sound does {a} make?", "how does {a} sound?", "do you know the sound that {a} makes?",
         "does {a} make a sound?", "tell me about the sound of {a}", "can you tell me how {a} sounds?"),
        ("tell me what sound {a} makes", "tell me how {a} sounds"),
    ),
    "silent": (
        ("play {a}", "play the sound of {a}", "let me hear {a}", "I want to hear {a}",
         "can you play the sound of {a}?", "can you play {a}?", "could you play me {a}?", "play me {a}",
         "I would like to hear {a}", "play me the sound of {a}", "let me hear the sound of {a}"),
        ("could you play {a}?", "I want to hear the sound of {a}"),
    ),
    "refuse_thing": (
        ("draw {a}", "draw me {a}", "paint {a}", "show me {a}", "can you draw {a}?", "make a picture of {a}",
         "animate {a}",
         "make a video of {a}", "draw a {colour} {noun}", "draw {a} {bg}", "I want to see {a}"),
        ("could you paint {a}?", "I would like to see {a}", "draw {a} and play its sound"),
    ),
    "refuse_sound": (
        ("play {a}", "play the sound of {a}", "let me hear {a}", "I want to hear {a}",
         "can you play the sound of {a}?"),
        ("could you play {a}?", "I would like to hear {a}"),
    ),
    "refuse_colour": (
        ("draw a {colour} {name}", "make a picture of a {colour} {name}", "paint a {colour} {name} {bg}",
         "show me a {colour} {name}"),
        ("could you draw a {colour} {name}?",),
    ),
    "refuse_place": (("draw {a} {place}", "show me {a} {place}", "make a picture of {a} {place}"),
    ("could you draw {a} {place}?",)),
    "refuse_motion": (
        ("make a video of {a}, let it {motion}", "animate {a}, make it {motion}", "make {a} {motion}"),
        ("I want to see {a} {motion}",),
    ),
    "refuse_many": (
        ("draw three {name}s", "draw {a}, {b} and {c}", "draw ten {name}s", "show me many {name}s",
         "draw a lot of things"),
        ("show me {a}, {b} and {c}", "I want to see many {name}s"),
    ),
    "refuse_task": (
        ("write a song", "compose some music", "sing a song", "say hello in your voice", "read this aloud",
         "speak to me",
         "search the web", "find me a website", "what is two plus two?", "what is 12 times 7?", "solve this equation",
         "what is the weather today?", "tell me the news", "who is the president?", "write some code", "write a poem",
         "translate this into French", "what time is it?", "book a flight", "send an email", "buy me a ticket",
         "tell me a joke", "play some music", "play a song", "who won the game?", "how old is the earth?",
         "what is the capital of France?", "open a file", "call my mother", "record my voice", "cut this video",
         "write a letter", "make a phone call", "count to one hundred"),
        ("sing me a song", "what is two plus 12?", "what is in the news today?", "speak in a voice",
         "write music"),
    ),
}  # fmt: skip
_REPLIES: dict[str, Templates] = {
    "made": ("here is {c}.",), "made_sound": ("here is {c}.",),
    "made_two": ("here is {c}, with {d}.",),
    "seen": ("I see {c}.",),
    "heard": ("I hear {c}.",),
    "thing": ("it is a {name}.",),
    "colour": ("the {name} is {colour}.",),
    "place": ("the {name} is {bg}.",),
    "relation": ("the {name} is {rel} the {other}.",),
    "size": ("the {name} is {size}.",),
    "motion": ("the {name} is {doing}.",),
    "count_one": ("I see one thing: a {name}.",),
    "count_two": ("I see two things: a {name} and a {other}.",),
    "yes_colour": ("yes, the {name} is {colour}.",), "no_colour": ("no, the {name} is {colour}.",),
    "yes_thing": ("yes, it is a {name}.",), "no_thing": ("no, it is a {name}.",),
    "was_thing": ("it was {c}.",),
    "silent": ("a {name} makes no sound I know.",),
    "silent_seen": ("I see a {name}, and a {name} makes no sound I know.",),
    "refuse_thing": ("sorry, I do not know that thing. I can draw things like a bell, a cat or a tree.",),
    "refuse_sound": ("sorry, I do not know that sound. I can play things like a bell, a drum or a cat.",),
    "refuse_colour": ("sorry, I do not know that colour. I can use red, orange, yellow, green, blue and purple.",),
    "refuse_place": ("sorry, I do not know that place. I can use the sky, a meadow, a beach and the night.",),
    "refuse_motion": ("sorry, I do not know that movement. Things can move, grow, shrink, spin and bounce.",),
    "refuse_many": ("sorry, I can only draw one or two things at a time.",),
    "refuse_task": (f"sorry, I cannot do that. {ABLE_EN}",),
    "foreign_image": ("sorry, I do not know this picture. I know pictures of things like a bell, a cat or a tree.",),
    "foreign_audio": ("sorry, I do not know this sound. I know sounds of things like a bell, a drum or a cat.",),
    "foreign_video": ("sorry, I do not know this video. I know videos of things like a bell, a cat or a tree.",),
}  # fmt: skip
_COMMANDED: dict[Motion, Templates] = {
    Motion.LEFT: ("move left", "move to the left", "go left"), Motion.RIGHT: ("move right", "move to the right", "go right"),
    Motion.UP: ("move up", "go up", "rise"), Motion.DOWN: ("move down", "go down", "fall"),
    Motion.GROW: ("grow", "get bigger"), Motion.SHRINK: ("shrink", "get smaller"),
    Motion.SPIN: ("spin", "turn around"), Motion.BOUNCE: ("bounce", "jump"),
}  # fmt: skip


def phrase(scene: Scene, rng: random.Random, *, kind: Kind, side: Side, named: frozenset[str]) -> str:
    """Word a scene as people put it into a request, naming only the attributes in `named`."""
    slots = draw_words(scene, rng, kind, named)
    with_background = "background" in named and kind != "audio"
    moves = kind == "video" and scene.motion is not None and "motion" in named
    if kind == "two" and "relation" not in named:
        return ("{a} and {b} {bg}" if with_background else "{a} and {b}").format(**slots)
    fitting = [
        template
        for template in _PHRASES[kind][side == "held_out"]
        if ("{bg}" in template) == with_background and ("{do" in template) == moves
    ]
    return rng.choice(fitting).format(**slots)


def finish(text: str, rng: random.Random) -> str:
    """Add a "please", a capital and a full stop as people do, or do not."""
    if not text.endswith("?"):
        text = rng.choice((text,) * 8 + (f"please {text}", f"{text}, please")) if text.split()[0] in _VERBS else text
        text += rng.choice(("", "", "."))
    elif rng.random() < 0.2:
        text = text[:-1]
    return text[0].upper() + text[1:] if rng.random() < 0.6 else text


_VERBS = {  # what a request begins with
    "draw", "paint", "show", "make", "create", "play", "let", "animate", "put", "turn", "change",
    "describe", "tell", "swap", "move",
}  # fmt: skip


def _extra(what: str, value: str) -> str:
    return {"colour": f" in {value}", "background": f" {value}", "motion": f", {value}"}[what]


ENGLISH = Wording(
    language="en",
    canonical=canonical_caption,
    phrase=phrase,
    finish=finish,
    users=_USERS,
    replies=_REPLIES,
    small_talk=SMALL_TALK_EN,
    name=str,
    thing=lambda thing: with_article(noun_phrase(thing)),
    bare=with_article,
    colour=str,
    size=str,
    backgrounds=BACKGROUND_PHRASES,
    places=BACKGROUND_PHRASES,
    relations=RELATION_PHRASES,
    commanded=_COMMANDED,
    doing=DOING,
    sound_facts=SOUND_FACTS_EN,
    sounding=with_article,
    extra=_extra,
    frames=("{} for me", "ok, {}", "{}, thank you", "then {}", "hello, {}", "{} this time", "well, {}"),
)
