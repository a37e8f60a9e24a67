"""The evaluation, on a model of random parts: its plumbing, not its figures."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import DynamicCache

from encoders.media import Audio, Image, Media, Video
from encoders.modality import Modality
from pipelines.any_to_any import AnyToAnyPipeline
from pipelines.checkpoint import read_config, write_config
from pipelines.events import Costs
from training import evaluate, timing
from training.evaluate import Options, VerdictFile, answerable_rows, run, verdicts
from training.examinee import Examinee, rendered
from training.figures import make_figures
from training.grading import (
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
from training.rows import CLIP_ROW, COMPARED, DECODED, ROWS, SEVERAL
from training.timing import SCRIPT, compare_flows, core_flops, measure_seconds
from training.world.dialogues import LANGUAGES, TASKS, Dialogue, draw_dialogue
from training.world.judge import SceneReading
from training.world.scene import Relation, Scene, Thing

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers' own
BELL = Scene((Thing("bell", "red", "big"),), "sky")


@pytest.fixture(scope="module")
def model(untrained_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole model of random parts."""
    config = read_config(untrained_folder)
    folder = tmp_path_factory.mktemp("model")
    AnyToAnyPipeline.from_config(config, untrained_folder).save_pretrained(folder)
    return folder


def perfect_answers(dialogue: Dialogue) -> list[Answer]:
    """What a model would answer that makes no mistake."""
    answers = []
    for message in dialogue.messages:
        if message["role"] == "assistant":
            parts = rendered(message["content"], "held_out")
            text = " ".join(part["text"] for part in parts if part["type"] == Modality.TEXT)
            media = tuple(part[part["type"]] for part in parts if part["type"] != Modality.TEXT)
            answers.append(Answer(text, with_soundtrack(media)))
    return answers


def with_soundtrack(media: tuple[Media, ...]) -> tuple[Media, ...]:
    match media:
        case (Video() as video, Audio() as sound):
            return (replace(video, soundtrack=sound),)
    return media


class Perfect(Examinee):
    """Answers without a mistake, and decodes the caption that it knows."""

    def __init__(self, spoil: Callable[[Answer], Answer] = lambda answer: answer) -> None:
        super().__init__("none")
        self.spoil = spoil
        self.asked: list[Dialogue] = []

    def answer(self, dialogue: Dialogue, seed: int, *, with_clip: bool = False, side: str = "held_out") -> list[Answer]:
        self.asked.append(dialogue)
        *earlier, last = perfect_answers(dialogue)
        return [*earlier, self.spoil(last)]


