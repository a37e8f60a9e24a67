"""The README's section on bringing one's own models: its examples run, with small random models in the folders it names."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import parts
import pytest
import torch
from readme_tree import ROOT
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, Qwen3Config, Qwen3ForCausalLM

from encoders.media import Image
from encoders.modality import Modality
from pipelines import AnyToAnyPipeline, LoadOptions
from pipelines.checkpoint import read_config
from pipelines.quiet import quiet

HEADING = "## Bring your own models\n"
SECTION = (ROOT / "README.md").read_text().partition(HEADING)[2].partition("\n## ")[0]
EXAMPLES = re.findall(r"^```py\n(.*?)^```", SECTION, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with small random models, each as its own library saves it; the examples run in it."""
    folder = tmp_path_factory.mktemp("own")
    tokenizer = parts.core_tokenizer()
    torch.manual_seed(0)
    core = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer), hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, head_dim=16, max_position_embeddings=2048, initializer_range=0.2,
        )
    )  # fmt: skip
    tower = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    clip = CLIPModel(
        CLIPConfig(
            projection_dim=8,
            vision_config={**tower, "image_size": 16, "patch_size": 4},
            text_config={**tower, "vocab_size": 49408, "max_position_embeddings": 77},
        )
    )
    with quiet():
        core.save_pretrained(folder / "my-llm")
        tokenizer.save_pretrained(folder / "my-llm")
        clip.save_pretrained(folder / "my-clip")
        CLIPImageProcessor(crop_size=16, size={"shortest_edge": 16}).save_pretrained(folder / "my-clip")
        parts.imagebind_folder(folder / "my-imagebind")
        parts.image_pipeline().save_pretrained(folder / "my-image-model")
        parts.audio_pipeline().save_pretrained(folder / "my-sound-model")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("STUDIO_HOME", str(folder / "home"))
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        yield folder


@pytest.fixture(scope="module")
def results(folder: Path) -> list[dict[str, object]]:
    """What each example leaves behind, run from the first to the last."""
    left = []
    for example in EXAMPLES:
        names: dict[str, object] = {}
        exec(compile(example, "README.md", "exec"), names)
        left.append(names)
    return left


def test_the_section_has_examples() -> None:
    assert len(EXAMPLES) >= 3, f"The README has no examples under {HEADING!r}."


def test_a_model_is_put_together_and_saved_with_references_to_its_parts(
    results: list[dict[str, object]], folder: Path
) -> None:
    config = read_config(folder / "my-model")
    assert config.core.path == "../my-llm"
    assert (config.core.sha256 or "") > ""
    assert set(config.encoders) == {"clip", "imagebind"}
    assert config.encoder_of(Modality.IMAGE) == "clip"
    assert config.encoder_of(Modality.VIDEO) == "imagebind"
    assert set(config.untrained_outputs) == set(config.decoders) == {Modality.IMAGE, Modality.AUDIO}
    widths = {p.core_width for entry in config.encoders.values() for p in entry.projections.values()}
    assert widths == {48}
    assert config.decoders[Modality.AUDIO].kind == "class_labels"
    assert config.decoders[Modality.IMAGE].config.num_inference_steps == 50  # as the pipeline's own call


def test_it_answers_and_its_options_reach_its_parts(results: list[dict[str, object]]) -> None:
    assert any("reply" in names for names in results)
    (pipe,) = [names["pipe"] for names in results if "options" in names]
    assert isinstance(pipe, AnyToAnyPipeline)
    assert pipe.bridge is not None
    assert pipe.core.base.dtype == torch.bfloat16
    assert pipe.decoders[Modality.IMAGE].pipeline.dtype == torch.bfloat16  # type: ignore[attr-defined]


def test_training_can_begin_from_it(results: list[dict[str, object]], folder: Path) -> None:
    (options,) = [names["options"] for names in results if "options" in names]
    assert isinstance(options, LoadOptions)
    pipe = AnyToAnyPipeline.from_pretrained(folder / "my-model", options=options, as_trained=True)
    assert set(pipe.encoders) == {Modality.IMAGE, Modality.AUDIO, Modality.VIDEO}
    assert pipe.embed_media(Image(torch.zeros(3, 16, 16))).shape == (pipe.num_positions(Modality.IMAGE), 48)
    clip, imagebind = (cast(Any, pipe.encoders[modality]) for modality in (Modality.IMAGE, Modality.VIDEO))
    assert next(clip.model.parameters()).dtype == torch.bfloat16  # as all encoders
    assert next(imagebind.model.parameters()).dtype == torch.float32  # by its own name
    assert next(imagebind.model.parameters()).device.type == "cpu"
