"""The trainers of the preset's parts: batches, losses and tokenizers, and that what they build loads with the stock loaders."""

import random
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderTiny, DiffusionPipeline
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize
from transformers import AutoTokenizer, CLIPTokenizer, T5Tokenizer

from training.foundation import audio, command, image, mel, mel_vae, pairs, tokenizers, vae, video, vocoder
from training.foundation.latents import latent_pool, pool_scene
from training.loop import Batch, LoopOptions
from training.world.scene import Kind, Scene, Thing
from training.world.split import is_trained


@pytest.mark.parametrize("kind", ["one", "two", "video"])
def test_a_family_differs_in_one_thing_and_is_trained(kind: Kind) -> None:
    scenes = pairs.family(random.Random(1), kind)
    assert len(set(scenes)) == len(scenes) == pairs.FAMILY
    assert all(is_trained(scene) for scene in scenes)


def test_contrastive_loss_is_cross_entropy_where_every_item_matches_itself_alone() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(2, 6, 8)
    logits = 5 * normalize(a, dim=-1) @ normalize(b, dim=-1).T
    wanted = (cross_entropy(logits, torch.arange(6)) + cross_entropy(logits.T, torch.arange(6))) / 2
    torch.testing.assert_close(pairs.contrastive_loss(a, b, torch.eye(6), torch.tensor(5.0)), wanted)


def test_what_matches_nothing_counts_in_the_contrastive_loss_as_a_near_miss_alone() -> None:
    a, b = torch.randn(4, 8), torch.randn(6, 8)
    same = torch.eye(4, 6)  # the last two of b match nothing
    logits = 5 * normalize(a, dim=-1) @ normalize(b, dim=-1).T
    wanted = (cross_entropy(logits, torch.arange(4)) + cross_entropy(logits.T[:4], torch.arange(4))) / 2
    torch.testing.assert_close(pairs.contrastive_loss(a, b, same, torch.tensor(5.0)), wanted)


def test_captions_fit_the_decoders_conditions() -> None:
    clip, t5 = tokenizers.caption_clip_tokenizer(), tokenizers.t5_tokenizer()
    texts = list(tokenizers.captions(300, seed=1))
    assert max(len(ids) for ids in clip(texts).input_ids) <= tokenizers.CAPTION_LENGTH
    assert max(len(ids) for ids in t5([text for text in texts if "sound" not in text]).input_ids) <= 24


def test_tokenizers_come_back_the_same_from_their_folders(tmp_path: Path) -> None:
    text = "a small red bell to the left of an orange tree"
    for number, (tokenizer, kind) in enumerate(
        [(tokenizers.caption_clip_tokenizer(), CLIPTokenizer), (tokenizers.t5_tokenizer(), T5Tokenizer)]
    ):
        tokenizer.save_pretrained(tmp_path / str(number))
        assert kind.from_pretrained(tmp_path / str(number))(text).input_ids == tokenizer(text).input_ids
    audio.roberta_tokenizer().save_pretrained(tmp_path / "roberta")
    assert (
        AutoTokenizer.from_pretrained(tmp_path / "roberta")(text).input_ids == audio.roberta_tokenizer()(text).input_ids
    )


