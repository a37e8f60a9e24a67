"""Published NExT-GPT checkpoints: imported exactly, or refused with all that does not fit, and nothing in between."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import nextgpt_checkpoint as published
import parts
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from encoders.media import Image
from encoders.modality import Modality
from pipelines.any_to_any import AnyToAnyPipeline
from pipelines.checkpoint import read_config
from pipelines.pretrained import nextgpt
from pipelines.pretrained.nextgpt import ImportRemark, ImportStep, NextGPTImport, import_nextgpt
from pipelines.pretrained.nextgpt_keys import shapes
from pipelines.projections import InputProjectionConfig, OutputProjectionConfig
from pipelines.prompt import MediaSlot, encode_dialogue

IMAGE, AUDIO, VIDEO = Modality.IMAGE, Modality.AUDIO, Modality.VIDEO
WIDTH, IN_WIDTH = 48, 24  # of the core and of the ImageBind in tests/parts.py
SIZES = {"image": (6, 16), "video": (120, 16), "audio": (1, 8)}  # what their decoders take
RELEASED_IDS = {"image": range(2, 6), "video": range(6, 30), "audio": range(30, 38)}  # behind the base vocabulary


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The frozen parts; nobody writes to them."""
    return parts.save_parts(tmp_path_factory.mktemp("parts"))


def options(home: Path, output: Path, *sources: Path, **changes: Any) -> NextGPTImport:
    """Import with one part only, and that unchecked, which is quick."""
    made = NextGPTImport(
        sources, base=str(home / "core"), output=output, decoders={AUDIO: str(home / "audio")}, checks_parts=False
    )
    return replace(made, **changes)


def all_parts(home: Path) -> dict[str, Any]:
    decoders = {modality: str(home / modality.value) for modality in (IMAGE, AUDIO, VIDEO)}
    return {"encoder": str(home / "imagebind"), "decoders": decoders, "checks_parts": True}


def core() -> Any:
    return parts.core_model(len(parts.core_tokenizer()))


def checkpoint(**changes: Any) -> dict[str, Tensor]:
    return published.legacy_checkpoint(core(), published.projections(WIDTH, SIZES), IN_WIDTH, **changes)


def save(state: Mapping[str, Tensor], path: Path) -> Path:
    torch.save(dict(state), path)
    return path


def warnings(made: NextGPTImport) -> list[str]:
    return [event.text for event in import_nextgpt(made) if isinstance(event, ImportRemark)]


def told(made: NextGPTImport) -> str:
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the callers look at the whole text
        list(import_nextgpt(made))
    assert not made.output.exists()
    assert [path.name for path in made.output.parent.iterdir() if path.name.startswith(".")] == []
    return str(error.value)


def audio_ids() -> list[int]:
    return [len(parts.core_tokenizer()) + at for at in RELEASED_IDS["audio"]]


@torch.no_grad()
def check_runs(pipe: AnyToAnyPipeline, original: Any, runs: Mapping[str, list[int]], prompt: list[int]) -> None:
    """Our states, embeddings and conditions of each run behind a prompt, against the original's."""
    outputs = published.projections(WIDTH, SIZES, legacy=pipe.config.chat.has_marks)
    for name, ids in runs.items():
        theirs = original(torch.tensor([prompt + ids]), output_hidden_states=True).hidden_states[-1][:, -len(ids) :]
        embedded = original.get_input_embeddings()(torch.tensor([ids]))
        run = pipe.core.signals.run(Modality(name))
        assert len(run) == len(ids)
        ours = pipe.core(pipe.core.embed(torch.tensor([[*prompt, *run]])))[:, -len(ids) :]
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(pipe.core.embed(torch.tensor([run])), embedded, atol=0, rtol=0)
        (condition,) = pipe.output_projections[name](ours, pipe.core.embed(torch.tensor([run]))).values()
        wanted = outputs[name](theirs, embedded)
        torch.testing.assert_close(condition.reshape(wanted.shape), wanted, atol=1e-5, rtol=1e-5)


