"""The baselines by the name of their class, as a folder's config.json says it; a new one costs a line here."""

from importlib import import_module
from pathlib import Path

from pipelines.baselines.base import Baseline
from pipelines.baselines.folder import CLASS_NAME
from pipelines.checkpoint import CONFIG
from pipelines.presets import preset_folder
from pipelines.safe_folder import read_json

BASELINES = {
    "BigGAN": "pipelines.baselines.biggan:BigGAN",
    "StyleGAN2": "pipelines.baselines.stylegan2:StyleGAN2",
    "VAE": "pipelines.baselines.vae:VAE",
}


def load_baseline(name: Path | str) -> Baseline:
    """Load whichever baseline a folder or hub repository holds. Raises ValueError for an unknown one."""
    folder = preset_folder(name)
    found = read_json(folder / CONFIG).get(CLASS_NAME)
    if found not in BASELINES:
        raise ValueError(f"{folder / CONFIG} describes {found!r}; wanted one of: {', '.join(BASELINES)}.")
    module, class_name = BASELINES[found].split(":")
    baseline: Baseline = getattr(import_module(module), class_name).from_pretrained(folder)
    return baseline
