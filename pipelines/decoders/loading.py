"""The decoders by the kind that a model's config names, and their loading from stock diffusers folders, strictly."""

import inspect
import warnings
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import diffusers
from transformers import PreTrainedModel

from encoders.modality import Modality
from encoders.weights import check_report
from pipelines.decoders.base import Decoder, DecoderConfig
from pipelines.decoders.catalogue import Component, ModelIndex, read_model_index
from pipelines.decoders.placement import Placement, dtype_of, place
from pipelines.decoders.weights import check_files, standard_names
from pipelines.quiet import quiet

DECODERS = {
    "ace_step": "pipelines.decoders.ace_step:AceStepDecoder",
    "prompt_embeds": "pipelines.decoders.diffusion:PromptEmbedsDecoder",
    "class_labels": "pipelines.decoders.audioldm:ClassLabelsDecoder",
}
DEFAULT = Placement()


def load_decoder(
    kind: str,
    folder: Path,
    modality: Modality,
    config: DecoderConfig,
    *,
    placement: Placement = DEFAULT,
    repository: str | None = None,
) -> Decoder:
    """Load a decoder from a diffusers folder: safetensors only, known classes only, no code from the folder.

    `repository` is where the folder came from, to be named when something is missing. Raises ValueError that names what
    is missing, unknown, unsafe, or does not fit.
    """
    if kind not in DECODERS:
        raise ValueError(f"No decoder kind {kind!r}; wanted one of: {', '.join(DECODERS)}.")
    index = read_model_index(folder)
    variants = check_files(folder, index.components, placement.variant, repository)
    module, name = DECODERS[kind].split(":")
    make = getattr(import_module(module), name)
    with quiet(), warnings.catch_warnings(action="ignore", category=FutureWarning):  # of one library about another
        pipeline = load_pipeline(folder, index, placement, variants)
        place(pipeline, placement)
        return cast(Decoder, make(pipeline, modality, config, can_move=placement.offload == "none"))


def load_pipeline(folder: Path, index: ModelIndex, placement: Placement, variants: Mapping[str, str]) -> Any:
    """Load every part of a pipeline with its stock loader, and put them together as diffusers does."""
    try:
        parts = {
            part.name: load_network(folder, part, placement, variants.get(part.name))
            if part.is_network
            else part.load_class().from_pretrained(folder / part.name, local_files_only=True)
            for part in index.components
        }
        pipeline_class = getattr(diffusers, index.class_name)
        wanted = inspect.signature(pipeline_class.__init__).parameters
        return pipeline_class(**{name: value for name, value in {**index.settings, **parts}.items() if name in wanted})
    except (AttributeError, ImportError, OSError, TypeError) as error:
        raise ValueError(f"The pipeline in {folder} cannot be loaded: {str(error).strip()}") from error


def load_network(folder: Path, component: Component, placement: Placement, variant: str | None = None) -> Any:
    """Load one network of a pipeline with its stock loader. Raises ValueError unless its weights fit exactly."""
    network_class, source = component.load_class(), folder / component.name
    options: dict[str, Any] = {"dtype": dtype_of(placement, component.name), "variant": variant}
    if issubclass(network_class, PreTrainedModel):
        options |= {"ignore_mismatched_sizes": True, "trust_remote_code": False}  # told below, all together
    try:
        with standard_names(source, variant) as files:
            network, report = network_class.from_pretrained(
                files, use_safetensors=True, local_files_only=True, output_loading_info=True, **options
            )
    except (OSError, RuntimeError, ValueError) as error:
        raise ValueError(f"The weights in {source} do not fit its config.json: {error}") from error
    check_report(report, str(source))
    return network.eval()
