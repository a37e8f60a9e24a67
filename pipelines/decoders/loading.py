"""The decoders by the kind that a model's config names, and their loading from stock diffusers folders."""

import json
from importlib import import_module
from pathlib import Path
from typing import cast

from diffusers import DiffusionPipeline

from encoders.modality import Modality
from pipelines.decoders.base import Decoder, DecoderConfig
from pipelines.decoders.placement import Placement, load_dtypes, place
from pipelines.quiet import quiet

DECODERS = {
    "prompt_embeds": "pipelines.decoders.diffusion:PromptEmbedsDecoder",
    "class_labels": "pipelines.decoders.audioldm:ClassLabelsDecoder",
}
# Only what is named here is ever loaded: a model_index.json can name any class of any library.
PIPELINES = frozenset({
    "AudioLDMPipeline", "LattePipeline", "PixArtAlphaPipeline", "StableDiffusionPipeline", "StableDiffusionXLPipeline",
    "TextToVideoSDPipeline",
})  # fmt: skip
DEFAULT = Placement()
LIBRARIES = ("diffusers", "transformers", "stable_diffusion")  # the last is diffusers' own module of that name
COMPONENTS = frozenset({
    "AutoencoderKL", "AutoencoderTiny", "LatteTransformer3DModel", "PixArtTransformer2DModel",
    "UNet2DConditionModel", "UNet3DConditionModel", "StableDiffusionSafetyChecker",
    "CLIPTextModel", "CLIPTextModelWithProjection", "ClapTextModelWithProjection", "T5EncoderModel", "SpeechT5HifiGan",
    "CLIPTokenizer", "CLIPTokenizerFast", "PreTrainedTokenizerFast", "RobertaTokenizer", "RobertaTokenizerFast",
    "T5Tokenizer", "T5TokenizerFast", "TokenizersBackend", "CLIPImageProcessor", "CLIPFeatureExtractor",
    "DDIMScheduler", "DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler", "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler", "FlowMatchEulerDiscreteScheduler", "LMSDiscreteScheduler", "PNDMScheduler",
    "UniPCMultistepScheduler",
})  # fmt: skip


def load_decoder(
    kind: str, folder: Path, modality: Modality, config: DecoderConfig, *, placement: Placement = DEFAULT
) -> Decoder:
    """Load a decoder from a diffusers folder: safetensors only, known classes only, no code from the folder."""
    if kind not in DECODERS:
        raise ValueError(f"No decoder kind {kind!r}; wanted one of: {', '.join(DECODERS)}.")
    check_model_index(folder)
    module, name = DECODERS[kind].split(":")
    make = getattr(import_module(module), name)
    with quiet():
        pipeline = DiffusionPipeline.from_pretrained(
            folder,
            dtype=load_dtypes(placement),
            variant=placement.variant,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
        )
        place(pipeline, placement)
        return cast(Decoder, make(pipeline, modality, config))


def check_model_index(folder: Path) -> None:
    """Raise ValueError unless a diffusers folder names known classes only."""
    path = folder / "model_index.json"
    if not path.is_file():
        raise ValueError(f"This is no diffusers pipeline: {path} is missing.")
    index = json.loads(path.read_text(encoding="utf-8"))
    if index.get("_class_name") not in PIPELINES:
        raise ValueError(
            f"{path} names the pipeline {index.get('_class_name')!r}, which is not one that may be loaded."
        )
    for name, value in index.items():
        if isinstance(value, list) and value != [None, None]:
            library, class_name = value
            if library not in LIBRARIES or class_name not in COMPONENTS:
                raise ValueError(
                    f"{path} names {library}.{class_name} as {name!r}, which is not one that may be loaded."
                )
