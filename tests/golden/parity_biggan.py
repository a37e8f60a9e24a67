"""BigGAN-deep: the images at each recorded truncation, and the layers on the way."""

import re
from collections.abc import Iterator
from pathlib import Path

import torch
from parity import Compared, as_recorded
from safetensors.torch import load_file
from torch import Tensor, nn

from pipelines.pretrained.biggan import read_biggan

PREFIX = "biggan_deep"
TRUNCATED = re.compile(r"(?:out\.image|mid\.layer(?P<layer>\d+))_trunc(?P<truncation>[0-9.]*[0-9])(?:_ds\d+)?")


@torch.no_grad()
def compare(folder: Path) -> Iterator[Compared]:
    """Run the recorded latents at every recorded truncation."""
    recorded = load_file(folder / "io.safetensors")
    network = read_biggan(folder / "weights.safetensors").eval()
    seen: dict[str, Tensor] = {}

    def keep(name: str, module: nn.Module) -> None:
        module.register_forward_hook(lambda _module, _inputs, made: seen.__setitem__(name, made))

    keep("mid.gen_z", network.generator.gen_z)
    for number, layer in enumerate(network.generator.layers):
        keep(f"mid.layer{number}", layer)
    network.generator.register_forward_pre_hook(lambda _, inputs: seen.__setitem__("mid.cond_vector", inputs[0]))
    found = {name: match for name in recorded if (match := TRUNCATED.fullmatch(name))}
    for truncation in dict.fromkeys(match["truncation"] for match in found.values()):
        image = network(recorded["in.z"], recorded["in.class_vector"], float(truncation))
        for name, match in found.items():
            if match["truncation"] == truncation:
                made = image if match["layer"] is None else seen[f"mid.layer{match['layer']}"]
                yield name, as_recorded(made, recorded[name], name), recorded[name]
    for name in {"mid.cond_vector", "mid.gen_z"} & set(recorded):
        yield name, seen[name], recorded[name]
