"""Train the small ImageBind: vision (pictures and videos), text and audio bound contrastively.

    python -m training.foundation.imagebind --sounds runs/sounds --output runs/imagebind

Pictures, videos and sounds are each bound to their captions, and sounds to pictures of their thing, as in Girdhar 2023.
A reading aid that is thrown away afterwards (`readout.py`) asks the tokens for every attribute along the way, and sounds
from outside the world whether they are known. `--audio-alone` trains the audio tower of a finished ImageBind and leaves the rest;
`--pooled-alone` trains what comes after the tokens, so that what a core reads stays the same to the last bit.
"""

import random
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import normalize

from encoders.imagebind import core_tokens, save_imagebind
from encoders.imagebind_config import ImageBindConfig
from encoders.imagebind_model import ImageBind
from encoders.modality import Modality
from encoders.text_tokens import file_encode, text_batch, train_tokenizer
from encoders.transforms import audio_batch, image_batch, video_batch
from training.foundation.command import options_of, parser, run, save_grid
from training.foundation.isolation import partial_videos, recoloured, recoloured_pictures
from training.foundation.mel import sound_pool, sound_scene, waveforms
from training.foundation.pairs import contrastive_loss, matches, pictures, top1, videos
from training.foundation.readout import Readout, answers, readout_loss
from training.foundation.tokenizers import captions
from training.loop import Batch, LoopOptions
from training.world.captions import caption
from training.world.pictures import render_image
from training.world.scene import Kind, Scene
from training.world.split import draw

LOOP = LoopOptions(steps=0, learning_rate=6e-4, warmup_steps=200, weight_decay=0.05, precision="bf16", ema_decay=0.998)
VOCABULARY = 600
SCALE = 20.0  # of the cosines in every contrastive loss


def config_of(vocab_size: int) -> ImageBindConfig:
    """The sizes of the embedded preset: every tower 128 wide."""
    base = ImageBindConfig.tiny(vocab_size)
    assert base.vision is not None and base.text is not None and base.audio is not None
    return replace(
        base,
        vision=replace(base.vision, width=128, num_blocks=6, num_heads=4),
        text=replace(base.text, width=128, num_blocks=3, num_heads=4),
        audio=replace(base.audio, width=128, num_blocks=4, num_heads=4, stride=16),
    )


BOUND = ("images", "videos", "audio")  # each to its captions
WEIGHTS = {"images": 2.0, "videos": 1.0, "audio": 0.5, "bound": 1.0}  # of the contrastive losses
# What is read off the tokens, and how much that counts.
READ = {
    "images": (Modality.IMAGE, 2.0),
    "recoloured": (Modality.IMAGE, 2.0),
    "videos": (Modality.VIDEO, 1.0),
    "partial": (Modality.VIDEO, 1.0),
    "audio": (Modality.AUDIO, 0.5),
    "foreign": (Modality.AUDIO, 0.5),
}
HEARD = ("audio", "foreign")


class Binding(nn.Module):
    """All towers, and the reading aid, as one forward pass over what is in a batch."""

    def __init__(self, model: ImageBind, readout: Readout) -> None:
        super().__init__()
        self.model, self.readout = model, readout

    def forward(self, batch: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, list[Tensor]]]:
        """Named inputs, several of which may go through one tower -> their pooled vectors, and what was read off them."""
        bound, reads = _there(BOUND, batch), [name for name in READ if f"{name}_answers" in batch]
        seen = {
            name: self.model.run("audio" if name in HEARD else "vision", batch[name])
            for name in dict.fromkeys((*reads, *bound, "bound"))
        }
        texts = self.model.run("text", torch.cat([batch[f"{name}_text"] for name in bound])).pooled
        sizes = [len(batch[name]) for name in bound]
        pooled = {name: seen[name].pooled for name in (*bound, "bound")}
        pooled |= dict(zip((f"{name}_text" for name in bound), texts.split(sizes), strict=True))
        read = {name: self.readout(core_tokens(self.model, READ[name][0], batch[name], seen[name])) for name in reads}
        return pooled, read


