"""The baselines by the name of their class, as a folder's config.json says it; a new one costs a line here."""

from importlib import import_module
from pathlib import Path

from encoders.safe_folder import read_json
from pipelines.baselines.base import Baseline
from pipelines.baselines.folder import CLASS_NAME
from pipelines.checkpoint import CONFIG
from pipelines.presets import LAB, PACKAGED, preset_folder

BASELINES = {
    "BigGAN": "pipelines.baselines.biggan:BigGAN",
    "StyleGAN2": "pipelines.baselines.stylegan2:StyleGAN2",
    "VAE": "pipelines.baselines.vae:VAE",
}
EMBEDDED = PACKAGED / "tiny" / LAB
FAMILIES = ("vae", "biggan", "stylegan")  # the names of the embedded ones, and of their trainings


def embedded_baselines() -> tuple[str, ...]:
    """Return the names of the baselines that are packaged."""
    return tuple(name for name in FAMILIES if (EMBEDDED / name / CONFIG).is_file())


def load_baseline(name: Path | str) -> Baseline:
    """Load the embedded vae, biggan or stylegan, or whichever baseline a folder or hub repository holds.

    Raises ValueError for an unknown one.
    """
    if str(name) in FAMILIES and str(name) not in embedded_baselines():
        raise ValueError(
            f"No {name} is embedded. Train one (studio train {name} --data world --output runs/{name}), then name its "
            f"folder."
        )
    folder = preset_folder(EMBEDDED / str(name) if str(name) in FAMILIES else name)
    found = read_json(folder / CONFIG).get(CLASS_NAME)
    if found not in BASELINES:
        raise ValueError(f"{folder / CONFIG} describes {found!r}; wanted one of: {', '.join(BASELINES)}.")
    module, class_name = BASELINES[found].split(":")
    baseline: Baseline = getattr(import_module(module), class_name).from_pretrained(folder)
    return baseline
