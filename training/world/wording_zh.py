"""Chinese: how people finish a request, and the few sentences that the assistant replies with."""

import random

from training.world import chinese, requests_zh
from training.world.small_talk import ABLE_ZH, SMALL_TALK_ZH, SOUND_FACTS_ZH
from training.world.wording import Templates, Wording

_REPLIES: dict[str, Templates] = {
    "made": ("请看：{c}。",),
    "made_sound": ("请听：{c}。",),
    "made_two": ("请看：{c}，还有{d}。",),
    "seen": ("我看到：{c}。",),
    "heard": ("我听到：{c}。",),
    "thing": ("这是{name}。",),
    "colour": ("{name}是{colour}的。",),
    "place": ("{name}在{bg}。",),
    "relation": ("{name}在{other}的{rel}。",),
    "size": ("{name}是{size}的。",),
    "motion": ("{name}正在{doing}。",),
    "count_one": ("我看到一个东西：{name}。",),
    "count_two": ("我看到两个东西：{name}和{other}。",),
    "yes_colour": ("是的，{name}是{colour}的。",),
    "no_colour": ("不，{name}是{colour}的。",),
    "yes_thing": ("是的，这是{name}。",),
    "no_thing": ("不，这是{name}。",),
    "was_thing": ("刚才是：{c}。",),
    "silent": ("{name}不会发出声音。",),
    "silent_seen": ("我看到{name}，{name}不会发出声音。",),
    "refuse_thing": ("对不起，我不认识这个东西。我会画铃铛、猫和树这样的东西。",),
    "refuse_sound": ("对不起，我不认识这个声音。我会播放铃铛、鼓和猫这样的声音。",),
    "refuse_colour": ("对不起，我不认识这个颜色。我会用红色、橙色、黄色、绿色、蓝色和紫色。",),
    "refuse_place": ("对不起，我不认识这个地方。我会画天空、草地、沙滩和黑夜。",),
    "refuse_motion": ("对不起，我不会这个动作。东西可以移动、变大、变小、旋转和弹跳。",),
    "refuse_many": ("对不起，我一次只能画一个或两个东西。",),
    "refuse_task": (f"对不起，这个我不会。{ABLE_ZH}",),
    "foreign_image": ("对不起，我不认识这张图片。我认识铃铛、猫和树这样的简单图片。",),
    "foreign_audio": ("对不起，我不认识这个声音。我认识铃铛、鼓和猫这样的声音。",),
    "foreign_video": ("对不起，我不认识这段视频。我认识铃铛、猫和树这样的简单视频。",),
}
_EXTRA = {"colour": "，要{}的", "background": "，在{}", "motion": "，让它{}"}


def finish(text: str, rng: random.Random) -> str:
    """End with a full stop or not, and now and then leave out the question mark, as people do."""
    if text.endswith("？"):
        return text[:-1] if rng.random() < 0.2 else text
    return text + rng.choice(("", "", "。"))


CHINESE = Wording(
    language="zh",
    canonical=chinese.canonical,
    phrase=chinese.phrase,
    finish=finish,
    users=requests_zh.USERS,
    replies=_REPLIES,
    small_talk=SMALL_TALK_ZH,
    name=lambda name: chinese.NAMES[name][0],
    thing=chinese.counted,
    bare=lambda name: f"一{chinese.MEASURE_WORDS[name]}{chinese.NAMES[name][0]}",
    colour=lambda colour: chinese.COLOUR_WORDS[colour][0],
    size=lambda size: chinese.SIZE_WORDS[size][0],
    backgrounds=chinese.BACKGROUND_PHRASES,
    places=chinese.BACKGROUND_NAMES,
    relations=chinese.RELATION_WORDS,
    commanded=chinese.DOING,
    doing=chinese.DOING,
    sound_facts=SOUND_FACTS_ZH,
    sounding=lambda name: f"{chinese.NAMES[name][0]}的声音",
    extra=lambda what, value: _EXTRA[what].format(value),
    frames=("好，{}", "{}，谢谢", "那么{}", "你好，{}"),
)