def test_the_first_release_computes_what_the_original_computes(home: Path, tmp_path: Path) -> None:
    state = checkpoint()
    path = save(state, tmp_path / "pytorch_model.pt")
    events = list(import_nextgpt(options(home, tmp_path / "nextgpt", path, lora_alpha=6, **all_parts(home))))
    assert [event.number for event in events if isinstance(event, ImportStep)] == list(range(1, 10))
    assert len(events) == 9
    pipe = AnyToAnyPipeline.from_pretrained(tmp_path / "nextgpt")
    matrices = published.grown(core(), 38)
    original = published.merged(core(), matrices, published.adapter(core()), scale=6 / 3)
    num_base = len(parts.core_tokenizer())
    runs = {name: [num_base + at for at in ids] for name, ids in RELEASED_IDS.items()}
    check_runs(pipe, original, runs, prompt=[1, 9, 12])
    with torch.no_grad():  # what may be sampled next: the base's words and the first token of each run
        states = original.model(torch.tensor([[1, 9, 12]])).last_hidden_state
        theirs = original.lm_head(states)[0, -1]
        ours = pipe.core.logits(states)[0, -1]
    torch.testing.assert_close(ours[:num_base], theirs[:num_base])
    for name, ids in runs.items():
        torch.testing.assert_close(ours[pipe.core.signals.run(Modality(name))[0]], theirs[ids[0]])

    picture = Image(torch.rand(3, 18, 20, generator=torch.Generator().manual_seed(3)))
    features = pipe.encoders[IMAGE].encode([picture]).tokens[0]
    wanted = features @ state["llama_proj.weight"].T + state["llama_proj.bias"]
    torch.testing.assert_close(pipe.embed_media(picture), wanted)
    marks = matrices["model.embed_tokens.weight"][num_base : num_base + 2]
    for modality in (IMAGE, AUDIO, VIDEO):
        torch.testing.assert_close(pipe.core.embed(pipe.core.signals.marks(modality)), marks, atol=0, rtol=0)


@pytest.mark.parametrize(("stage", "default"), [(1, True), (2, True), (3, False)])
def test_every_stage_and_every_version_of_peft_is_read(home: Path, tmp_path: Path, stage: int, default: bool) -> None:
    path = save(checkpoint(stage=stage, default=default), tmp_path / "pytorch_model.pt")
    list(import_nextgpt(options(home, tmp_path / "nextgpt", path, lora_alpha=6)))
    pipe = AnyToAnyPipeline.from_pretrained(tmp_path / "nextgpt")
    assert (pipe.outputs, dict(pipe.encoders), pipe.core.signals.num_tokens) == ((AUDIO,), {}, 8)
    assert (pipe.core.adapter is not None) == (stage == 3)
    lora = published.adapter(core()) if stage == 3 else {}
    original = published.merged(core(), published.grown(core(), 38), lora, scale=6 / 3)
    check_runs(pipe, original, {"audio": audio_ids()}, prompt=[1, 9, 12])


def test_prompts_are_written_as_the_first_release_was_trained(home: Path, tmp_path: Path) -> None:
    path = save(checkpoint(stage=1), tmp_path / "pytorch_model.pt")
    made = options(home, tmp_path / "nextgpt", path, encoder=str(home / "imagebind"), decoders={}, checks_parts=True)
    list(import_nextgpt(made))
    pipe = AnyToAnyPipeline.from_pretrained(tmp_path / "nextgpt")
    assert pipe.core.stops == ("\n###",)
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "image", "image": "x"}, {"type": "text", "text": "what is it?"}]},
        {"role": "assistant", "content": "a bell"},
        {"role": "user", "content": "draw one"},
    ]
    items = encode_dialogue(messages, pipe.core.tokenizer, pipe.core.signals, add_generation_prompt=True).items
    spelled = "".join(
        "<slot>" if isinstance(item, MediaSlot)
        else pipe.core.signals.name(item) if pipe.core.signals.is_new(item)
        else pipe.core.tokenizer.decode([item])
        for item in items
    )  # fmt: skip
    assert spelled == (
        "<|begin|>### Human: <image><slot></image>what is it?\n### Assistant:a bell\n### Human: draw one\n### Assistant:"
    )


