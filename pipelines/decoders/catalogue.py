"""What a diffusers folder may name: a model_index.json can ask for any class of any library, these are loaded."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from encoders.json_file import read_json
from encoders.safe_folder import check_no_code, check_plain

INDEX = "model_index.json"
PIPELINES = frozenset({
    "AceStepPipeline", "AnimateDiffPipeline", "AudioLDM2Pipeline", "AudioLDMPipeline", "AuraFlowPipeline",
    "LattePipeline", "PixArtAlphaPipeline",
    "PixArtSigmaPipeline", "StableAudioPipeline", "StableDiffusionPipeline", "StableDiffusionXLPipeline",
    "TextToVideoSDPipeline", "WanPipeline",
})  # fmt: skip
# Where the libraries that an index names are found; the last are diffusers' own modules of those names.
LIBRARIES = {
    "diffusers": "diffusers",
    "transformers": "transformers",
    "ace_step": "diffusers.pipelines.ace_step",
    "audioldm2": "diffusers.pipelines.audioldm2",
    "stable_audio": "diffusers.pipelines.stable_audio",
    "stable_diffusion": "diffusers.pipelines.stable_diffusion",
}
NETWORKS = frozenset({
    "AceStepAudioTokenDetokenizer", "AceStepAudioTokenizer", "AceStepConditionEncoder", "AceStepTransformer1DModel",
    "AudioLDM2ProjectionModel", "AudioLDM2UNet2DConditionModel", "AuraFlowTransformer2DModel",
    "AutoencoderKL", "AutoencoderKLWan", "AutoencoderOobleck", "AutoencoderTiny", "LatteTransformer3DModel",
    "MotionAdapter", "PixArtTransformer2DModel",
    "StableAudioDiTModel", "StableAudioProjectionModel", "StableDiffusionSafetyChecker", "UNet2DConditionModel",
    "UNet3DConditionModel", "UNetMotionModel", "WanTransformer3DModel",
    "CLIPTextModel", "CLIPTextModelWithProjection", "CLIPVisionModelWithProjection", "ClapModel",
    "ClapTextModelWithProjection", "GPT2LMHeadModel", "GPT2Model", "Qwen3Model", "SpeechT5HifiGan",
    "T5EncoderModel", "UMT5EncoderModel",
})  # fmt: skip
# Every scheduler here draws its noise from the sample's own generator; DPMSolverSDEScheduler does not, and is not here.
OTHERS = frozenset({
    "CLIPTokenizer", "CLIPTokenizerFast", "LlamaTokenizer", "LlamaTokenizerFast", "PreTrainedTokenizerFast",
    "Qwen2Tokenizer", "Qwen2TokenizerFast", "RobertaTokenizer", "RobertaTokenizerFast",
    "T5Tokenizer", "T5TokenizerFast", "TokenizersBackend",
    "CLIPFeatureExtractor", "CLIPImageProcessor", "ClapFeatureExtractor",
    "CosineDPMSolverMultistepScheduler", "DDIMScheduler", "DDPMScheduler", "DEISMultistepScheduler",
    "DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler", "EDMDPMSolverMultistepScheduler",
    "EulerAncestralDiscreteScheduler", "EulerDiscreteScheduler", "FlowMatchEulerDiscreteScheduler",
    "HeunDiscreteScheduler", "KDPM2AncestralDiscreteScheduler", "KDPM2DiscreteScheduler", "LCMScheduler",
    "LMSDiscreteScheduler", "PNDMScheduler", "SASolverScheduler", "TCDScheduler", "UniPCMultistepScheduler",
})  # fmt: skip
# Older folders name classes that are gone, and the bare GPT-2, which has lost what AudioLDM2 writes with.
SUCCESSORS = {"CLIPFeatureExtractor": "CLIPImageProcessor", "GPT2Model": "GPT2LMHeadModel"}
# What a class needs besides, and the extra of this project that installs it.
NEEDED = {"CosineDPMSolverMultistepScheduler": ("torchsde", "sde")}
NOTHING = [None, None]  # in the place of a part that is left out


@dataclass(frozen=True)
class Component:
    """One part of a pipeline: its name, which is that of its folder, and its class."""

    name: str
    library: str
    class_name: str

    @property
    def is_network(self) -> bool:
        """Whether it has weights."""
        return self.class_name in NETWORKS

    def load_class(self) -> Any:
        """Import the class. Raises ValueError if it needs a package that is not installed."""
        package, extra = NEEDED.get(self.class_name, ("", ""))
        if package and find_spec(package) is None:
            raise ValueError(
                f"{self.class_name} needs the package {package}, which is not installed here: "
                f"pip install 'multimodal-studio[{extra}]' (or pip install {package})."
            )
        return getattr(import_module(LIBRARIES[self.library]), SUCCESSORS.get(self.class_name, self.class_name))


@dataclass(frozen=True)
class ModelIndex:
    """What a pipeline is made of: its class, its parts, and what else its class is told."""

    class_name: str
    components: Sequence[Component]
    settings: Mapping[str, Any]


def read_model_index(folder: Path) -> ModelIndex:
    """Read a diffusers folder's index. Raises ValueError unless it names known classes only, and no code anywhere."""
    path = folder / INDEX
    if not path.is_file():
        raise ValueError(f"This is no diffusers pipeline: {path} is missing.")
    index = read_json(path)
    check_no_code(index, path)
    name = index.get("_class_name")
    if not isinstance(name, str) or name not in PIPELINES:
        raise ValueError(f"{path} names the pipeline {name!r}, which is not one that may be loaded.")
    components = [_component(path, key, value) for key, value in index.items() if _is_component(value)]
    for component in components:
        check_plain(folder / component.name)
    settings = {key: None if value == NOTHING else value for key, value in index.items() if not _is_component(value)}
    return ModelIndex(name, components, settings)


def _is_component(value: object) -> bool:
    return isinstance(value, list) and value != NOTHING


def _component(path: Path, name: str, value: list[object]) -> Component:
    known = [str(part) for part in value]
    is_known = len(known) == 2 and known[0] in LIBRARIES and known[1] in NETWORKS | OTHERS
    if not is_known or not re.fullmatch(r"[a-z0-9_]+", name):
        raise ValueError(f"{path} names {'.'.join(known)} as {name!r}, which is not one that may be loaded.")
    return Component(name, known[0], known[1])
