"""The whole model as a diffusers pipeline: loading, calling, saving, and parts that load alone."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import parts
import PIL.Image
import pytest
import torch
from diffusers import DiffusionPipeline
from peft import LoraConfig
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

import pipelines
from encoders.media import Image
from encoders.modality import Modality
from pipelines.any_to_any import AnyToAnyPipeline
from pipelines.checkpoint import EncoderEntry, Reference, read_config, write_config
from pipelines.conversation import Conversation
from pipelines.decoders.base import Cancelled, DecodeOptions
from pipelines.options import GenerationOptions
from pipelines.projections import InputProjectionConfig

QUESTION = [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]
OPTIONS = GenerationOptions(max_new_tokens=16, temperature=2.0, seed=3)


def answer(pipe: AnyToAnyPipeline) -> list[str]:
    return [part.content_hash for part in Conversation(pipe).send(["x", picture()], OPTIONS).parts]


def picture() -> Image:
    return Image(torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0)))


def own_copy(model_folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(model_folder, tmp_path / "model")


def test_every_part_loads_alone_with_its_own_stock_loader(model_folder: Path) -> None:
    AutoModelForCausalLM.from_pretrained(model_folder / "core")
    assert AutoTokenizer.from_pretrained(model_folder / "core").chat_template
    for modality in ("image", "audio", "video"):
        DiffusionPipeline.from_pretrained(model_folder / modality)


def test_a_saved_model_answers_the_same(pipe: AnyToAnyPipeline, tmp_path: Path) -> None:
    pipe.save_pretrained(tmp_path / "saved")
    again = AnyToAnyPipeline.from_pretrained(tmp_path / "saved")
    assert answer(again) == answer(pipe)
    written = {path.name for path in (tmp_path / "saved").iterdir()}
    assert written == {"config.json", "projections.safetensors", "token_rows.safetensors"}


def test_a_saved_model_with_its_parts_can_be_moved_anywhere(pipe: AnyToAnyPipeline, tmp_path: Path) -> None:
    pipe.save_pretrained(tmp_path / "a" / "saved", copy_parts=True)
    moved = tmp_path / "moved"
    (tmp_path / "a" / "saved").rename(moved)
    assert answer(AnyToAnyPipeline.from_pretrained(moved)) == answer(pipe)
    assert {reference(moved).path} == {"core"}


def reference(folder: Path) -> Reference:
    return read_config(folder).core


def test_an_adapter_is_saved_and_loaded_with_the_model(model_folder: Path, tmp_path: Path) -> None:
    pipe = AnyToAnyPipeline.from_pretrained(model_folder)
    adapter = pipe.core.attach_lora(LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM"))
    for parameter in adapter.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(1))
    pipe.core.eval()
    pipe.save_pretrained(tmp_path)
    again = AnyToAnyPipeline.from_pretrained(tmp_path)
    assert again.core.adapter is not None
    assert answer(again) == answer(pipe)
    assert answer(again) != answer(AnyToAnyPipeline.from_pretrained(model_folder))


def test_calling_is_a_turn_of_a_conversation(pipe: AnyToAnyPipeline) -> None:
    output = pipe(QUESTION, options=OPTIONS)
    reply = Conversation(pipe).send("hello", OPTIONS)
    assert output.text == reply.text
    assert [p.content_hash for p in output.parts] == [p.content_hash for p in reply.parts]
    assert pipe(QUESTION, options=OPTIONS, return_dict=False)[0] == reply.text


def test_a_generator_seeds_the_reply(pipe: AnyToAnyPipeline) -> None:
    def text(seed: int) -> str:
        return pipe(QUESTION, options=OPTIONS, generator=torch.Generator().manual_seed(seed)).text

    assert text(1) == text(1)
    assert text(1) != text(2)


def test_steps_and_guidance_reach_every_decoder_and_callbacks_can_cancel(
    pipe: AnyToAnyPipeline, script: Any, tmp_path: Path
) -> None:
    signals = pipe.core.signals
    end = pipe.core.tokenizer.eos_token_id
    steps: list[tuple[int, int, Modality]] = []

    def on_step(_: AnyToAnyPipeline, step: int, num_steps: int, values: dict[str, Any]) -> None:
        steps.append((step, num_steps, values["modality"]))

    script([signals.run(Modality.IMAGE)[0], signals.run(Modality.AUDIO)[0], end])
    pipe(QUESTION, num_inference_steps=3, guidance_scale=1.5, callback_on_step_end=on_step)
    assert steps == [(s, 3, m) for m in (Modality.IMAGE, Modality.AUDIO) for s in (1, 2, 3)]

    def cancel(*arguments: Any) -> None:
        raise Cancelled

    script([signals.run(Modality.IMAGE)[0], end])
    with pytest.raises(Cancelled):
        pipe(QUESTION, callback_on_step_end=cancel)


def test_parts_come_as_values_arrays_or_pillow_images(pipe: AnyToAnyPipeline, script: Any) -> None:
    runs = [pipe.core.signals.run(m)[0] for m in (Modality.IMAGE, Modality.AUDIO, Modality.VIDEO)]
    text = pipe.core.tokenizer("ab")["input_ids"]
    outputs: dict[str, tuple[Any, ...]] = {}
    for output_type in ("np", "pil"):
        script([*text, *runs, pipe.core.tokenizer.eos_token_id])
        outputs[output_type] = pipe(QUESTION, output_type=output_type, options=OPTIONS).parts
    assert [getattr(part, "shape", part) for part in outputs["np"]][:2] == ["ab", (16, 16, 3)]
    assert outputs["np"][3].shape == (4, 16, 16, 3)
    assert isinstance(outputs["pil"][1], PIL.Image.Image)
    assert [frame.size for frame in outputs["pil"][3]] == [(16, 16)] * 4
    assert isinstance(outputs["pil"][2], np.ndarray)
    with pytest.raises(ValueError, match="one of 'media', 'np', 'pil', not 'jpeg'"):
        pipe(QUESTION, output_type="jpeg", options=GenerationOptions(max_new_tokens=1))


def test_the_last_message_must_be_the_persons(pipe: AnyToAnyPipeline) -> None:
    for messages in ([], [{"role": "assistant", "content": "x"}]):
        with pytest.raises(ValueError, match="must be the person's"):
            pipe(messages)


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ("config.json", r"config\.json is missing"),
        ("projections.safetensors", r"no file .*projections\.safetensors"),
        ("token_rows.safetensors", r"no file .*token_rows\.safetensors"),
        ("core", "no folder .*core"),
        ("imagebind", "no folder .*imagebind"),
        ("image", "no folder .*image"),
        ("core/config.json", r"no file .*core/config\.json"),
        ("video/model_index.json", r"model_index\.json is missing"),
    ],
)
def test_what_is_missing_is_named(model_folder: Path, tmp_path: Path, missing: str, named: str) -> None:
    folder = own_copy(model_folder, tmp_path)
    target = folder / missing
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    with pytest.raises(ValueError, match=named):
        AnyToAnyPipeline.from_pretrained(folder, check_hashes=False)


def test_tensors_must_be_exactly_the_models(model_folder: Path, tmp_path: Path) -> None:
    folder = own_copy(model_folder, tmp_path)
    path = folder / "projections.safetensors"
    tensors = load_file(path)
    name = "output.image.projections.prompt_embeds.fc.bias"
    save_file({n: v for n, v in tensors.items() if n != name} | {"prototype": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match=f"1 missing: {name}; 1 extra: prototype"):
        AnyToAnyPipeline.from_pretrained(folder)
    save_file(tensors | {name: torch.zeros(3)}, path)
    with pytest.raises(ValueError, match=r"1 wrong shape: .* \(3,\) instead of \(16,\)"):
        AnyToAnyPipeline.from_pretrained(folder)
    path.write_bytes(b"\x80\x04pickle")
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        AnyToAnyPipeline.from_pretrained(folder)


def test_parts_that_changed_since_are_refused(model_folder: Path, tmp_path: Path) -> None:
    folder = own_copy(model_folder, tmp_path)
    config = folder / "image" / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text().replace('"linear"', '"scaled_linear"'))
    with pytest.raises(ValueError, match="not those that this model was made with"):
        AnyToAnyPipeline.from_pretrained(folder)
    AnyToAnyPipeline.from_pretrained(folder, check_hashes=False)


def test_another_encoder_can_serve_a_modality_and_all_projections_are_kept(model_folder: Path, tmp_path: Path) -> None:
    folder = own_copy(model_folder, tmp_path)
    shutil.copytree(folder / "imagebind", folder / "other")
    config = read_config(folder)
    entry = EncoderEntry(
        "imagebind", Reference(path="other"), {Modality.IMAGE: InputProjectionConfig(24, 48, "linear")}
    )
    AnyToAnyPipeline.from_config(replace(config, encoders={**config.encoders, "other": entry}), folder).save_pretrained(
        folder
    )

    usual = AnyToAnyPipeline.from_pretrained(folder)
    other = AnyToAnyPipeline.from_pretrained(folder, encoders={Modality.IMAGE: "other"})
    assert usual.encoders[Modality.IMAGE] is usual.encoders[Modality.VIDEO]
    assert other.encoders[Modality.IMAGE] is not other.encoders[Modality.VIDEO]
    assert other.core.signals == usual.core.signals
    assert not torch.equal(usual.embed_media(picture()), other.embed_media(picture()))
    other.save_pretrained(tmp_path / "again")
    saved, before = (load_file(path / "projections.safetensors") for path in (tmp_path / "again", folder))
    assert saved.keys() == before.keys()
    with pytest.raises(ValueError, match="no encoder 'other' for 'audio'; it has: imagebind"):
        AnyToAnyPipeline.from_pretrained(folder, encoders={Modality.AUDIO: "other"})


def test_dropping_the_text_encoders_changes_no_reply(model_folder: Path, script: Any) -> None:
    pipe = AnyToAnyPipeline.from_pretrained(model_folder)
    runs = [pipe.core.signals.run(m)[0] for m in pipe.outputs]
    hashes = []
    for _ in range(2):
        script([*runs, pipe.core.tokenizer.eos_token_id])
        hashes.append([p.content_hash for p in Conversation(pipe).send("x", OPTIONS).parts])
        pipe.drop_text_encoders()
    assert hashes[0] == hashes[1]


def test_what_it_cannot_be_shown_is_refused_by_name(model_folder: Path, tmp_path: Path) -> None:
    folder = own_copy(model_folder, tmp_path)
    config = read_config(folder)
    write_config(folder, replace(config, encoders={}, decoders={}))
    pipe = AnyToAnyPipeline.from_config(read_config(folder), folder)
    with pytest.raises(ValueError, match="wanted one of: text;"):
        Conversation(pipe).send([picture()], OPTIONS)
    assert Conversation(pipe).send("hi", OPTIONS).media == ()
    with pytest.raises(ValueError, match="cannot make 'image'; it makes: text only"):
        Conversation(pipe).send("hi", replace(OPTIONS, decode={Modality.IMAGE: DecodeOptions()}))


def test_an_untrained_model_is_the_same_every_time_and_leaves_the_random_state_alone(model_folder: Path) -> None:
    before = torch.random.get_rng_state()
    first, second = (AnyToAnyPipeline.from_config(parts.pipeline_config(), model_folder) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), before)
    for name, value in first.output_projections.state_dict().items():
        assert torch.equal(second.output_projections.state_dict()[name], value)


def test_no_file_of_a_saved_model_names_a_place_on_this_machine(pipe: AnyToAnyPipeline, tmp_path: Path) -> None:
    pipe.save_pretrained(tmp_path / "saved")
    config = json.loads((tmp_path / "saved" / "config.json").read_text())
    paths = [config["core"]["path"], *(entry["reference"]["path"] for entry in config["decoders"].values())]
    assert not any(Path(path).is_absolute() for path in paths)


def test_the_package_gives_its_public_names_when_asked() -> None:
    assert set(pipelines.__all__) == set(pipelines.PUBLIC)
    for name in pipelines.__all__:
        assert getattr(pipelines, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        pipelines.nothing  # noqa: B018