def test_every_format_of_a_checkpoint_is_read(home: Path, tmp_path: Path) -> None:
    state = {name: value.half().contiguous() for name, value in checkpoint(stage=1).items()}
    (tmp_path / "folder").mkdir()
    save(state, tmp_path / "folder" / "pytorch_model.pt")
    save_file(state, tmp_path / "released.safetensors")
    for number, source in enumerate((tmp_path / "folder", tmp_path / "released.safetensors")):
        list(import_nextgpt(options(home, tmp_path / f"made{number}", source)))
        written = load_file(tmp_path / f"made{number}" / "projections.safetensors")
        assert {value.dtype for value in written.values()} == {torch.float16}
        assert torch.equal(
            written["output.audio.projections.prompt_embeds.fc.weight"], state["gen_text_hidden_fcs_audio.0.fc.weight"]
        )
    trace = tmp_path / "trace"
    torch.save({"llama_proj.weight": Malicious(trace)}, tmp_path / "evil.pt")
    assert "asks for more than tensors" in told(options(home, tmp_path / "evil", tmp_path / "evil.pt"))
    assert not trace.exists()
    assert "ChocoWu/nextgpt_7b_tiva_v0" in told(options(home, tmp_path / "none", tmp_path / "missing.pt"))


class Malicious:
    """A pickle that makes a folder as soon as it is opened carelessly."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.mkdir, (self.path,)  # type: ignore[return-value]


def test_all_that_does_not_fit_is_told_at_once(home: Path, tmp_path: Path) -> None:
    state = checkpoint()
    query = "llama_model.base_model.model.model.layers.1.self_attn.q_proj.lora_A.default.weight"
    for name in ("llama_proj.bias", "gen_text_hidden_fcs_video.0.tfm.encoder.norm.weight"):
        del state[name]
    state |= {"gen_text_hidden_fcs.1.fc.bias": torch.zeros(8), "visual_encoder.x": torch.zeros(1)}
    state |= {"gen_text_hidden_fcs.0.model.bias": torch.zeros(24), query: torch.zeros(3, 47)}
    state["llama_model.base_model.model.lm_head.weight"] = torch.zeros(9, WIDTH)
    report = told(options(home, tmp_path / "nextgpt", save(state, tmp_path / "pytorch_model.pt")))
    rows = len(parts.core_tokenizer()) + 38
    assert report.split("\n")[1:] == [
        "2 missing:",
        "  gen_text_hidden_fcs_video.0.tfm.encoder.norm.weight",
        "  llama_proj.bias",
        "2 extra:",
        "  gen_text_hidden_fcs.1.fc.bias",
        "  visual_encoder.x",
        "3 of the wrong shape:",
        "  gen_text_hidden_fcs.0.model.bias (24,) instead of (16,)",
        f"  llama_model.base_model.model.lm_head.weight (9, {WIDTH}) instead of ({rows}, {WIDTH})",
        f"  {query} (3, 47) instead of (3, {WIDTH})",
    ]


def test_a_file_of_another_kind_or_of_two_is_refused(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "pytorch_model.pt"
    made = options(home, tmp_path / "nextgpt", path)
    save({"model.norm.weight": torch.ones(2)}, path)
    assert "no projection of it" in told(made)
    save(checkpoint() | {"mm_input_projector.weight": torch.ones(2)}, path)
    assert "two generations" in told(made)
    state = checkpoint()
    save(state | {"llama_model.model.embed_tokens.weight": torch.ones(1)}, path)
    assert "the same tensors under two names: llama_model.base_model.model.model.embed_tokens.weight" in told(made)
    save(state, path)
    assert "counts" not in told(replace(made, counts={IMAGE: 5, AUDIO: 8, VIDEO: 24}))
    assert "wanted a folder" in told(replace(made, encoder="nowhere"))
    (tmp_path / "nextgpt").mkdir()
    (tmp_path / "nextgpt" / "mine").touch()
    with pytest.raises(ValueError, match="exists already"):
        list(import_nextgpt(made))


def test_trained_word_embeddings_are_kept_in_a_copy_of_the_base_and_told(home: Path, tmp_path: Path) -> None:
    state = checkpoint(stage=2, trained=1e-3)
    made = options(home, tmp_path / "nextgpt", save(state, tmp_path / "pytorch_model.pt"))
    (warning,) = warnings(made)
    base = core().state_dict()
    num_base = len(base["lm_head.weight"])
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        largest = (state[f"llama_model.{name}"][:num_base] - base[name]).abs().max()
        assert f"{name}: {num_base} of {num_base} rows differ, the most by {largest:.3g}" in warning
    assert "gibberish" in warning
    pipe = AnyToAnyPipeline.from_pretrained(tmp_path / "nextgpt")
    assert pipe.config.core.path == "core"
    original = published.merged(core(), published.grown(core(), 38, trained=1e-3), {}, scale=0)
    check_runs(pipe, original, {"audio": audio_ids()}, prompt=[1, 9, 12])

    (warning,) = warnings(replace(made, output=tmp_path / "plain", base_rows="base"))
    assert "left out" in warning
    kept = read_config(tmp_path / "plain").core
    assert kept.resolve(tmp_path / "plain") == home / "core"


def test_another_model_is_not_taken_for_the_base(home: Path, tmp_path: Path) -> None:
    other = parts.core_model(len(parts.core_tokenizer()), seed=5)
    outputs = published.projections(WIDTH, SIZES)
    path = save(published.legacy_checkpoint(other, outputs, IN_WIDTH, stage=1), tmp_path / "pytorch_model.pt")
    made = options(home, tmp_path / "nextgpt", path)
    assert "is not the model that this checkpoint was trained on" in told(made)
    assert "the most by" in told(made)
    assert len(warnings(replace(made, base_rows="base"))) == 1


def test_rounding_is_no_difference(home: Path, tmp_path: Path) -> None:
    state = {name: value.bfloat16() for name, value in checkpoint(stage=1).items()}
    assert warnings(options(home, tmp_path / "nextgpt", save(state, tmp_path / "pytorch_model.pt"))) == []


def test_a_base_whose_head_is_its_embedding_has_one_matrix(tmp_path: Path) -> None:
    base = parts.core_model(len(parts.core_tokenizer()), tied=True)
    base.save_pretrained(tmp_path / "core")
    parts.core_tokenizer().save_pretrained(tmp_path / "core")
    (tmp_path / "audio").mkdir()
    state = published.legacy_checkpoint(base, published.projections(WIDTH, SIZES), IN_WIDTH, stage=1)
    path = tmp_path / "pytorch_model.pt"
    made = options(tmp_path, tmp_path / "nextgpt", save(state, path))
    assert "1 extra:\n  llama_model.lm_head.weight" in told(made)
    del state["llama_model.lm_head.weight"]
    save(state, path)
    list(import_nextgpt(made))
    rows = load_file(tmp_path / "nextgpt" / "token_rows.safetensors")
    assert torch.equal(rows["input_rows"], state["llama_model.model.embed_tokens.weight"][-8:])
    assert torch.equal(rows["output_rows"], rows["input_rows"])


def test_a_split_base_is_copied_whole(home: Path, tmp_path: Path) -> None:
    core().save_pretrained(tmp_path / "split", max_shard_size="60KB")
    parts.core_tokenizer().save_pretrained(tmp_path / "split")
    assert len(list((tmp_path / "split").glob("*.safetensors"))) > 2
    path = save(checkpoint(stage=1, trained=1e-3), tmp_path / "pytorch_model.pt")
    warnings(options(home, tmp_path / "nextgpt", path, base=str(tmp_path / "split")))
    kept = AnyToAnyPipeline.from_pretrained(tmp_path / "nextgpt").core.base.state_dict()
    trained, base = torch.load(path), core().state_dict()
    for name, value in kept.items():
        wanted = trained[f"llama_model.{name}"][: len(value)] if f"llama_model.{name}" in trained else base[name]
        assert torch.equal(value, wanted), name


def test_parts_that_are_not_here_are_only_named_when_nobody_checks_them(home: Path, tmp_path: Path) -> None:
    path = save(checkpoint(stage=1), tmp_path / "pytorch_model.pt")
    made = options(home, tmp_path / "nextgpt", path, decoders=dict.fromkeys((IMAGE, AUDIO, VIDEO)))
    assert "stable-diffusion-v1-5" in told(replace(made, checks_parts=True))
    list(import_nextgpt(made))
    video = read_config(tmp_path / "nextgpt").decoders[VIDEO]
    assert video.reference.repository == "cerspense/zeroscope_v2_576w"
    assert video.config.call == {"height": 320, "width": 576, "num_frames": 24}
    assert video.projections["prompt_embeds"].num_queries == 120


def test_a_decoder_of_another_shape_is_told_by_its_projection(home: Path, tmp_path: Path) -> None:
    path = save(checkpoint(stage=1), tmp_path / "pytorch_model.pt")
    made = options(home, tmp_path / "nextgpt", path, decoders={VIDEO: str(home / "image")}, checks_parts=True)
    report = told(made)
    assert report.endswith(
        "1 of the wrong shape:\n  gen_text_hidden_fcs_video.0.query_embs (1, 120, 8) instead of (1, 6, 8)"
    )


def test_the_tokenizer_beside_a_checkpoint_tells_the_signal_tokens(home: Path, tmp_path: Path) -> None:
    counts = {"image": 2, "video": 1, "audio": 5}
    path = save(checkpoint(stage=1, counts=counts), tmp_path / "pytorch_model.pt")
    runs = [f"[{name}{at}]" for name, count in (("IMG", 2), ("VID", 1), ("AUD", 5)) for at in range(count)]
    added = {name: 500 + at for at, name in enumerate(("[PAD]", "<Img>", "</Img>", *runs))}
    (tmp_path / "added_tokens.json").write_text(json.dumps(dict(reversed(added.items()))))
    made = options(home, tmp_path / "nextgpt", path)
    list(import_nextgpt(made))
    rows = load_file(tmp_path / "nextgpt" / "token_rows.safetensors")["input_rows"]
    assert torch.equal(rows, published.grown(core(), 10)["model.embed_tokens.weight"][-5:])
    (tmp_path / "added_tokens.json").write_text(json.dumps(added | {"<Vid>": 502.5}))
    with pytest.raises(
        ValueError, match=r"adds .*<Img> </Img> <Vid> \[IMG0\].* wanted at the end: <Img> </Img> \[IMG0\]"
    ):
        list(import_nextgpt(replace(made, output=tmp_path / "other")))


def test_an_import_that_fails_at_the_end_leaves_nothing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(nextgpt, "settle", fail)
    path = save(checkpoint(stage=1, trained=1e-3), tmp_path / "pytorch_model.pt")
    with pytest.raises(OSError, match="full"):
        list(import_nextgpt(options(home, tmp_path / "nextgpt", path)))
    assert list(tmp_path.iterdir()) == [path]


def test_an_import_that_is_stopped_leaves_nothing(home: Path, tmp_path: Path) -> None:
    path = save(checkpoint(stage=1), tmp_path / "pytorch_model.pt")
    events = import_nextgpt(options(home, tmp_path / "nextgpt", path))
    assert next(event for event in events if event.text == "Writing the projections")
    events.close()  # type: ignore[attr-defined]
    assert list(tmp_path.iterdir()) == [path]


def test_projections_of_the_released_size_have_the_released_parameters() -> None:
    def count(config: InputProjectionConfig | OutputProjectionConfig) -> int:
        return sum(torch.Size(shape).numel() for shape in shapes(config).values())

    assert count(OutputProjectionConfig(4096, 768, 77)) == 31_958_784
    assert count(OutputProjectionConfig(4096, 1024, 77)) == 32_090_112
    assert count(OutputProjectionConfig(4096, 512, 1)) == 31_788_544
    assert count(InputProjectionConfig(1024, 4096, "linear")) == 4_198_400
    assert count(InputProjectionConfig(1024, 4096, "group")) == 53_144_912
