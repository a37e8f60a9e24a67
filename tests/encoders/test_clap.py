"""CLAP: the stock model's vectors, the same each time, from folders that hold exactly a CLAP."""

import json
from pathlib import Path
from typing import Any

import parts
import pytest
import torch
from half_precision import assert_computes_at_half_precision
from safetensors.torch import load_file, save_file
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

from encoders.clap import MAX_WINDOWS, CLAPEncoder, windows
from encoders.media import Audio, Image, Text
from encoders.modality import Modality

RATE, SECONDS = 16000, 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random CLAP, as transformers saves it."""
    folder = tmp_path_factory.mktemp("clap")
    tokenizer = parts.text_tokenizer(32)
    torch.manual_seed(0)
    config = ClapConfig(
        projection_dim=8,
        text_config={
            "vocab_size": len(tokenizer), "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
            "num_attention_heads": 2, "max_position_embeddings": 34, "pad_token_id": 2,
        },
        audio_config={
            "spec_size": 64, "num_mel_bins": 16, "patch_size": 4, "patch_stride": [4, 4], "window_size": 4,
            "hidden_size": 32, "depths": [1, 1], "num_attention_heads": [2, 2], "patch_embeds_hidden_size": 16,
        },
    )  # fmt: skip
    ClapModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    ClapFeatureExtractor(
        feature_size=16, sampling_rate=RATE, hop_length=160, max_length_s=SECONDS, fft_window_size=512,
        truncation="rand_trunc", frequency_max=RATE // 2,
    ).save_pretrained(folder)  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def encoder(folder: Path) -> CLAPEncoder:
    return CLAPEncoder.from_folder(folder)


def noise(seconds: float, seed: int = 0, rate: int = RATE) -> Audio:
    generator = torch.Generator().manual_seed(seed)
    return Audio(0.1 * torch.randn(1, round(seconds * rate), generator=generator), rate)


def test_pooled_vectors_are_those_of_the_stock_model(encoder: CLAPEncoder, folder: Path) -> None:
    stock, extractor = ClapModel.from_pretrained(folder).eval(), ClapFeatureExtractor.from_pretrained(folder)
    sound = noise(SECONDS)
    with torch.no_grad():
        heard = stock.get_audio_features(
            **extractor(sound.waveform[0].numpy(), sampling_rate=RATE, return_tensors="pt")
        )
    expected = torch.nn.functional.normalize(getattr(heard, "pooler_output", heard), dim=-1)
    torch.testing.assert_close(encoder.encode([sound]).pooled, expected)


def test_tokens_have_the_promised_shape_and_vectors_unit_norm(encoder: CLAPEncoder) -> None:
    for batch, modality in (
        ([noise(0.4), noise(2.7, 1)], Modality.AUDIO),
        ([Text("a"), Text("a bell")], Modality.TEXT),
    ):
        features = encoder.encode(batch)
        assert features.tokens.shape == (2, encoder.num_tokens[modality], encoder.width)
        torch.testing.assert_close(features.pooled.norm(dim=-1), torch.ones(2))
    assert encoder.num_tokens[Modality.AUDIO] > 1


def test_a_long_sound_gives_the_same_bytes_each_time_alone_and_in_a_batch(encoder: CLAPEncoder) -> None:
    long, short = noise(9.3), noise(0.5)
    alone = encoder.encode([long])
    together = encoder.encode([short, long])
    assert torch.equal(alone.tokens[0], together.tokens[1])
    assert torch.equal(alone.pooled[0], together.pooled[1])


def test_windows_cover_a_sound_from_its_first_to_its_last_sample() -> None:
    assert [len(w) for w in windows(torch.arange(7), 10)] == [7]
    cut = windows(torch.arange(25), 10)
    assert [(int(w[0]), int(w[-1])) for w in cut] == [(0, 9), (8, 17), (15, 24)]
    assert len(windows(torch.arange(1000), 10)) == MAX_WINDOWS


def test_another_rate_is_resampled_and_channels_are_mixed(encoder: CLAPEncoder) -> None:
    time = torch.arange(2 * RATE) / (2 * RATE)
    fast = Audio(torch.sin(1000 * time).repeat(2, 1), 2 * RATE)
    slow = Audio(torch.sin(1000 * time[::2])[None], RATE)
    similarity = (encoder.encode([fast]).pooled * encoder.encode([slow]).pooled).sum()
    assert similarity > 0.99


def test_what_it_cannot_read_is_refused_by_name(encoder: CLAPEncoder) -> None:
    with pytest.raises(ValueError, match="cannot read image; it reads: text, audio"):
        encoder.encode([Image(torch.zeros(3, 4, 4))])


def test_a_text_that_spells_control_tokens_or_never_ends_is_read_as_text(
    encoder: CLAPEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    tokenize = encoder._tokenizer

    def spy(text: str, **options: Any) -> Any:
        made = tokenize(text, **options)
        read.append(made["input_ids"].shape[1])
        return made

    monkeypatch.setattr(encoder, "_tokenizer", spy)
    encoder.encode([Text("</s>")])
    assert read == [4]  # its letters, not the one token
    assert encoder.encode([Text("bell " * 500)]).pooled.isfinite().all()


def test_a_folder_must_hold_exactly_a_clap(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = tmp_path / "model.safetensors"
    tensors = load_file(weights)
    name = "audio_projection.linear1.weight"
    save_file(
        {n: v for n, v in tensors.items() if n != name} | {"prototype": torch.zeros(1)}, weights, {"format": "pt"}
    )
    with pytest.raises(ValueError, match=f"1 missing: {name}; 1 extra: prototype"):
        CLAPEncoder.from_folder(tmp_path)
    weights.unlink()
    with pytest.raises(ValueError, match="cannot be loaded"):
        CLAPEncoder.from_folder(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    for field in ({"auto_map": {"AutoModel": "evil.Model"}}, {"attn_implementation": "somebody/kernel"}):
        (tmp_path / "config.json").write_text(json.dumps(config | field))
        with pytest.raises(ValueError, match="asks for code of its own"):
            CLAPEncoder.from_folder(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config | {"transformers_weights": "other.bin"}))
    with pytest.raises(ValueError, match="names other weights"):
        CLAPEncoder.from_folder(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ValueError, match="holds an adapter"):
        CLAPEncoder.from_folder(tmp_path)


def test_it_computes_at_half_precision(folder: Path) -> None:
    assert_computes_at_half_precision("clap", folder)
