"""Chinese words for the world, and the one fixed Chinese wording of a scene."""

import random
from collections.abc import Mapping

from training.world.captions import infer_kind
from training.world.scene import Kind, Motion, Relation, Scene, Thing
from training.world.split import Side

# The first wording of every list is the canonical one.
MEASURE_WORDS: Mapping[str, str] = {
    "bell": "个", "drum": "面", "guitar": "把", "trumpet": "个", "car": "辆", "train": "列", "clock": "个",
    "phone": "部", "bird": "只", "cat": "只", "frog": "只", "bee": "只", "tree": "棵", "house": "座", "star": "颗",
    "boat": "艘",
}  # fmt: skip
NAMES: Mapping[str, tuple[str, ...]] = {
    "bell": ("铃铛",), "drum": ("鼓",), "guitar": ("吉他",), "trumpet": ("喇叭",),
    "car": ("汽车", "轿车"), "train": ("火车", "列车"), "clock": ("时钟", "闹钟"), "phone": ("电话",), "bird": ("鸟",),
    "cat": ("猫", "猫咪"), "frog": ("青蛙",), "bee": ("蜜蜂",),
    "tree": ("树",), "house": ("房子", "屋子"), "star": ("星星",), "boat": ("船", "帆船"),
}  # fmt: skip
COLOUR_WORDS: Mapping[str, tuple[str, ...]] = {
    "red": ("红色",), "orange": ("橙色", "橘色"), "yellow": ("黄色",), "green": ("绿色",),
    "blue": ("蓝色",), "purple": ("紫色",),
}  # fmt: skip
SIZE_WORDS: Mapping[str, tuple[str, ...]] = {"big": ("大", "很大的", "巨大的"), "small": ("小", "很小的", "小小的")}
BACKGROUND_PHRASES: Mapping[str, tuple[str, ...]] = {
    "sky": ("天空中", "天上", "空中"),
    "meadow": ("草地上", "草坪上", "草原上"),
    "beach": ("沙滩上", "海滩上", "海边"),
    "night": ("夜里", "夜晚", "黑夜里", "晚上"),
}
BACKGROUND_NAMES: Mapping[str, tuple[str, ...]] = {
    "sky": ("天空",), "meadow": ("草地", "草坪"), "beach": ("沙滩", "海滩"), "night": ("黑夜", "夜晚"),
}  # fmt: skip
RELATION_WORDS: Mapping[Relation, tuple[str, ...]] = {
    Relation.LEFT_OF: ("左边", "左侧", "左面"),
    Relation.RIGHT_OF: ("右边", "右侧", "右面"),
    Relation.ABOVE: ("上面", "上方", "上边"),
    Relation.BELOW: ("下面", "下方", "下边", "底下"),
}
DOING: Mapping[Motion, tuple[str, ...]] = {
    Motion.LEFT: ("向左移动", "往左移动", "向左走", "往左走"),
    Motion.RIGHT: ("向右移动", "往右移动", "向右走", "往右走"),
    Motion.UP: ("向上移动", "往上移动", "上升"),
    Motion.DOWN: ("向下移动", "往下移动", "下降"),
    Motion.GROW: ("变大", "慢慢变大", "越变越大"),
    Motion.SHRINK: ("变小", "慢慢变小", "越变越小"),
    Motion.SPIN: ("旋转", "转圈", "转动"),
    Motion.BOUNCE: ("弹跳", "蹦跳", "跳动"),
}
SOUND_PHRASES: Mapping[str, tuple[str, ...]] = {
    "bell": ("铃铛的声音", "铃铛声", "铃铛在响"),
    "drum": ("鼓的声音", "鼓声", "打鼓的声音"),
    "guitar": ("吉他的声音", "吉他声", "弹吉他的声音"),
    "trumpet": ("喇叭的声音", "喇叭声", "吹喇叭的声音"),
    "car": ("汽车的声音", "汽车开过的声音", "汽车的引擎声"),
    "train": ("火车的声音", "火车开过的声音", "火车的汽笛声"),
    "clock": ("时钟的声音", "时钟的滴答声", "时钟在走的声音"),
    "phone": ("电话的声音", "电话铃声", "电话在响"),
    "bird": ("鸟的声音", "鸟叫声", "鸟在唱歌"),
    "cat": ("猫的声音", "猫叫声", "猫在叫"),
    "frog": ("青蛙的声音", "青蛙叫声", "青蛙在叫"),
    "bee": ("蜜蜂的声音", "蜜蜂嗡嗡的声音", "蜜蜂嗡嗡叫"),
}

