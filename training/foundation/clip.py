"""Train the small CLIP (pictures and text) and save it in open_clip's own folder format.

    python -m training.foundation.clip --output runs/clip

As for ImageBind, a reading aid that is thrown away afterwards (`readout.py`) asks the tokens for every attribute, and
`--pooled-alone` trains what comes after the tokens, so that what a core reads stays the same to the last bit.
"""

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import normalize

from encoders.clip import ClipPixels, clip_tokenizer, create_clip, image_tokens, save_clip, tiny_clip_config
from encoders.text_tokens import train_tokenizer
from encoders.transforms import image_batch
from training.foundation.command import options_of, parser, run, save_grid
from training.foundation.isolation import recoloured_pictures
from training.foundation.pairs import contrastive_loss, matches, pictures, top1
from training.foundation.readout import Readout, answers, readout_loss
from training.foundation.tokenizers import captions
from training.loop import Batch, LoopOptions

LOOP = LoopOptions(steps=0, learning_rate=6e-4, warmup_steps=200, weight_decay=0.05, precision="bf16", ema_decay=0.998)
VOCABULARY = 600
IMAGE_SIZE = 64
SCALE = 20.0  # of the cosines, also in the finished model
READING = 4.0  # the weight of the reading aid's loss


def config_of(vocab_size: int) -> dict[str, Any]:
    """open_clip's model config at the size of the embedded preset."""
    config = tiny_clip_config(vocab_size)
    config["vision_cfg"] |= {"width": 128, "layers": 6, "head_width": 32}
    config["text_cfg"] |= {"width": 128, "heads": 4, "layers": 3}
    return config


class Reading(nn.Module):
    """Both towers, and the reading aid, as one forward pass."""

    def __init__(self, model: Any, readout: Readout) -> None:
        super().__init__()
        self.model: Any = model  # open_clip has no types
        self.readout = readout

    def forward(
        self, images: Tensor, ids: Tensor, recoloured: Tensor | None = None
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Pictures, ids (B, T), maybe pictures to read alone -> the first ones' and the texts' vectors, and what was read."""
        if recoloured is None:
            return image_tokens(self.model, images)[1], self.model.encode_text(ids), []
        tokens, pooled = image_tokens(self.model, torch.cat([images, recoloured]))
        return pooled[: len(images)], self.model.encode_text(ids), self.readout(tokens)


def loss_of(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """CLIP's loss with every match a positive, and that of reading; how often what is read is right in all."""
    image, text, read = model(batch["images"], batch["ids"], batch.get("recoloured"))
    bound = contrastive_loss(image, text, batch["same"], torch.tensor(SCALE))
    losses = {"loss": bound, "bound": bound, "top1": top1(image, text, batch["same"])}
    if not read:
        return losses
    reading, share = readout_loss(read, batch["answers"])
    return losses | {"loss": bound + READING * reading, "reading": reading, "read": share}


def main() -> None:
    """Train, and save `<output>/clip`, which stock open_clip loads with the schema local-dir."""
    made = parser(__doc__ or "", steps=2500, batch_size=48)
    made.add_argument(
        "--pooled-alone", action="store_true", help="train the text tower and the layer after the tokens alone"
    )
    arguments = made.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(arguments.seed)
    tokens = (arguments.init_from or arguments.output) / "tokenizer.json"
    if not tokens.is_file():
        train_tokenizer(captions(20000), VOCABULARY, tokens)
    tokenizer = clip_tokenizer(tokens)
    config = config_of(len(tokenizer))
    model = create_clip(config)
    if arguments.init_from:
        model.load_state_dict(
            {n: v.float() for n, v in load_file(arguments.init_from / "open_clip_model.safetensors").items()}
        )
    reading = Reading(model, Readout(config["vision_cfg"]["width"]))
    if arguments.pooled_alone:
        reading.model.visual.requires_grad_(False)
        reading.model.visual.proj.requires_grad_(True)
    reading.model.logit_scale.requires_grad_(False).fill_(math.log(SCALE))
    pixels = ClipPixels(image_size=IMAGE_SIZE)

    def batch(step: int, side_seed: int = 0) -> Batch:
        rng = random.Random(f"clip {arguments.seed} {side_seed} {step}")
        images, texts, scenes = pictures(rng, arguments.batch_size)
        length = config["text_cfg"]["context_length"]
        ids = tokenizer(texts, padding="max_length", max_length=length, truncation=True, return_tensors="pt").input_ids
        bound = {"images": image_batch(torch.from_numpy(images), pixels), "ids": ids, "same": matches(scenes, texts)}
        if arguments.pooled_alone:
            return bound
        recoloured, recoloured_answers = recoloured_pictures(rng, arguments.batch_size // 3)
        return bound | {
            "recoloured": image_batch(recoloured, pixels),
            "answers": torch.cat([answers(scenes), recoloured_answers]),
        }

    def preview(path: Path) -> None:
        given = {name: value.to(next(reading.parameters()).device) for name, value in batch(0, side_seed=1).items()}
        image, text, _ = reading(given["images"], given["ids"])
        grey = (
            (normalize(image.float(), dim=-1) @ normalize(text.float(), dim=-1).T)
            .clamp(0, 1)
            .mul(255)
            .byte()
            .cpu()
            .numpy()
        )
        save_grid(np.repeat(grey[None, ..., None], 3, axis=-1), path, columns=1, scale=8)

    run(reading, batch, loss_of, options_of(arguments, LOOP), arguments, preview)
    save_clip(model, config, tokenizer, arguments.output / "clip")


if __name__ == "__main__":
    main()
