"""What lies outside the world, by English and Chinese name: things, colours, places and movements to be declined."""

from training.world.scene import THINGS
from training.world.split import Side

# (English, Chinese) pairs.
UNKNOWN_THINGS = (
    ("dinosaur", "恐龙"), ("dragon", "龙"), ("elephant", "大象"), ("robot", "机器人"), ("castle", "城堡"),
    ("horse", "马"),
    ("pizza", "比萨"), ("mountain", "山"), ("tiger", "老虎"), ("lion", "狮子"), ("monkey", "猴子"), ("rabbit", "兔子"),
    ("cow", "牛"), ("dog", "狗"), ("pig", "猪"), ("sheep", "羊"), ("fish", "鱼"), ("snake", "蛇"), ("spider", "蜘蛛"),
    ("person", "人"), ("girl", "女孩"), ("boy", "男孩"), ("king", "国王"), ("queen", "王后"), ("rose", "玫瑰"),
    ("flower", "花"), ("banana", "香蕉"), ("apple", "苹果"), ("cake", "蛋糕"), ("cup", "杯子"), ("chair", "椅子"),
    ("table", "桌子"), ("lamp", "灯"), ("computer", "电脑"), ("camera", "相机"), ("bicycle", "自行车"),
    ("plane", "飞机"),
    ("rocket", "火箭"), ("bus", "公交车"), ("truck", "卡车"), ("bridge", "桥"), ("tower", "塔"), ("church", "教堂"),
    ("river", "河"), ("moon", "月亮"), ("sun", "太阳"), ("cloud", "云"), ("piano", "钢琴"), ("violin", "小提琴"),
    ("flute", "笛子"), ("shoe", "鞋"), ("hat", "帽子"), ("book", "书"), ("ball", "球"), ("whale", "鲸鱼"),
    ("shark", "鲨鱼"),
    ("panda", "熊猫"), ("penguin", "企鹅"), ("owl", "猫头鹰"), ("ghost", "鬼"),     ("spoon", "勺子"),
    ("umbrella", "雨伞"), ("window", "窗户"), ("door", "门"), ("bear", "熊"), ("duck", "鸭子"), ("mouse", "老鼠"),
    ("wolf", "狼"), ("fox", "狐狸"), ("sword", "剑"), ("crown", "皇冠"), ("diamond", "钻石"), ("heart", "爱心"),
    ("mushroom", "蘑菇"), ("carrot", "胡萝卜"), ("burger", "汉堡"), ("bottle", "瓶子"), ("dolphin", "海豚"),
    ("turtle", "乌龟"),
)  # fmt: skip
UNKNOWN_COLOURS = (
    ("pink", "粉色"), ("brown", "棕色"), ("black", "黑色"), ("white", "白色"), ("gold", "金色"), ("grey", "灰色"),
    ("silver", "银色"),
)  # fmt: skip
UNKNOWN_PLACES = (
    ("in a city", "城市里"), ("in the snow", "雪地里"), ("in space", "太空中"), ("in a forest", "森林里"),
    ("on the moon", "月球上"), ("in a kitchen", "厨房里"), ("in a school", "学校里"), ("in a desert", "沙漠里"),
    ("under water", "水下"),
)  # fmt: skip
UNKNOWN_MOTIONS = (
    ("dance", "跳舞"), ("explode", "爆炸"), ("melt", "融化"), ("sleep", "睡觉"), ("swim", "游泳"),
    ("disappear", "消失"),
    ("cry", "哭"), ("smile", "微笑"), ("burn", "燃烧"),
)  # fmt: skip


def of_side(pairs: tuple[tuple[str, str], ...], side: Side) -> tuple[tuple[str, str], ...]:
    """Keep the pairs of one side of the split: every fifth is held out."""
    pairs = tuple(pair for pair in pairs if pair[0] not in THINGS)
    return tuple(pair for place, pair in enumerate(pairs) if (place % 5 == 4) == (side == "held_out"))
