"""Make safetensors of a model's pickled weights, of which nothing but tensors is read: `python -m pipelines.safe_weights`.

Many older cores (Vicuna among them) were published as pytorch_model*.bin alone.
"""

import argparse
import json
import re
from pathlib import Path

from safetensors.torch import save_file

from encoders.safe_folder import INDEX
from encoders.weights import read_weights

# How pickled weights are called, in transformers and in diffusers, and how their safetensors are.
STEMS = {
    "pytorch_model": "model",
    "diffusion_pytorch_model": "diffusion_pytorch_model",
    "adapter_model": "adapter_model",
}
SHARD = re.compile(r"-\d+-of-\d+")


def convert(folder: Path) -> list[Path]:
    """Write safetensors beside a folder's pickled weights; return the files, the index last if there is one.

    Raises ValueError if a file holds anything but named tensors. An interrupted conversion leaves nothing that counts.
    """
    sources = sorted(path for path in folder.glob("*.bin") if path.name.startswith(tuple(STEMS)))
    if not sources:
        raise ValueError(
            f"{folder} holds no weights to make safetensors of; wanted {', '.join(STEMS)}, ending in .bin."
        )
    parts: list[tuple[Path, Path]] = []
    weight_map: dict[str, str] = {}
    size = 0
    for source in sources:
        stem = next(stem for stem in STEMS if source.name.startswith(stem))
        name = source.name.replace(stem, STEMS[stem]).replace(".bin", ".safetensors")
        # In memory of its own: tied tensors share theirs, which safetensors refuses.
        tensors = {key: value.detach().clone().contiguous() for key, value in read_weights(source).items()}
        part = folder / f".{name}.part"
        save_file(tensors, part, metadata={"format": "pt"})
        parts.append((part, folder / name))
        if SHARD.search(name):
            weight_map |= dict.fromkeys(tensors, name)
            size += sum(tensor.nbytes for tensor in tensors.values())
    if weight_map:
        index = {"metadata": {"total_size": size}, "weight_map": weight_map}
        name = f"{STEMS[stem]}{INDEX}"
        part = folder / f".{name}.part"
        part.write_text(json.dumps(index, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        parts.append((part, folder / name))
    return [part.rename(target) for part, target in parts]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the folder that holds the weights (*.bin)")
    for path in convert(parser.parse_args().folder):
        print(path)


if __name__ == "__main__":
    main()