def loss_of(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """The contrastive losses and those of reading; how often the nearest caption, and all that is read, is right."""
    vectors, read = model(batch)
    scale, bound = torch.tensor(SCALE), _there(BOUND, batch)
    losses = {
        name: contrastive_loss(vectors[name], vectors[f"{name}_text"], batch[f"{name}_same"], scale) for name in bound
    }
    losses["bound"] = contrastive_loss(vectors["audio"], vectors["bound"], batch["bound_same"], scale)
    loss = sum(WEIGHTS[name] * value for name, value in losses.items())
    shares = {f"{name}_top1": top1(vectors[name], vectors[f"{name}_text"], batch[f"{name}_same"]) for name in bound}
    shares["bound_top1"] = top1(vectors["audio"], vectors["bound"], batch["bound_same"])
    for name in read:
        losses[f"{name}_reading"], shares[f"{name}_read"] = readout_loss(read[name], batch[f"{name}_answers"])
        loss = loss + READ[name][1] * losses[f"{name}_reading"]
    return {"loss": torch.as_tensor(loss), **losses, **shares}


def _there(names: Iterable[str], batch: Mapping[str, Tensor]) -> list[str]:
    return [name for name in names if name in batch]


def main() -> None:
    """Train, and save `<output>/imagebind` as encoders.imagebind reads it."""
    made = parser(__doc__ or "", steps=5000, batch_size=32)
    made.add_argument("--sounds", type=Path, required=True, help="folder that keeps the pool of sounds")
    made.add_argument("--pool", type=int, default=9600, help="sounds rendered once")
    alone = made.add_mutually_exclusive_group()
    alone.add_argument(
        "--audio-alone", action="store_true", help="train the audio tower alone, on four times the sounds"
    )
    alone.add_argument(
        "--pooled-alone", action="store_true", help="train the text tower and the layers after the tokens alone"
    )
    arguments = made.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(arguments.seed)
    tokens = arguments.output / "tokenizer.json"
    if arguments.init_from:
        shutil.copy(arguments.init_from / "tokenizer.json", tokens)
    vocab_size = train_tokenizer(captions(20000), VOCABULARY, tokens) if not tokens.is_file() else _vocab_size(tokens)
    config = config_of(vocab_size)
    assert config.vision is not None and config.text is not None and config.audio is not None
    vision, text, audio = config.vision, config.text, config.audio
    model = ImageBind(config)
    readout = Readout(vision.width)
    if arguments.init_from:
        model.load_state_dict(
            {name: value.float() for name, value in load_file(arguments.init_from / "model.safetensors").items()}
        )
    encode = file_encode(tokens, text)
    if arguments.audio_alone:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name.split(".")[1] == "audio")
    if arguments.pooled_alone:
        for name, parameter in model.named_parameters():
            kind, tower, place, *_ = name.split(".")
            # A head is a LayerNorm, which still makes tokens, and what makes the pooled vector of them.
            parameter.requires_grad_(tower == "text" or (kind == "modality_heads" and place != "0"))
    pools = {
        "audio": sound_pool(arguments.sounds, size=arguments.pool, seed=0, kind="heard", workers=arguments.workers),
        "foreign": sound_pool(
            arguments.sounds, size=arguments.pool // 4, seed=0, kind="foreign", workers=arguments.workers
        ),
    }

    def batch(step: int, side_seed: int = 0) -> Batch:
        rng = random.Random(f"imagebind {arguments.seed} {side_seed} {step}")
        if arguments.audio_alone:
            return heard_batch(rng, arguments.batch_size)
        images, image_texts, image_scenes = pictures(rng, arguments.batch_size)
        frames, video_texts, video_scenes = videos(rng, arguments.batch_size // 2)
        to_bind = {
            "images": image_batch(torch.from_numpy(images), vision),
            "images_text": text_batch(image_texts, encode, text),
            "images_same": matches(image_scenes, image_texts),
            "videos": video_batch(torch.from_numpy(frames), vision),
            "videos_text": text_batch(video_texts, encode, text),
            "videos_same": matches(video_scenes, video_texts),
        }
        if arguments.pooled_alone:
            return heard_batch(rng, arguments.batch_size // 2) | to_bind
        recoloured, recoloured_answers = recoloured_pictures(rng, arguments.batch_size // 2)
        partial, partial_answers = partial_videos(rng, arguments.batch_size)
        to_read = {
            "images_answers": answers(image_scenes),
            "recoloured": image_batch(recoloured, vision),
            "recoloured_answers": recoloured_answers,
            "partial": video_batch(partial, vision),
            "partial_answers": partial_answers,
            "videos_answers": answers(video_scenes),
        }
        return heard_batch(rng, arguments.batch_size // 4) | to_bind | to_read

    def heard_batch(rng: random.Random, count: int) -> dict[str, Tensor]:
        places = [rng.randrange(len(pools["audio"])) for _ in range(count)]
        heard = [sound_scene(0, place)[0] for place in places]
        shown = [_with_thing_of(scene, rng, "one") for scene in heard]
        shown += [_with_thing_of(scene, rng, "two") for scene in heard]  # near misses: its thing, beside another
        images = torch.stack([_in_any_colours(scene, rng) for scene in shown])
        texts = [caption(scene, rng.getrandbits(31), kind="audio") for scene in heard]
        to_bind = {
            "audio": audio_batch(waveforms(pools["audio"], places), audio),
            "audio_text": text_batch(texts, encode, text),
            "audio_same": matches(heard, texts),
            "bound": image_batch(images, vision),
            "bound_same": _alone(heard, shown),
        }
        if arguments.pooled_alone:
            return to_bind
        foreign = [rng.randrange(len(pools["foreign"])) for _ in range(max(1, count // 3))]
        to_read = {
            "audio_answers": answers(heard, heard=True),
            "foreign": audio_batch(waveforms(pools["foreign"], foreign), audio),
            "foreign_answers": answers([None] * len(foreign), heard=True),
        }
        return to_bind | to_read

    def preview(path: Path) -> None:
        given = {name: value.to(next(model.parameters()).device) for name, value in batch(0, side_seed=1).items()}
        vectors, _ = Binding(model, readout)(given)
        name = "audio" if arguments.audio_alone else "images"
        cosines = normalize(vectors[name].float(), dim=-1) @ normalize(vectors[f"{name}_text"].float(), dim=-1).T
        grey = ((cosines.clamp(0, 1)) * 255).byte().cpu().numpy()
        save_grid(np.repeat(grey[None, ..., None], 3, axis=-1), path, columns=1, scale=8)

    run(Binding(model, readout), batch, loss_of, options_of(arguments, LOOP), arguments, preview)
    save_imagebind(model, arguments.output / "imagebind")
    shutil.copy(tokens, arguments.output / "imagebind" / "tokenizer.json")


def _with_thing_of(heard: Scene, rng: random.Random, kind: Kind) -> Scene:
    """A picture's scene that shows the thing that is heard, alone or beside another."""
    while True:
        scene = draw(rng, kind, "train")
        if heard.thing.name in [thing.name for thing in scene.things]:
            return scene


def _in_any_colours(scene: Scene, rng: random.Random) -> Tensor:
    """A picture, uint8 (64, 64, 3), whose hues are turned half of the time: a sound tells nothing of them."""
    picture = torch.from_numpy(render_image(scene, rng.getrandbits(31)))
    return recoloured(picture, rng, scene) if rng.random() < 0.5 else picture


def _alone(heard: Sequence[Scene], shown: Sequence[Scene]) -> Tensor:
    """(N, M) float: 1 where a picture shows nothing but the thing that is heard, else 0."""
    names = [[thing.name for thing in scene.things] for scene in shown]
    return torch.tensor([[float(name == [scene.thing.name]) for name in names] for scene in heard])


def _vocab_size(path: Path) -> int:
    from tokenizers import Tokenizer

    return int(Tokenizer.from_file(str(path)).get_vocab_size()) + 2


if __name__ == "__main__":
    main()
