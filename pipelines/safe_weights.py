"""Make safetensors of a model's pickled weights, of which nothing but tensors is read: `python -m pipelines.safe_weights`.

Many older cores (Vicuna among them) were published as pytorch_model*.bin alone.
"""

import argparse
import json
from pathlib import Path

from safetensors.torch import save_file

from encoders.weights import read_weights
from pipelines.safe_folder import INDEX


def convert(folder: Path) -> list[Path]:
    """Write model*.safetensors beside a folder's pytorch_model*.bin; return the files, the index last if there is one.

    Raises ValueError if a file holds anything but named tensors. An interrupted conversion leaves nothing that counts.
    """
    sources = sorted(folder.glob("pytorch_model*.bin"))
    if not sources:
        raise ValueError(f"{folder} holds no pytorch_model*.bin to make safetensors of.")
    names = {
        source: source.name.replace("pytorch_model", "model").replace(".bin", ".safetensors") for source in sources
    }
    parts: list[tuple[Path, Path]] = []
    weight_map: dict[str, str] = {}
    size = 0
    for source, name in names.items():
        # In memory of its own: tied tensors share theirs, which safetensors refuses.
        tensors = {key: value.detach().clone().contiguous() for key, value in read_weights(source).items()}
        part = folder / f".{name}.part"
        save_file(tensors, part, metadata={"format": "pt"})
        parts.append((part, folder / name))
        weight_map |= dict.fromkeys(tensors, name)
        size += sum(tensor.nbytes for tensor in tensors.values())
    if len(parts) > 1:
        index = {"metadata": {"total_size": size}, "weight_map": weight_map}
        part = folder / f".model{INDEX}.part"
        part.write_text(json.dumps(index, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        parts.append((part, folder / f"model{INDEX}"))
    return [part.rename(target) for part, target in parts]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the folder that holds pytorch_model*.bin")
    for path in convert(parser.parse_args().folder):
        print(path)


if __name__ == "__main__":
    main()
