"""The page of trainings: data checked first, the plan and the very command shown, a run watched, stopped, resumed, used."""

import json
import re
import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from studio_pages import LATIN, chart_words, html_of, open_page

from studio.home import home_of
from studio.jobs.queue import JobQueue
from studio.jobs.worker import run_job
from studio.models.runs import ENDED, LOG, PREPARING, STOP, Run, Runs
from studio.models.training_plan import check_data, plan_of
from studio.store import Store
from studio.ui import train
from training import align_inputs, align_outputs, instruct
from training.baselines.stylegan import StyleGANOptions


@pytest.fixture(autouse=True)
def launched(started_workers: list[Path], monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Note the runs that would be started."""
    noted: list[Path] = []
    monkeypatch.setattr("studio.models.runs._launch", noted.append)
    return noted


def log(run: Run, *steps: int) -> None:
    lines = [{"step": step, "losses": {"loss": 1 / step, "aid": 2.0}, "steps_per_second": 2.0} for step in steps]
    shown = {"step": steps[-1], "preview": [{"prompt": "what is it?", "wanted": "a bell", "text": "a <b>bell</b>"}]}
    (run.folder / LOG).write_text("\n".join(map(json.dumps, [*lines, shown])) + "\n")


def test_a_short_game_has_a_short_opening(home: Path, launched: list[Path]) -> None:
    page = open_page("train").run()
    page.selectbox(key="stage").set_value("stylegan").run()
    assert "--decoder-steps" not in page.code[0].value
    page.number_input(key="steps_stylegan").set_value(400).run()
    assert "--classifier-steps 150 --decoder-steps 150 --blur-steps 150" in page.code[0].value
    usual = StyleGANOptions(output=Path("."))
    assert train.OPENINGS["stylegan"] == {
        name: getattr(usual, name.replace("-", "_")) for name in train.OPENINGS["stylegan"]
    }
    assert train.STEPS["stylegan"] == usual.steps


def open_run(run: Run) -> AppTest:
    page = open_page("train")
    page.query_params["run"] = run.id
    return page.run()


def test_a_training_is_planned_and_started_by_the_command_that_is_shown(home: Path, launched: list[Path]) -> None:
    page = open_page("train").run()
    assert not page.exception
    page.selectbox(key="stage").set_value("instruct").run()
    page.number_input(key="steps_instruct").set_value(50).run()
    assert "studio train instruct --data world --preset tiny --steps 50 --batch-size 32" in page.code[0].value
    assert "--checkpoint-every 2 --num-samples 1600" in page.code[0].value, "no more than it can use"
    plan = plan_of("instruct", "tiny")
    assert plan.num_trained is not None and plan.num_frozen is not None and 0 < plan.num_trained < plan.num_frozen
    assert f"{plan.num_trained:,}" in html_of(page)
    page.button(key="start").click().run()
    assert not page.exception
    (run,) = Runs(home).all()
    assert launched == [run.folder]
    shown = html_of(page)
    assert "Getting ready" in shown
    assert page.code[0].value == run.shown_command


def test_stages_train_ever_more_and_only_what_the_preset_tells() -> None:
    counts = [plan_of(stage, "tiny").num_trained for stage in ("align-inputs", "align-outputs", "instruct")]
    assert all(count is not None and count > 0 for count in counts)
    assert plan_of("vae", "").num_trained is None
    assert plan_of("instruct", "image-1.5b").num_trained is None


def test_a_running_training_shows_its_losses_and_examples_and_is_stopped(home: Path) -> None:
    run = Runs(home).start("instruct", {"steps": "100"})
    log(run, 10, 20)
    page = open_run(run)
    assert not page.exception
    assert "step 20 of 100" in page.get("progress")[0].proto.text
    assert "a &lt;b&gt;bell&lt;/b&gt;" in html_of(page)
    assert len(page.get("arrow_vega_lite_chart")) + len(page.get("vega_lite_chart")) == 1
    page.button(key="stop-run").click().run()
    assert (run.folder / STOP).exists()
    assert page.button(key="stop-run").disabled


def test_a_stopped_training_goes_on(home: Path, launched: list[Path]) -> None:
    run = Runs(home).start("instruct", {"steps": "100"})
    log(run, 10)
    (run.folder / STOP).touch()
    (run.folder / ENDED).write_text(json.dumps({"code": -2, "time": time.time()}))
    page = open_run(run)
    page.button(key="resume-run").click().run()
    assert not page.exception
    assert launched == [run.folder, run.folder]
    assert page.button(key="stop-run")


def test_a_finished_training_is_used_in_chat_and_a_failed_one_says_why(home: Path) -> None:
    run = Runs(home).start("instruct", {"steps": "100"})
    (run.folder / ENDED).write_text(json.dumps({"code": 0, "time": time.time()}))
    assert open_run(run).button(key="use-run")
    (run.folder / ENDED).write_text(json.dumps({"code": 1, "time": time.time()}))
    (run.folder / "output.txt").write_text("ValueError: no such preset")
    page = open_run(run)
    assert "no such preset" in page.code[1].value
    assert str(home) in page.code[0].value, "on one's own machine, paths are what a terminal takes"
    back = page.button(key="back").click().run()
    assert any("failed" in button.label for button in back.button)


def test_own_data_must_be_checked_before_a_start(store: Store, tmp_path: Path) -> None:
    (tmp_path / "one.png").write_bytes(b"")
    page = open_page("train").run()
    page.selectbox(key="stage").set_value("vae").run()
    page.button_group(key="own_data").set_value([True]).run()
    assert page.button(key="start").disabled
    for path, told in ((tmp_path / "nowhere", "no folder of pictures"), (tmp_path, "1 pictures")):
        page.text_input(key="data_path").set_value(str(path)).run()
        assert page.button(key="start").disabled
        page.button(key="check").click().run()
        lease = JobQueue(store).claim()
        assert lease is not None
        run_job(lease, {"check": check_data})
        page.run()
        assert not page.exception
        shown = [element.value for element in (*page.error, *page.success)]
        assert any(told in text.replace("\\", "") for text in shown)
    assert not page.button(key="start").disabled


def test_an_unknown_training_is_told_in_the_readers_language(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = open_page("train")
    page.query_params["run"] = "../../etc"
    page.run()
    assert not page.exception
    assert "not known here" in page.warning[0].value
    monkeypatch.setattr("studio.ui.words.language", lambda: "zh-CN")
    page.run()
    assert "这里没有这次训练" in page.warning[0].value
    assert "known" not in page.warning[0].value


def test_a_training_that_somebody_else_went_on_with_is_told(home: Path, launched: list[Path]) -> None:
    run = Runs(home).start("instruct", {"steps": "100"})
    (run.folder / STOP).touch()
    (run.folder / ENDED).write_text(json.dumps({"code": 130, "time": time.time()}))
    page = open_run(run)
    Runs(home).resume(run.id)
    page.button(key="resume-run").click().run()
    assert not page.exception
    assert "running" in page.toast[0].value
    assert len(launched) == 2, "started and resumed, once"


def test_what_a_training_prepares_is_shown_with_how_far_it_is(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Runs(home).start("instruct", {"steps": "100"})
    told = {"encode image": "the encoder reads the media (Pictures)", "tokenise": "texts become tokens", "?": "frozen"}
    for what, words in told.items():
        (run.folder / PREPARING).write_text(json.dumps({"what": what, "done": 1600, "of": 8000}))
        page = open_run(run)
        assert not page.exception
        (bar,) = page.get("progress")
        assert words in bar.proto.text and "1,600 of 8,000" in bar.proto.text
        assert bar.proto.value == 20
    monkeypatch.setattr("studio.ui.words.language", lambda: "zh-CN")
    assert "准备中" in page.run().get("progress")[0].proto.text
    log(run, 10)
    assert "10" in page.run().get("progress")[0].proto.text, "its steps, once there are some"


def test_where_a_studio_is_shared_data_is_named_and_no_path_is_shown(home: Path, shared: str) -> None:
    (home / "shared" / "cats").mkdir(parents=True)
    (home / "shared" / "cats" / "one.png").write_bytes(b"")
    (home / "shared" / "empty").mkdir()
    theirs = Store(home_of(shared, home))
    page = open_page("train").run()
    page.selectbox(key="stage").set_value("vae").run()
    page.button_group(key="own_data").set_value([True]).run()
    assert "cats, empty" in html_of(page)
    for path in (str(home / "shared" / "cats"), "../cats", "/etc", "~"):
        page.text_input(key="data_path").set_value(path).run()
        assert not page.exception
        assert "not among what this studio offers" in page.error[0].value
        assert page.button(key="start").disabled
    for name in ("empty", "cats"):
        page.text_input(key="data_path").set_value(name).run()
        page.button(key="check").click().run()
        lease = JobQueue(theirs).claim()
        assert lease is not None
        run_job(lease, {"check": check_data})
        page.run()
        assert str(home) not in shown_on(page)
        assert not page.error or "pictures at empty" in page.error[0].value
    page.button(key="start").click().run()
    assert not page.exception
    (run,) = Runs(theirs.home).all()
    assert run.options["data"] == str(home / "shared" / "cats"), "what the training is told"
    assert (
        f"--data cats --steps 4000 --batch-size 32 --seed 0 --checkpoint-every 200 --output {run.id}"
        in page.code[0].value
    )
    assert str(home) not in shown_on(page)
    (run.folder / ENDED).write_text(json.dumps({"code": 1, "time": time.time()}))
    (run.folder / "output.txt").write_text(f'File "{home}/x.py", line 1\nValueError: no {run.folder}')
    page.run()
    assert 'File "x.py", line 1' in page.code[1].value
    assert str(home) not in shown_on(page)
    theirs.close()


def shown_on(page: AppTest) -> str:
    texts = [element.value for element in (*page.code, *page.error, *page.success, *page.warning)]
    return "\n".join([html_of(page), *texts]).replace("\\", "")


def test_trainings_are_compared_in_one_chart_and_one_table(home: Path) -> None:
    runs = Runs(home)
    first, second = (runs.start("vae", {"steps": "100", "seed": seed}) for seed in ("3", "4"))
    log(first, 10, 20)
    log(second, 10, 20, 30)
    page = open_page("train").run()
    page.button(key="compare-runs").click().run()
    assert not page.exception
    assert set(page.multiselect(key="compared").value) == {first.id, second.id}
    assert len(page.get("arrow_vega_lite_chart")) + len(page.get("vega_lite_chart")) == 1
    shown = html_of(page)
    (steps,) = re.findall(r"<tr[^>]*><th[^>]*>--steps</th>(.*?)</tr>", shown)
    assert re.findall(r">([^<]+)</td>", steps) == ["100", "100"]
    assert "<b>3</b>" in shown and "<b>4</b>" in shown
    assert "<b>0.03333</b>" in shown
    page.button_group(key="curve").set_value("aid").run()
    assert not page.exception
    page.multiselect(key="compared").set_value([]).run()
    assert not page.exception
    assert "two trainings or more" in html_of(page)
    page.button(key="back").click().run()
    assert page.button(key="start")


def test_trainings_that_wrote_nothing_down_yet_say_so(home: Path) -> None:
    runs = Runs(home)
    for _ in range(2):
        runs.start("vae", {"steps": "100"})
    page = open_page("train")
    page.query_params["compare"] = ""
    page.run()
    assert not page.exception
    assert "None of these has written down a loss yet" in html_of(page)


def test_the_page_and_a_terminal_train_as_long_and_on_as_much() -> None:
    """The page loads no torch, so that it repeats the stages' own numbers."""
    stages = {"align-inputs": align_inputs, "align-outputs": align_outputs, "instruct": instruct}
    for name, stage in stages.items():
        assert (train.STEPS[name], train.SAMPLES[name]) == (stage.DEFAULTS.steps, stage.DEFAULTS.num_samples)


def test_how_near_its_signals_come_is_shown_of_a_training_that_steers_decoders(home: Path) -> None:
    run = Runs(home).start("align-outputs", {"steps": "9"})
    asked = {"prompt": "draw a <b>bell</b>", "asks_for": "image", "fires": True, "cosine": 0.87, "distance": 1.5}
    shown = {"step": 9, "preview": [asked, asked | {"asks_for": "video", "fires": False, "cosine": 0.12}]}
    (run.folder / LOG).write_text(json.dumps({"step": 9, "losses": {"loss": 1.0}}) + "\n" + json.dumps(shown) + "\n")
    page = open_run(run)
    assert not page.exception
    told = html_of(page)
    assert "50% fire" in told and "0.87" in told and "0.12" in told
    assert "draw a &lt;b&gt;bell&lt;/b&gt;" in told


def test_the_curves_of_a_training_are_named_in_the_readers_language(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.ui.words.language", lambda: "zh-CN")
    losses = {"loss": 1.0, "cross_entropy": 0.5, "image_distance": 0.2, "discriminator_real": 0.1, "odd_thing": 3.0}
    runs = [Runs(home).start("instruct", {"steps": "9"}) for _ in range(2)]
    for run in runs:
        (run.folder / LOG).write_text(json.dumps({"step": 9, "losses": losses}) + "\n")
    page = open_run(runs[0])
    assert not page.exception
    assert page.get("button_group")[0].options[:4] == ["损失", "交叉熵", "图片 · 距离", "判别器 · 真实"]
    assert chart_words(page) and not LATIN.findall(" ".join(chart_words(page)))
    together = open_page("train")
    together.query_params["compare"] = ",".join(run.id for run in runs)
    together.run()
    assert not together.exception
    assert chart_words(together) and not LATIN.findall(" ".join(chart_words(together)))