_PHRASES: Mapping[Kind, Mapping[Side, tuple[str, ...]]] = {
    "one": {
        "train": ("{bg}的{a}", "{a}，在{bg}", "{a}，背景是{bgname}", "{bg}有{a}", "{a}"),
        "held_out": ("{a}，背景要{bgname}", "{bgname}背景，{a}", "{a}"),
    },
    "two": {
        "train": (
            "{bg}，{a}在{b}的{rel}", "{a}在{b}的{rel}，背景是{bgname}", "{bg}，{b}的{rel}有{a}",
            "{a}在{b}{rel}，在{bg}",
            "{b}，{rel}有{a}，背景是{bgname}", "{bg}{a}在{b}的{rel}",
            "{a}在{b}的{rel}", "{b}的{rel}有{a}", "{a}在{b}{rel}",
        ),
        "held_out": (
            "{b}的{rel}有{a}，背景要{bgname}", "{bgname}背景，{a}在{b}的{rel}", "{b}，{a}在它的{rel}",
            "{b}，{rel}有{a}",
        ),
    },
    "video": {
        "train": (
            "{bg}，{a}{doing}", "{a}在{bg}{doing}", "{a}正在{doing}，背景是{bgname}", "{bg}，{a}正在{doing}",
            "{a}{doing}", "{a}正在{doing}", "正在{doing}的{np}", "{bg}的{a}", "{a}", "{bg}有{a}",
        ),
        "held_out": ("{one}在{bg}{doing}的{np}", "{bgname}背景，{a}{doing}", "{one}正在{doing}的{np}", "{a}，在{bg}"),
    },
    "audio": {"train": ("{sound}",), "held_out": ("{sound}",)},
}  # fmt: skip


def canonical(scene: Scene, kind: Kind | None = None) -> str:
    """Name everything the scene has set, in the one fixed wording: "草地上有一个红色的小铃铛"."""
    kind = kind or infer_kind(scene)
    if kind == "audio":
        return f"{NAMES[scene.thing.name][0]}的声音"
    background, first = BACKGROUND_PHRASES[scene.background][0], counted(scene.thing)
    if kind == "two" and scene.relation is not None:
        return f"{background}，{first}在{counted(scene.things[1])}的{RELATION_WORDS[scene.relation][0]}"
    if kind == "video" and scene.motion is not None:
        return f"{background}，{first}正在{DOING[scene.motion][0]}"
    return f"{background}有{first}"


def phrase(scene: Scene, rng: random.Random, *, kind: Kind, side: Side, named: frozenset[str]) -> str:
    """Word a scene as people put it into a request, naming only the attributes in `named`."""
    slots = _draw_words(scene, rng, kind, named)
    with_background = "background" in named and kind != "audio"
    moves = kind == "video" and scene.motion is not None and "motion" in named
    if kind == "two" and "relation" not in named:
        return "{bg}的{a}和{b}".format(**slots) if with_background else "{a}和{b}".format(**slots)
    fitting = [
        template
        for template in _PHRASES[kind][side]
        if ("{bg" in template) == with_background and ("{doing" in template) == moves
    ]
    return rng.choice(fitting or ["{a}{doing}" if moves else "{a}"]).format(**slots)


def counted(thing: Thing) -> str:
    """Say a thing with its measure word: "一个红色的小铃铛"."""
    size = SIZE_WORDS[thing.size][0] if thing.size else ""
    return f"一{MEASURE_WORDS[thing.name]}{COLOUR_WORDS[thing.colour][0]}的{size}{NAMES[thing.name][0]}"


def _draw_words(scene: Scene, rng: random.Random, kind: Kind, named: frozenset[str]) -> dict[str, str]:
    """Draw words for templates: a, np, one, bg, bgname; of pairs b, rel; of videos doing; of sounds sound."""
    if kind == "audio":
        return {"sound": rng.choice(SOUND_PHRASES[scene.thing.name])}
    phrases = [_free_noun_phrase(thing, rng, named) for thing in scene.things]
    ones = [f"一{MEASURE_WORDS[thing.name]}" for thing in scene.things]
    slots = {
        "a": ones[0] + phrases[0], "np": phrases[0], "one": ones[0],
        "bg": rng.choice(BACKGROUND_PHRASES[scene.background]),
        "bgname": rng.choice(BACKGROUND_NAMES[scene.background]),
    }  # fmt: skip
    if scene.relation is not None:
        slots |= {"b": ones[1] + phrases[1], "rel": rng.choice(RELATION_WORDS[scene.relation])}
    if scene.motion is not None:
        slots["doing"] = rng.choice(DOING[scene.motion])
    return slots


def _free_noun_phrase(thing: Thing, rng: random.Random, named: frozenset[str]) -> str:
    name = rng.choice(NAMES[thing.name])
    colour = f"{rng.choice(COLOUR_WORDS[thing.colour])}的" if "colour" in named else ""
    if not thing.size or "size" not in named:
        return colour + name
    size = rng.choice(SIZE_WORDS[thing.size])
    if size.endswith("的"):
        return size + (colour.removesuffix("的") if colour else "") + name
    return colour + size + name