def test_known_verdicts_outlast_another_model_of_the_lab_but_not_other_weights(model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(model, tmp_path / "model")
    before = evaluate.fingerprint(str(folder))
    (folder / "baselines" / "vae").mkdir(parents=True)
    (folder / "baselines" / "vae" / "config.json").write_text("{}")
    assert evaluate.fingerprint(str(folder)) == before
    (folder / "more.json").write_text("{}")
    assert evaluate.fingerprint(str(folder)) != before


MODEL_ROWS = [row for row in ROWS if not row.startswith("judge_") and row != "directly"]


@pytest.mark.parametrize("row", MODEL_ROWS)
def test_perfect_answers_are_right(row: str) -> None:
    for index in range(6):
        verdict = ROWS[row].sample(Perfect(), index)
        assert verdict.right, verdict
        assert verdict.fired
        assert not verdict.declined


@pytest.mark.parametrize("row", MODEL_ROWS)
def test_answers_of_nothing_are_wrong(row: str) -> None:
    def spoil(answer: Answer) -> Answer:
        return Answer("", () if answer.media else (Image(torch.zeros(3, 64, 64)),))

    for index in range(3):
        verdict = ROWS[row].sample(Perfect(spoil), index)
        assert row == "outside" or not verdict.right
        assert not verdict.fired


@pytest.mark.parametrize("row", [row for row in ROWS if row.startswith("judge_")])
def test_the_judge_is_examined_too(row: str) -> None:
    assert all(ROWS[row].sample(Perfect(), index).right for index in range(3))


def test_a_sample_is_set_by_its_row_and_index() -> None:
    first, again, other = Perfect(), Perfect(), Perfect()
    ROWS["text_to_image_two"].sample(first, 3)
    ROWS["text_to_image_two"].sample(again, 3)
    ROWS["text_to_image_two"].sample(other, 4)
    assert first.asked == again.asked
    assert first.asked != other.asked


def test_rows_ask_for_what_their_titles_say() -> None:
    for index in range(5):
        for row, attributes, things in (
            ("text_to_image_one", {"thing", "colour", "background"}, 1),
            ("text_to_image_two", {"thing", "colour", "relation"}, 2),
            ("text_to_video", {"thing", "colour", "motion"}, 1),
        ):
            examinee = Perfect()
            ROWS[row].sample(examinee, index)
            (dialogue,) = examinee.asked
            assert dialogue.asked[-1] >= attributes
            scene = expected_media(dialogue)[-1][-1].scene
            assert scene is not None
            assert len(scene.things) == things


def test_chinese_goes_through_the_compared_rows_in_turn() -> None:
    examinee = Perfect()
    for index in range(len(COMPARED)):
        ROWS["in_chinese"].sample(examinee, index)
    assert {dialogue.language for dialogue in examinee.asked} == {"zh"}
    assert len({dialogue.task for dialogue in examinee.asked}) == len(COMPARED) - 1  # "draw" draws one thing or two


def test_several_media_are_asked_for_in_every_way_and_language() -> None:
    examinee = Perfect()
    for index in range(2 * len(SEVERAL)):
        assert ROWS["several"].sample(examinee, index).right
    assert {(dialogue.task, dialogue.language) for dialogue in examinee.asked} == set(product(SEVERAL, ("en", "zh")))
    assert all(len(expected_media(dialogue)[-1]) == 2 for dialogue in examinee.asked)


def test_every_refusal_of_the_wordings_is_recognised_and_nothing_else_is() -> None:
    for language, wording in LANGUAGES.items():
        for what, replies in wording.replies.items():
            is_refusal = what.startswith(("refuse_", "foreign_"))
            assert all(declines(reply, language) == is_refusal for reply in replies), what
        for _, _, replies in wording.small_talk.values():
            assert not any(declines(reply, language) for reply in replies)


@pytest.mark.parametrize("task", TASKS)
def test_perfect_answers_fire_rightly(task: str) -> None:
    for seed in range(3):
        dialogue = draw_dialogue(seed, "held_out", task=task)
        assert fired_rightly(dialogue, perfect_answers(dialogue))


def test_media_of_another_modality_or_number_are_wrong() -> None:
    picture = rendered([{"type": "image", "image": next(draw_dialogue(1, task="describe_image").media())}], "train")[0]
    image = picture["image"]
    everything = [frozenset({"thing"})]
    assert not media_are_right(Answer("", ()), [(Modality.IMAGE, BELL)], everything)[0]
    assert not media_are_right(Answer("", (image, image)), [(Modality.IMAGE, BELL)], everything)[0]
    assert not media_are_right(Answer("", (image,)), [(Modality.VIDEO, BELL)], everything)[0]


def test_media_of_other_sizes_can_be_read() -> None:
    read_medium(Image(torch.rand(3, 80, 100)))
    read_medium(Audio(torch.rand(2, 5000) - 0.5, rate=8000))
    read_medium(Video(torch.rand(5, 3, 32, 32), rate=2.0))


def test_texts_are_held_to_what_was_asked() -> None:
    assert text_is_right("I see a big red bell in the sky.", "en", BELL, None)
    assert not text_is_right("I see a big blue bell in the sky.", "en", BELL, None)
    assert text_is_right("I see a big blue bell in the sky.", "en", BELL, frozenset({"thing", "size"}))


def test_what_a_picture_chose_freely_is_to_be_kept() -> None:
    before = SceneReading(("bell",), ("green",), size="small", background="night")
    recoloured = Scene((Thing("bell", "blue", "big"),), "sky")
    wanted = keep_free_choices(recoloured, BELL, {"thing", "colour"}, before)
    assert wanted == Scene((Thing("bell", "blue", "small"),), "night")
    assert keep_free_choices(recoloured, BELL, {"thing", "colour", "size", "background"}, before) == recoloured


def test_a_thing_that_is_added_or_swapped_keeps_the_others_colours() -> None:
    before = SceneReading(("bell",), ("green",), size="small", background="night")
    added = Scene((Thing("bell", "red"), Thing("boat", "blue")), "sky", relation=Relation.ABOVE)
    wanted = keep_free_choices(added, BELL, {"thing"}, before)
    assert wanted == Scene((Thing("bell", "green"), Thing("boat", "blue")), "night", relation=Relation.ABOVE)
    swapped = replace(added, things=added.things[::-1])
    seen = SceneReading(("bell", "boat"), ("green", "purple"), background="night", relation="above")
    wanted = keep_free_choices(swapped, added, {"thing", "relation"}, seen)
    assert [(thing.name, thing.colour) for thing in wanted.things] == [("boat", "purple"), ("bell", "green")]


def test_a_killed_evaluation_goes_on_where_it_was(model: Path, tmp_path: Path) -> None:
    options = Options(str(model), tmp_path / "report.json", samples=3, rows=("judge_audio", "judge_image_one"))
    whole = {(row, index): verdict for row, index, verdict in run(options)}
    interrupted = run(replace(options, output=tmp_path / "killed.json"))
    for _ in range(2):
        next(interrupted)
    interrupted.close()
    path = tmp_path / "killed.samples.jsonl"
    path.write_text(path.read_text() + '{"row": "judge_im')  # a line that a kill cut short
    resumed = replace(options, output=tmp_path / "killed.json", resume=True)
    assert len(list(run(resumed))) == len(whole) - 2
    assert verdicts(resumed) == verdicts(options)
    assert list(run(resumed)) == []


def test_without_resume_an_evaluation_starts_again(model: Path, tmp_path: Path) -> None:
    options = Options(str(model), tmp_path / "report.json", samples=1, rows=("judge_audio",))
    assert len(list(run(options))) == len(list(run(options))) == 1


def test_verdicts_on_other_weights_are_refused(tmp_path: Path) -> None:
    VerdictFile(tmp_path / "samples.jsonl", "one").append("talk", 0, Verdict(right=True))
    with pytest.raises(ValueError, match="other weights"):
        VerdictFile(tmp_path / "samples.jsonl", "another").read()


def test_a_row_through_clip_needs_a_model_with_clip(model: Path, tmp_path: Path) -> None:
    config = read_config(model)
    write_config(tmp_path, replace(config, encoders={"imagebind": config.encoders["imagebind"]}))
    assert set(answerable_rows(str(tmp_path))) == set(ROWS) - {CLIP_ROW}
    clip = replace(config.encoders["imagebind"], kind="clip")
    write_config(tmp_path, replace(config, encoders={"clip": clip}))
    assert set(answerable_rows(str(tmp_path))) == set(ROWS)


def test_a_random_model_can_be_asked_everything(model: Path) -> None:
    examinee = Examinee(str(model))
    for row in ("revise", "outside"):
        ROWS[row].sample(examinee, 0)
    for index in range(len(DECODED)):
        verdict = ROWS["directly"].sample(examinee, index)
        assert verdict.fired is None


def test_figures_are_counted_over_the_right_rows() -> None:
    right, wrong = Verdict(right=True, fired=True, declined=False), Verdict(right=False, fired=False, declined=True)
    recorded = {
        "judge_image_one": {0: Verdict(right=True), 1: Verdict(right=True)},
        "text_to_image_one": dict.fromkeys(range(4), right),
        "image_to_text": {0: right, 1: right, 2: right, 3: wrong},
        "in_chinese": {COMPARED.index("text_to_image_one"): right, COMPARED.index("image_to_text"): wrong},
        "directly": {DECODED.index("text_to_image_one"): Verdict(right=True)},
    }
    figures = {figure.name: figure for figure in make_figures(recorded)}
    assert figures["text_to_image_one"].value == 1
    assert figures["text_to_image_one"].judge == "image 100.0%"
    assert figures["image_to_text"].value == 0.75
    assert figures["image_to_text"].judge == ""
    assert figures["chinese"].value == 0.5
    assert figures["signal_tokens"].value == 1
    assert figures["false_alarms"].value == 0.25
    assert figures["false_alarms"].want == "under"
    assert figures["modalities"].samples == 10
    assert figures["modalities"].value == 0.8
    assert "text_to_audio" not in figures


def test_the_command_writes_a_report(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "report.json"
    arguments = (
        f"evaluate --preset {model} --rows judge_video talk --samples 2 --workers 1 --no-costs --output {output}"
    )
    monkeypatch.setattr("sys.argv", arguments.split())
    evaluate.main()
    report = json.loads(output.read_text())
    assert [figure["name"] for figure in report["figures"]] == ["modalities"]
    assert report["settings"]["samples"] == 2


def test_our_flow_computes_less_than_the_plain_one(model: Path) -> None:
    timings = compare_flows(AnyToAnyPipeline.from_pretrained(model))
    forwards, positions, encoded = timings[:3]
    assert forwards.plain is not None
    assert positions.plain is not None
    shown = [medium is not None for medium, _ in SCRIPT]
    assert forwards.value <= forwards.plain
    assert positions.value < positions.plain
    assert encoded.value == sum(shown[1:])
    assert encoded.plain == sum(sum(shown[: turn + 1]) for turn in range(1, len(SCRIPT)))
    assert timings[-1].value > 1


def test_core_flops_agree_with_torchs_counter(model: Path) -> None:
    pipe = AnyToAnyPipeline.from_pretrained(model)
    embeddings = pipe.core.embed([5] * 12)[None].detach()
    cache = DynamicCache()
    with torch.no_grad():
        pipe.core(embeddings[:, :8], cache)
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            pipe.core.logits(pipe.core(embeddings[:, 8:], cache)[0, -1])
    ours = core_flops(pipe, 12, Costs(core_forwards=1, core_tokens=4))
    # The counter takes every query for one that attends to all 12 positions; causal ones attend to 9, 10, 11 and 12.
    config = pipe.core.base.config
    unattended = 4 * config.num_hidden_layers * config.hidden_size * (3 + 2 + 1)
    assert counter.get_total_flops() == ours + unattended


def test_seconds_say_when_a_modality_did_not_come(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "NUM_TIMED", 1)
    timings = measure_seconds(AnyToAnyPipeline.from_pretrained(model))
    assert len(timings) == 4
    assert all(timed.value > 0 for timed in timings)
    assert any("did not come" in timed.title for timed in timings)
