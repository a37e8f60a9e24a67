"""The files of NExT-GPT's October 2024 code: later stages count, runs have spaces in them, media have no marks."""

from pathlib import Path
from typing import Any

import nextgpt_checkpoint as published
import parts
import pytest
import torch
from torch import Tensor

from encoders.media import Image
from encoders.modality import Modality
from pipelines.any_to_any import AnyToAnyPipeline
from pipelines.checkpoint import read_config
from pipelines.grouping import GroupProjection
from pipelines.pretrained.nextgpt import ONE_VECTOR, ImportRemark, NextGPTImport, import_nextgpt
from pipelines.projections import InputProjection, InputProjectionConfig
from pipelines.prompt import encode_dialogue

AUDIO = Modality.AUDIO
WIDTH, IN_WIDTH = 48, 24
SIZES = {"image": (6, 16), "video": (120, 16), "audio": (1, 8)}
LORA = {"r": 2, "lora_alpha": 6, "target_modules": ["q_proj", "up_proj"], "base_model_name_or_path": "elsewhere"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A core, a sound decoder and an ImageBind; nobody writes to them."""
    home = tmp_path_factory.mktemp("parts")
    tokenizer = parts.core_tokenizer()
    core().save_pretrained(home / "core")
    tokenizer.save_pretrained(home / "core")
    parts.audio_pipeline().save_pretrained(home / "audio")
    parts.imagebind_folder(home / "imagebind")
    return home


def core() -> Any:
    return parts.core_model(len(parts.core_tokenizer()))


def input_tensors(kind: str) -> dict[str, Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(15)
        match kind:
            case "linear":
                module: torch.nn.Module = torch.nn.Linear(IN_WIDTH, WIDTH)
            case "mlp":
                layers = (torch.nn.Linear(IN_WIDTH, WIDTH), torch.nn.GELU(), torch.nn.Linear(WIDTH, WIDTH))
                module = torch.nn.ModuleDict({"layer": torch.nn.Sequential(*layers)})
            case _:
                sizes = {"depths": (1, 2, 1), "num_group_tokens": (4, 2, 0), "num_output_groups": (3, 2)}
                module = GroupProjection(IN_WIDTH, WIDTH, hidden=8, num_heads=2, **sizes)
    return {name: value.detach() for name, value in module.state_dict().items()}


def options(home: Path, output: Path, *sources: Path, group_heads: int | tuple[int, ...] = 2) -> NextGPTImport:
    return NextGPTImport(
        sources,
        base=str(home / "core"),
        output=output,
        encoder=str(home / "imagebind"),
        decoders={AUDIO: str(home / "audio")},
        group_heads=group_heads,
    )


@torch.no_grad()
def test_the_last_stage_computes_what_the_2024_code_computes(home: Path, tmp_path: Path) -> None:
    outputs = published.projections(WIDTH, SIZES, legacy=False)
    folder = published.october_folder(tmp_path / "trained", core(), input_tensors("group"), outputs, LORA)
    assert [e for e in import_nextgpt(options(home, tmp_path / "nextgpt", folder)) if isinstance(e, ImportRemark)] == []
    pipe = AnyToAnyPipeline.from_pretrained(tmp_path / "nextgpt")
    matrices = published.grown(core(), 36)
    original = published.merged(core(), matrices, published.adapter(core(), ("q_proj", "up_proj"), 2), scale=6 / 2)
    tokenizer = parts.core_tokenizer()
    space, first = tokenizer.convert_tokens_to_ids("Ġ"), len(tokenizer) + 4 + 24
    ids = [at for number in range(8) for at in (first + number, space)][:-1]
    run = pipe.core.signals.run(AUDIO)
    assert len(run) == len(ids) == 15
    theirs = original(torch.tensor([[1, 9, *ids]]), output_hidden_states=True).hidden_states[-1][:, 2:]
    ours = pipe.core(pipe.core.embed(torch.tensor([[1, 9, *run]])))[:, 2:]
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    embedded = original.get_input_embeddings()(torch.tensor([ids]))
    torch.testing.assert_close(pipe.core.embed(torch.tensor([run])), embedded, atol=0, rtol=0)
    condition = pipe.output_projections["audio"](ours, pipe.core.embed(torch.tensor([run])))["prompt_embeds"]
    torch.testing.assert_close(condition, outputs["audio"](theirs, embedded)[:, 0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        pipe.core.logits(theirs)[..., run[0]], original.lm_head(theirs)[..., first], atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("kind", ["linear", "mlp", "group"])
def test_every_kind_of_input_projection_is_known_by_its_tensors(home: Path, tmp_path: Path, kind: str) -> None:
    outputs = published.projections(WIDTH, SIZES, legacy=False)
    folder = published.october_folder(tmp_path / "trained", core(), input_tensors(kind), outputs)
    list(import_nextgpt(options(home, tmp_path / "nextgpt", folder)))
    sizes: dict[str, Any] = {"hidden": 8, "num_heads": 2, "depths": (1, 2, 1)}
    sizes |= {"num_group_tokens": (4, 2, 0), "num_output_groups": (3, 2)}
    wanted = InputProjectionConfig(IN_WIDTH, WIDTH, kind, **(sizes if kind == "group" else {}))  # type: ignore[arg-type]
    config = read_config(tmp_path / "nextgpt").encoders["imagebind"].projections
    assert config == dict.fromkeys((Modality.IMAGE, AUDIO, Modality.VIDEO), wanted)
    if kind == "group":
        return
    pipe = AnyToAnyPipeline.from_pretrained(tmp_path / "nextgpt")
    reference = InputProjection(wanted)
    target = reference if kind == "mlp" else reference.layer
    target.load_state_dict(input_tensors(kind), strict=True)
    picture = Image(torch.rand(3, 18, 20, generator=torch.Generator().manual_seed(3)))
    with torch.no_grad():
        made = reference(pipe.encoders[Modality.IMAGE].encode([picture]).tokens)[0]
    torch.testing.assert_close(pipe.embed_media(picture), made)


def test_a_grouping_of_other_heads_in_each_stage_is_made_and_read_again(home: Path, tmp_path: Path) -> None:
    outputs = published.projections(WIDTH, SIZES, legacy=False)
    folder = published.october_folder(tmp_path / "trained", core(), input_tensors("group"), outputs)
    list(import_nextgpt(options(home, tmp_path / "nextgpt", folder, group_heads=(1, 2, 4))))
    config = read_config(tmp_path / "nextgpt").encoders["imagebind"].projections[Modality.IMAGE]
    stages = InputProjection(config).layer.layers
    assert [stage.blocks[0].attn.num_heads for stage in stages] == [1, 2, 4]
    with pytest.raises(ValueError, match=r"There are 3 stages of groups; num_heads says 2\."):
        list(import_nextgpt(options(home, tmp_path / "wrong", folder, group_heads=(1, 2))))
    assert not (tmp_path / "wrong").exists()


def test_prompts_are_written_as_the_2024_code_writes_them(home: Path, tmp_path: Path) -> None:
    outputs = published.projections(WIDTH, SIZES, legacy=False)
    folder = published.october_folder(tmp_path / "trained", core(), input_tensors("linear"), outputs)
    list(import_nextgpt(options(home, tmp_path / "nextgpt", folder)))
    pipe = AnyToAnyPipeline.from_pretrained(tmp_path / "nextgpt")
    messages = [
        {"role": "user", "content": "play a bell"},
        {"role": "assistant", "content": "gladly"},
        {"role": "user", "content": "thanks"},
    ]
    items = encode_dialogue(messages, pipe.core.tokenizer, pipe.core.signals, add_generation_prompt=True).items
    spelled = pipe.core.tokenizer.decode([item for item in items if isinstance(item, int)])
    assert spelled.startswith("<|begin|>A chat between a curious user and an artificial intelligence assistant. ")
    assert spelled.endswith("questions. USER: play a bell ASSISTANT:gladly<|end|>USER: thanks ASSISTANT:")
    assert pipe.core.signals.num_marks == 0


def test_files_given_one_by_one_are_read_in_their_order(home: Path, tmp_path: Path) -> None:
    outputs = published.projections(WIDTH, SIZES, legacy=False)
    folder = published.october_folder(tmp_path / "trained", core(), input_tensors("linear"), outputs)
    first, second = folder / "mm_input_projector.bin", folder / "mm_output_projector.bin"
    made = options(home, tmp_path / "nextgpt", first)
    with pytest.raises(ValueError, match=r"387 missing:\n  mm_output_aud_projector\.in_fc\.bias"):
        list(import_nextgpt(made))
    list(import_nextgpt(options(home, tmp_path / "nextgpt", first, second)))
    with pytest.raises(ValueError, match="is not the model that this checkpoint was trained on"):
        list(import_nextgpt(options(home, tmp_path / "wrong", second, first)))  # the first stage's rows are other ones


def test_a_grouping_of_one_vector_is_told(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = published.projections(WIDTH, SIZES, legacy=False)
    folder = published.october_folder(tmp_path / "trained", core(), input_tensors("group"), outputs)
    monkeypatch.setattr("pipelines.pretrained.nextgpt._read_encoder", lambda *_: (IN_WIDTH, (Modality.IMAGE,), True))
    events = list(import_nextgpt(options(home, tmp_path / "nextgpt", folder)))
    assert [event.text for event in events if isinstance(event, ImportRemark)] == [ONE_VECTOR]


def test_a_q_former_is_refused(home: Path, tmp_path: Path) -> None:
    outputs = published.projections(WIDTH, SIZES, legacy=False)
    folder = published.october_folder(tmp_path / "trained", core(), {"Qformer.x": torch.ones(1)}, outputs)
    with pytest.raises(ValueError, match="is a Q-Former"):
        list(import_nextgpt(options(home, tmp_path / "nextgpt", folder)))