def test_a_part_that_is_asked_to_stop_leaves_a_checkpoint_and_is_not_finished(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = command.parser("A part.", steps=6, batch_size=2).parse_args(["--output", str(tmp_path)])

    def batch_of(step: int) -> Batch:
        if step == 2:
            signal.raise_signal(signal.SIGTERM)
        return {"x": torch.ones(2, 3)}

    def loss_of(model: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        return {"loss": model(batch["x"]).square().mean()}

    options = LoopOptions(steps=6, learning_rate=0.1)
    with pytest.raises(SystemExit) as end:
        command.run(nn.Linear(3, 1), batch_of, loss_of, options, arguments, lambda path: path.touch())
    assert end.value.code == 128 + signal.SIGTERM
    assert "Stopped after step 3" in capsys.readouterr().err
    assert (tmp_path / "step-00000003").is_dir()
    assert not (tmp_path / "samples-final.png").exists()


def test_the_vocoder_makes_as_many_samples_as_the_columns_stand_for() -> None:
    columns = mel.log_mel(torch.randn(1, 32000) * 0.1)
    assert columns.shape == (1, mel.NUM_COLUMNS, mel.NUM_MELS)
    with torch.no_grad():
        assert vocoder.build()(columns).shape == (1, 32000)


def test_the_spectral_distance_of_a_sound_to_itself_is_zero() -> None:
    sound = torch.randn(2, 8000) * 0.1
    assert [float(value) for value in vocoder.spectral_distance(sound, sound)] == [0.0, 0.0]


def test_the_pool_of_latents_grows_and_is_kept(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = vae.build().eval()
    few = latent_pool(network, tmp_path, size=3, seed=0, kinds=("one", "two"))
    more = latent_pool(network, tmp_path, size=4, seed=0, kinds=("one", "two"))
    assert few.shape == (3, 8, 8, 8)
    assert (more[:3] == few).all()
    assert pool_scene(0, 1, ("one", "two")) == pool_scene(0, 1, ("one", "two"))


def test_the_image_pipeline_loads_with_the_stock_loader_and_makes_an_image(tmp_path: Path) -> None:
    tokenizer = tokenizers.caption_clip_tokenizer()
    image.pipeline_of(image.build(tokenizer), vae.build(), tokenizer).save_pretrained(tmp_path)
    loaded = DiffusionPipeline.from_pretrained(tmp_path)
    loaded.set_progress_bar_config(disable=True)
    made = loaded("a red bell", num_inference_steps=1, output_type="np").images
    assert made.shape == (1, 64, 64, 3)


def test_the_audio_pipeline_loads_with_the_stock_loader_and_makes_a_sound(tmp_path: Path) -> None:
    tokenizer = audio.roberta_tokenizer()
    audio.pipeline_of(audio.build(tokenizer), mel_vae.build(), vocoder.build(), tokenizer).save_pretrained(tmp_path)
    loaded = DiffusionPipeline.from_pretrained(tmp_path)
    loaded.set_progress_bar_config(disable=True)
    assert loaded("a bell", audio_length_in_s=2.0, num_inference_steps=1).audios.shape == (1, 32000)


def test_the_video_pipeline_loads_with_the_stock_loader_and_makes_a_video(tmp_path: Path) -> None:
    tokenizer = tokenizers.t5_tokenizer()
    video.pipeline_of(video.build(tokenizer), vae.build(), tokenizer).save_pretrained(tmp_path)
    loaded = DiffusionPipeline.from_pretrained(tmp_path)
    loaded.set_progress_bar_config(disable=True)
    options = {"height": 64, "width": 64, "video_length": 8, "clean_caption": False}
    frames = loaded("a red bell moving left", num_inference_steps=1, output_type="pt", **options).frames
    assert frames.shape == (1, 8, 3, 64, 64)


def test_autoencoders_are_convolutional_so_crops_and_whole_pictures_share_weights() -> None:
    torch.manual_seed(0)
    network: AutoencoderTiny = vae.build().eval()
    with torch.no_grad():
        assert network.encode(torch.zeros(1, 3, 40, 40)).latents.shape == (1, 8, 5, 5)
        assert network.encode(torch.zeros(1, 3, 64, 64)).latents.shape == (1, 8, 8, 8)


def test_a_text_that_names_a_size_fits_that_size_alone_and_one_without_fits_both() -> None:
    big, small = (Scene((Thing("bell", "red", size),), "sky") for size in ("big", "small"))
    same = pairs.matches([big, small, big], ["a huge red bell in the sky", "a red bell in the sky", "one red bell"])
    assert same.tolist() == [[1, 1, 1], [0, 1, 1], [1, 1, 1]]
