"""The options of loading: plain values in a config, one device for all, and nothing that a config may run."""

import json
from dataclasses import asdict
from pathlib import Path

import parts
import pytest
import torch

from encoders.media import Image
from encoders.modality import Modality
from encoders.options import EncoderOptions
from pipelines.any_to_any import AnyToAnyPipeline
from pipelines.checkpoint import PipelineConfig
from pipelines.core_options import CoreOptions
from pipelines.decoders.placement import Placement
from pipelines.load_options import LoadOptions, read_load_options

OPTIONS = LoadOptions(
    device="cuda",
    core=CoreOptions(dtype="bfloat16", device_map={"": 0}, attention="sdpa"),
    decoders=Placement(device="cuda", dtype="bfloat16", offload="model", attention_backend="native"),
    by_modality={
        Modality.VIDEO: Placement(device="cuda", dtype="bfloat16", vae_tiling=True, dtypes={"vae": "float32"})
    },
    encoders=EncoderOptions(dtype="bfloat16"),
    by_encoder={"clip": EncoderOptions(device="cuda:1")},
)


def test_options_survive_a_config() -> None:
    assert read_load_options(json.loads(json.dumps(asdict(OPTIONS)))) == OPTIONS
    config = parts.pipeline_config()
    assert PipelineConfig.from_dict(json.loads(json.dumps(config.to_dict()))).load == LoadOptions()


def test_a_device_and_a_precision_go_before_those_of_the_options() -> None:
    moved = OPTIONS.on("cpu", torch.float32)
    assert (moved.device, moved.core.dtype) == ("cpu", "float32")
    assert moved.decoders == Placement()
    assert moved.placement(Modality.VIDEO) == Placement(vae_tiling=True, dtypes={"vae": "float32"})
    assert moved.placement(Modality.IMAGE) == moved.decoders
    assert moved.encoder("clip") == moved.encoder("clap") == EncoderOptions()
    assert OPTIONS.encoder("clap") == EncoderOptions(dtype="bfloat16")
    assert OPTIONS.on("cuda:3").encoder("clip") == EncoderOptions(device="cuda:1")
    assert OPTIONS.on() == OPTIONS


def test_an_automatic_device_is_one_that_this_machine_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    assert LoadOptions(device="auto").on().device == "cpu"
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    assert LoadOptions(device="auto").on().decoders.device == "cuda"


@pytest.mark.parametrize("backend", ["flash_hub", "_flash_3_hub", "sage_hub"])
def test_a_config_cannot_ask_for_an_attention_that_is_downloaded_and_run(backend: str) -> None:
    with pytest.raises(ValueError, match=f"'{backend}' runs code fetched from the hub, which is never done"):
        read_load_options({"decoders": {"attention_backend": backend}})
    with pytest.raises(ValueError, match="No attention 'somebody/kernel'"):
        read_load_options({"core": {"attention": "somebody/kernel"}})


def test_unknown_options_are_named() -> None:
    with pytest.raises(ValueError, match="Placement has no surprise; wanted: attention_backend"):
        read_load_options({"decoders": {"surprise": 1}})
    with pytest.raises(ValueError, match="EncoderOptions has no surprise; wanted: device, dtype"):
        read_load_options({"by_encoder": {"clip": {"surprise": 1}}})
    with pytest.raises(ValueError, match="LoadOptions has no surprise"):
        read_load_options({"surprise": 1})


def test_the_options_of_a_model_reach_all_of_its_parts(tmp_path: Path) -> None:
    folder = parts.save_model(tmp_path)
    values = json.loads((folder / "config.json").read_text())
    half = {"dtype": "bfloat16"}
    values["load"] = {"core": half, "by_modality": {"image": half}, "encoders": half}
    (folder / "config.json").write_text(json.dumps(values))
    pipe = AnyToAnyPipeline.from_pretrained(folder)
    assert pipe.core.base.dtype == torch.bfloat16
    assert [pipe.decoders[m].pipeline.dtype for m in pipe.outputs] == [torch.bfloat16, torch.float32, torch.float32]
    assert pipe.encoders[Modality.IMAGE].model.modality_heads.vision[0].weight.dtype == torch.bfloat16
    shown = Image(torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0)))
    assert pipe.embed_media(shown).dtype == torch.float32  # the projections keep their own precision
    assert AnyToAnyPipeline.from_pretrained(folder, dtype=torch.float32).core.base.dtype == torch.float32
    pipe.save_pretrained(tmp_path / "again")
    assert (
        PipelineConfig.from_dict(json.loads((tmp_path / "again" / "config.json").read_text())).load == pipe.config.load
    )
