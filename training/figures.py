"""The figures that the rows' verdicts make: shares, ratios of shares, and what is counted over all rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from training.grading import Verdict
from training.report import Figure, ratio_interval, wilson
from training.rows import CLIP_ROW, COMPARED, DECODED

Verdicts = Mapping[str, Mapping[int, Verdict]]  # row -> sample number -> verdict
PICTURES, PAIRS, SOUNDS, VIDEOS = "judge_image_one", "judge_image_two", "judge_audio", "judge_video"
JUDGES = {PICTURES: "image", PAIRS: "image, two", SOUNDS: "audio", VIDEOS: "video"}
IN_WORLD = ("image_to_text", "audio_to_text", "video_to_text", "audio_to_image", "image_to_audio", "audio_to_video",
            "image_to_video")  # fmt: skip


@dataclass(frozen=True)
class Share:
    """A row's share of right verdicts, the bar it should reach, and the judges that it rests on."""

    row: str
    title: str
    bar: float
    judges: tuple[str, ...] = ()


SHARES = (
    Share("text_to_image_one", "text -> image, one thing (thing, colour, background)", 0.97, (PICTURES,)),
    Share("text_to_image_two", "text -> image, two things with relation", 0.85, (PAIRS,)),
    Share("text_to_audio", "text -> audio (thing)", 0.95, (SOUNDS,)),
    Share("text_to_video", "text -> video (thing, colour, motion)", 0.85, (VIDEOS,)),
    Share("image_to_text", "image -> text", 0.95),
    Share("audio_to_text", "audio -> text", 0.95),
    Share("video_to_text", "video -> text", 0.9),
    Share("audio_to_image", "audio -> image (thing)", 0.9, (PICTURES,)),
    Share("image_to_audio", "image -> audio (thing)", 0.9, (SOUNDS,)),
    Share("audio_to_video", "audio -> video (thing)", 0.9, (VIDEOS,)),
    Share("image_to_video", "image -> video (thing, colour, asked motion)", 0.8, (VIDEOS,)),
    Share(CLIP_ROW, "image -> text, CLIP in the place of ImageBind", 0.9),
    Share("revise", "revise an earlier image: changed, the rest kept", 0.8, (PICTURES, PAIRS)),
    Share("several", "several media in one reply, English and Chinese", 0.9, tuple(JUDGES)),
    Share("outside", "outside its world (photographs, speech, noise): says so", 0.9),
)


def make_figures(recorded: Verdicts) -> list[Figure]:
    """Every figure that there are verdicts for, in the order of the table."""
    shares = [_share(share, recorded) for share in SHARES if recorded.get(share.row)]
    return [*shares, *_ratios(recorded), *_over_all(recorded)]


def _share(share: Share, recorded: Verdicts) -> Figure:
    verdicts = recorded[share.row].values()
    return _counted(
        share.row,
        share.title,
        sum(v.right for v in verdicts),
        len(verdicts),
        bar=share.bar,
        judge=_judges(share.judges, recorded),
    )


def _ratios(recorded: Verdicts) -> Iterator[Figure]:
    """Chinese against English, and signal tokens against the decoders' own text encoders, on the same scenes."""
    english, chinese = _paired(recorded, "in_chinese", COMPARED)
    if chinese:
        title = f"the same requests in Chinese, relative to English ({len(COMPARED)} kinds)"
        yield _ratio("chinese", title, chinese, english, _judges(JUDGES, recorded))
    signals, direct = _paired(recorded, "directly", DECODED)
    if direct:
        title = "through signal tokens, relative to the decoder's own text encoder"
        yield _ratio("signal_tokens", title, signals, direct, _judges(JUDGES, recorded))


def _paired(recorded: Verdicts, mixed: str, rows: tuple[str, ...]) -> tuple[list[bool], list[bool]]:
    """The verdicts of single rows, and those of the row that mixes them, where both are there."""
    single, together = [], []
    for index, verdict in recorded.get(mixed, {}).items():
        other = recorded.get(rows[index % len(rows)], {}).get(index // len(rows))
        if other is not None:
            single.append(other.right)
            together.append(verdict.right)
    return single, together


def _ratio(name: str, title: str, measured: list[bool], reference: list[bool], judge: str) -> Figure:
    low, high = ratio_interval(sum(measured), len(measured), sum(reference), len(reference))
    value = sum(measured) / len(measured) / max(sum(reference) / len(reference), 1 / (2 * len(reference)))
    return Figure(name, title, value, low, high, len(measured), bar=0.95, judge=judge)


def _over_all(recorded: Verdicts) -> Iterator[Figure]:
    declined = [v.declined for row in IN_WORLD for v in recorded.get(row, {}).values() if v.declined is not None]
    if declined:
        title = "inside its world, false alarms"
        yield _counted("false_alarms", title, sum(declined), len(declined), bar=0.03, want="under")
    fired = [v.fired for verdicts in recorded.values() for v in verdicts.values() if v.fired is not None]
    if fired:
        title = "the right modalities fire, and none when none was asked (all rows)"
        yield _counted("modalities", title, sum(fired), len(fired), bar=0.99)


def _counted(
    name: str,
    title: str,
    count: int,
    of: int,
    *,
    bar: float,
    want: Literal["at least", "under"] = "at least",
    judge: str = "",
) -> Figure:
    low, high = wilson(count, of)
    return Figure(name, title, count / of, low, high, of, bar, want, judge)


def _judges(rows: Mapping[str, str] | tuple[str, ...], recorded: Verdicts) -> str:
    """The judges' own accuracy on real renders, where it was measured: "image 99.8%"."""
    measured = ((JUDGES[row], recorded[row].values()) for row in rows if recorded.get(row))
    return ", ".join(f"{name} {sum(v.right for v in verdicts) / len(verdicts):.1%}" for name, verdicts in measured)
