"""Name and shape the tensors of a StyleGAN2 generator in rosinality's layout as NVIDIA's PyTorch releases do."""

from collections.abc import Callable, Mapping

from torch import Tensor

from pipelines.baselines.stylegan2_config import FIRST_SIZE

# Parts of a styled convolution and of a convolution to colours: rosinality's name -> NVIDIA's.
CONV = {
    "conv.weight": "weight", "conv.modulation.weight": "affine.weight", "conv.modulation.bias": "affine.bias",
    "noise.weight": "noise_strength", "activate.bias": "bias",
}  # fmt: skip
TO_RGB = {
    "conv.weight": "weight", "conv.modulation.weight": "affine.weight", "conv.modulation.bias": "affine.bias",
    "bias": "bias",
}  # fmt: skip
# The last part of NVIDIA's name -> what to do with rosinality's tensor, where it has axes more or the gain in it.
RESHAPED: Mapping[str, Callable[[Tensor], Tensor]] = {
    "const": lambda tensor: tensor[0],
    "weight": lambda tensor: tensor[0] if tensor.ndim == 5 else tensor,
    "bias": lambda tensor: tensor.flatten(),
    "noise_strength": lambda tensor: tensor[0],
    "noise_const": lambda tensor: tensor[0, 0],
    "resample_filter": lambda tensor: tensor / 4,
}


def nvlabs_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the same tensors under NVIDIA's names; a name that is not known stays, for a strict load to report."""
    num_mapping = sum(name.startswith("style.") and name.endswith(".weight") for name in state)
    num_doublings = sum(name.startswith("to_rgbs.") and name.endswith(".conv.weight") for name in state)
    names = nvlabs_names(num_mapping, num_doublings)
    renamed = {}
    for theirs, tensor in state.items():
        name = names.get(theirs, theirs)
        reshape = RESHAPED.get(name.rsplit(".", 1)[-1])
        renamed[name] = reshape(tensor) if reshape is not None and theirs in names else tensor
    # NVIDIA's have the filter in every layer and block, rosinality's where something is enlarged.
    taps = next((tensor for name, tensor in renamed.items() if name.endswith(".resample_filter")), None)
    if taps is not None:
        convs = [name.removesuffix("noise_strength") for name in names.values() if name.endswith(".noise_strength")]
        for place in (*convs, f"synthesis.b{FIRST_SIZE}."):
            renamed.setdefault(f"{place}resample_filter", taps)
    return renamed


def nvlabs_names(num_mapping: int, num_doublings: int) -> dict[str, str]:
    """Return NVIDIA's name for each of rosinality's."""
    first = f"synthesis.b{FIRST_SIZE}"
    names = {"input.input": f"{first}.const", "noises.noise_0": f"{first}.conv1.noise_const"}
    for number in range(num_mapping):
        for part in ("weight", "bias"):
            names[f"style.{number + 1}.{part}"] = f"mapping.fc{number}.{part}"
    convs, colours = {"conv1": f"{first}.conv1"}, {"to_rgb1": f"{first}.torgb"}
    for level in range(num_doublings):
        block = f"synthesis.b{2 * FIRST_SIZE << level}"
        colours[f"to_rgbs.{level}"] = f"{block}.torgb"
        names[f"to_rgbs.{level}.upsample.kernel"] = f"{block}.resample_filter"
        names[f"convs.{2 * level}.conv.blur.kernel"] = f"{block}.conv0.resample_filter"
        for which in (0, 1):
            convs[f"convs.{2 * level + which}"] = f"{block}.conv{which}"
            names[f"noises.noise_{2 * level + 1 + which}"] = f"{block}.conv{which}.noise_const"
    for places, parts in ((convs, CONV), (colours, TO_RGB)):
        for theirs, ours in places.items():
            names |= {f"{theirs}.{part}": f"{ours}.{name}" for part, name in parts.items()}
    return names
