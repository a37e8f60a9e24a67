"""Chinese: what users may say, and the few sentences that the assistant replies with."""

import random

from training.world import chinese
from training.world.small_talk import ABLE_ZH, SMALL_TALK_ZH, SOUND_FACTS_ZH
from training.world.wording import Templates, Wording

_USERS: dict[str, tuple[Templates, Templates]] = {
    "draw": (
        ("画{p}", "请画{p}", "帮我画{p}", "给我画{p}", "能画{p}吗？", "我想看{p}", "画一张图：{p}", "画一幅画：{p}",
         "请给我看{p}", "我想要一张图片：{p}", "生成一张图片：{p}", "你能画{p}吗？", "现在画{p}"),
        ("能帮我画{p}吗？", "我想要一幅画：{p}", "请帮我画一张图：{p}"),
    ),
    "play": (
        ("播放{p}", "放{p}", "我想听{p}", "让我听听{p}", "请播放{p}", "给我放{p}", "来一段{p}", "能放{p}吗？",
         "我要听{p}"),
        ("能让我听听{p}吗？", "请放{p}", "现在播放{p}"),
    ),
    "animate": (
        ("做一段视频：{p}", "做一个视频：{p}", "生成一段视频：{p}", "我想看一段视频：{p}", "请做一段视频：{p}",
         "做一段动画：{p}",
         "帮我做一个视频：{p}", "能做一段视频吗？{p}"),
        ("请帮我做一段视频：{p}", "我想要一段动画：{p}", "给我看一段视频：{p}"),
    ),
    "describe_image": (
        ("描述这张图片", "你看到了什么？", "图里有什么？", "这是什么？", "这张图片里有什么？", "看看这张图",
         "说说这张图",
         "请描述一下这张图", "告诉我你看到了什么"),
        ("说说你看到了什么", "请告诉我图里有什么"),
    ),
    "describe_audio": (
        ("你听到了什么？", "这是什么声音？", "听听这个", "描述这个声音", "什么东西在响？", "你能听出这是什么吗？",
         "告诉我你听到了什么", "这是什么？"),
        ("说说你听到了什么", "请告诉我这是什么声音"),
    ),
    "describe_video": (
        ("视频里发生了什么？", "描述这段视频", "你看到了什么？", "这段视频里有什么？", "看看这段视频", "什么东西在动？",
         "告诉我发生了什么", "请描述一下这段视频"),
        ("说说这段视频", "告诉我这段视频里有什么"),
    ),
    "draw_heard": (
        ("画出你听到的东西{x}", "听一听，画出来{x}", "把这个声音画出来{x}", "画出发出这个声音的东西{x}",
         "画你听到的{x}",
         "请把你听到的画出来{x}"),
        ("请画出你听到的东西{x}", "听听这个，画出来{x}"),
    ),
    "draw_seen": (
        ("画出视频里的东西", "把这段视频变成一张图片", "画出你在视频里看到的东西"),
        ("请画出这段视频里的东西",),
    ),
    "play_seen": (
        ("播放你看到的东西的声音", "让我听听它的声音", "放一下它的声音", "我想听它的声音", "把你看到的变成声音",
         "让我听听这个", "播放这个东西的声音", "它的声音，放给我听"),
        ("请播放它的声音", "放一下你看到的东西的声音", "让我听听你看到的东西"),
    ),
    "animate_seen": (
        ("让它{do}", "让图里的东西{do}", "做一段视频，让它{do}", "把这张图变成视频，让它{do}", "请让它{do}",
         "我想看它{do}",
         "能让它{do}吗？"),
        ("请做一段视频，让它{do}", "我想看图里的东西{do}"),
    ),
    "animate_seen_any": (
        ("让它动起来", "让这张图动起来", "把这张图变成视频", "请让图里的东西动起来"),
        ("请把这张图变成视频",),
    ),
    "animate_heard": (
        ("用你听到的东西做一段视频{x}", "把这个声音变成视频{x}", "听一听，做一段视频{x}",
         "给你听到的东西做一段视频{x}", "我想看一段这个声音的视频{x}", "用这个声音做一段动画{x}",
         "能把这个声音做成视频吗？{x}", "听这个，给我一段视频{x}"),
        ("请把这个声音变成视频{x}", "听听这个，做一段视频{x}"),
    ),
    "draw_and_play": (
        ("画{p}，再放它的声音", "画{p}，再播放它的声音", "我想看{p}，也想听它的声音", "画{p}，让我听听它的声音",
         "先画{p}，再放它的声音", "给我画{p}，也放它的声音", "给我看{p}，也让我听听它的声音", "我想看{p}，再听它的声音"),
        ("给我看{p}，再放它的声音",),
    ),
    "draw_and_play_other": (
        ("画{p}，再放{s}", "画{p}，再播放{s}", "我想看{p}，也想听{s}", "先画{p}，再放{s}", "给我画{p}，也放{s}",
         "给我看{p}，也让我听听{s}", "我想看{p}，再听{s}"),
        ("给我看{p}，再放{s}", "画{p}，让我听听{s}"),
    ),
    "play_and_draw": (("播放{s}，再画{p}", "放{s}，再画{p}", "让我听听{s}，再画{p}", "先放{s}，再画{p}", "我想听{s}，也想看{p}"),
                      ("我想听{s}，再画{p}",)),
    "draw_and_animate": (
        ("画{p}，再做一段视频：{q}", "先画{p}，再做一个视频：{q}", "我想看{p}，再做一段视频：{q}"),
        ("给我画{p}，再做一段视频：{q}",),
    ),
    "animate_with_sound": (
        ("做一段有声音的视频：{p}", "做一个有声音的视频：{p}", "做一段视频，要有声音：{p}",
         "我想看一段有声音的视频：{p}", "我想看一段视频，也想听它的声音：{p}", "给我做一段视频，再放它的声音：{p}"),
        ("请做一段有声音的视频：{p}",),
    ),
    "revise_colour": (
        ("把它变成{colour}", "现在变成{colour}", "改成{colour}", "颜色换成{colour}", "我想要{colour}的",
         "换成{colour}的",
         "能改成{colour}吗？"),
        ("请把它改成{colour}", "我想把它换成{colour}"),
    ),
    "revise_colour_of": (
        ("把{name}变成{colour}", "把{name}改成{colour}", "{name}换成{colour}的", "我想要{colour}的{name}",
         "让{name}变成{colour}", "现在把{name}变成{colour}", "把{name}换成{colour}的"),
        ("请把{name}换成{colour}", "能把{name}改成{colour}吗？"),
    ),
    "revise_background": (
        ("把它放到{bg}", "放到{bg}", "背景换成{bgname}", "背景改成{bgname}", "换到{bg}", "我想让它在{bg}"),
        ("请把它放到{bg}", "能把背景换成{bgname}吗？"),
    ),
    "revise_bigger": (
        ("变大一点", "大一点", "让它大一点", "太小了", "画大一点", "我想要大一点的"),
        ("请让它大一点", "能大一点吗？"),
    ),
    "revise_smaller": (
        ("变小一点", "小一点", "让它小一点", "太大了", "画小一点", "我想要小一点的"),
        ("请让它小一点", "能小一点吗？"),
    ),
    "revise_add": (
        ("把它放在{b}的{rel}", "放到{b}的{rel}", "让它在{b}的{rel}", "我想让它在{b}的{rel}"),
        ("请把它放在{b}的{rel}",),
    ),
    "revise_relation": (
        ("把{name}放在{other}的{rel}", "把{name}放到{other}的{rel}", "让{name}在{other}的{rel}",
         "{name}换到{other}的{rel}", "现在让{name}在{other}的{rel}", "能把{name}放在{other}的{rel}吗？"),
        ("请把{name}放到{other}的{rel}", "我想让{name}在{other}的{rel}"),
    ),
    "revise_swap": (
        ("把它们换一下位置", "交换位置", "{name}和{other}换一下位置", "换一下位置",
         "让它们换一下位置", "把{name}和{other}换一下位置", "现在换一下位置", "{name}和{other}交换位置"),
        ("请把它们换一下位置", "请交换位置"),
    ),
    "revise_thing": (
        ("换成{new}", "改成{new}", "把它变成{new}", "我想要{new}"),
        ("请把它换成{new}", "能改成{new}吗？"),
    ),
    "revise_thing_of": (("把{name}换成{new}", "把{name}改成{new}", "{name}变成{new}", "让{name}变成{new}",
         "我想把{name}换成{new}"),
        ("请把{name}换成{new}",)),
    "revise_motion": (
        ("现在让它{do}", "让它{do}", "改成{do}", "我想让它{do}", "换成{do}"),
        ("请让它{do}", "能让它{do}吗？"),
    ),
    "revise_sound": (
        ("换成{new}", "现在放{new}", "那{new}呢？", "我想听{new}", "改成{new}"),
        ("请换成{new}", "现在播放{new}"),
    ),
    "ask_colour": (
        ("{name}是什么颜色的？", "{name}是什么颜色？", "告诉我{name}的颜色", "{name}什么颜色？",
         "{name}的颜色是什么？"),
        ("请告诉我{name}是什么颜色", "说说{name}的颜色"),
    ),
    "ask_place": (("它在哪里？", "这是在哪里？", "背景是什么？"), ("告诉我背景是什么", "请告诉我它在哪里")),
    "ask_relation": (
        ("{name}在哪里？", "{name}在{other}的哪边？", "什么在{other}的{rel}？"),
        ("告诉我{name}在哪里", "告诉我什么在{other}的{rel}"),
    ),
    "ask_size": (("{name}大不大？", "{name}是大的还是小的？", "{name}有多大？"),
    ("告诉我{name}有多大", "请告诉我{name}大不大")),
    "ask_motion": (("{name}在做什么？", "它在怎么动？", "{name}怎么动？"), ("告诉我{name}在做什么",)),
    "ask_count": (("有几个东西？", "你看到几个东西？", "图里有几个东西？"), ("告诉我图里有几个东西",)),
    "ask_thing": (("这是什么东西？", "这个东西是什么？", "你看到什么东西？"), ("告诉我这是什么东西",)),
    "ask_things": (("是哪两个东西？", "你看到哪两个东西？", "图里是什么东西？"), ("告诉我是哪两个东西",)),
    "ask_if_colour": (("{name}是{colour}的吗？", "{name}是不是{colour}的？"), ("请告诉我，{name}是{colour}的吗？",)),
    "ask_if_thing": (("这是{new}吗？", "你看到{new}了吗？", "图里有{new}吗？"), ("告诉我，这是{new}吗？",)),
    "ask_if_heard": (("这是{new}吗？", "你听到{new}了吗？"), ("告诉我，这是{new}吗？",)),
    "was_colour": (("刚才的{name}是什么颜色？", "{name}刚才是什么颜色的？", "之前的{name}是什么颜色的？"),
    ("告诉我刚才的{name}是什么颜色",)),
    "was_place": (("刚才它在哪里？", "刚才的背景是什么？"), ("告诉我刚才的背景是什么",)),
    "was_relation": (
        ("刚才什么在{other}的{rel}？", "刚才{name}在{other}的哪边？", "刚才{name}在哪里？"),
        ("告诉我刚才{name}在哪里",),
    ),
    "was_size": (("刚才的{name}大不大？", "刚才的{name}有多大？"), ("告诉我刚才的{name}大不大",)),
    "was_motion": (("刚才{name}在做什么？", "刚才它怎么动？"), ("告诉我刚才{name}在做什么",)),
    "was_thing": (("刚才那是什么？", "你刚才给我看了什么？", "我刚才要了什么？"), ("告诉我刚才那是什么",)),
    "was_heard": (("刚才那是什么声音？", "我刚才听到了什么？"), ("告诉我刚才那是什么声音",)),
    "fact_sound": (
        ("{name}的声音是怎样的？", "{name}会发出什么声音？", "{name}有声音吗？", "你知道{name}的声音是什么样的吗？"),
        ("告诉我{name}会发出什么声音", "{name}的声音是什么样的？"),
    ),
    "silent": (("播放{name}的声音", "放{name}的声音", "我想听{name}的声音", "让我听听{name}"),
    ("请播放{name}的声音", "我要听{name}的声音")),
    "refuse_thing": (
        ("画{noun}", "请画{noun}", "帮我画{noun}", "我想看{noun}", "能画{noun}吗？", "画一张图：{bg}的{noun}",
         "做一段{noun}的视频",
         "让{noun}动起来", "画{colour}的{noun}"),
        ("能帮我画{noun}吗？", "给我看{noun}", "画{noun}，再放它的声音"),
    ),
    "refuse_sound": (
        ("播放{noun}的声音", "放{noun}的声音", "我想听{noun}的声音", "让我听听{noun}的声音", "能放{noun}的声音吗？"),
        ("请播放{noun}的声音", "我要听{noun}的声音"),
    ),
    "refuse_colour": (("画{one}{colour}的{name}", "我想看{one}{colour}的{name}", "请画{one}{colour}的{name}"),
    ("帮我画{one}{colour}的{name}",)),
    "refuse_place": (("画{place}的{a}", "我想看{place}的{a}", "画{a}，在{place}"), ("帮我画{place}的{a}",)),
    "refuse_motion": (("做一段视频：{a}{motion}", "让{name}{motion}", "我想看{a}{motion}"), ("请让{name}{motion}",)),
    "refuse_many": (
        ("画三{measure}{name}", "画{name}、{other}和{third}", "画十{measure}{name}", "画很多{name}", "画很多东西"),
        ("请画三{measure}{name}", "我想看{name}、{other}和{third}"),
    ),
    "refuse_task": (
        ("写一首歌", "唱一首歌", "作一首曲子", "唱歌给我听", "用你的声音说你好", "朗读这段话", "跟我说话", "上网查一下",
         "搜索网页",
         "二加二等于几？", "十二乘七是多少？", "解这个方程", "今天天气怎么样？", "今天有什么新闻？", "总统是谁？",
         "写一段代码",
         "写一首诗", "把这句话翻译成法语", "现在几点了？", "订一张机票", "发一封邮件", "帮我买票", "讲个笑话",
         "放一首音乐",
         "谁赢了比赛？", "地球有多大年纪？", "法国的首都是哪里？", "打开文件", "给妈妈打电话", "录下我的声音",
         "剪辑这段视频",
         "写一封信", "数到一百", "讲个故事"),
        ("给我写一首诗", "七加二等于几？", "说说今天的新闻", "帮我写一封信", "给我讲个笑话"),
    ),
}  # fmt: skip
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
    users=_USERS,
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
