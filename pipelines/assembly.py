"""A model of anybody's parts: any language model, encoders and diffusers pipelines, put together and not trained yet."""

import inspect
from collections.abc import Mapping
from pathlib import Path

import diffusers

from encoders.hub import find_part
from encoders.modality import Modality
from encoders.registry import load_encoder
from pipelines.any_to_any import AnyToAnyPipeline
from pipelines.checkpoint import DecoderEntry, EncoderEntry, PipelineConfig, Reference
from pipelines.decoders.base import DecoderConfig
from pipelines.decoders.catalogue import read_model_index
from pipelines.load_options import LoadOptions
from pipelines.projections import InputProjectionConfig

# How long the run of signal tokens is that asks for a medium: as in the released NExT-GPT.
NUM_SIGNALS: Mapping[Modality, int] = {Modality.IMAGE: 4, Modality.AUDIO: 8, Modality.VIDEO: 24}
# The decoders that are not made around prompt embeddings, by the pipeline that they are made around.
KINDS = {"AudioLDMPipeline": "class_labels", "AceStepPipeline": "ace_step"}


def assemble(
    core: str | Path,
    *,
    encoders: Mapping[str, str | Path] | None = None,
    decoders: Mapping[str, str | Path] | None = None,
    configs: Mapping[str, DecoderConfig] | None = None,
    load: LoadOptions | None = None,
) -> AnyToAnyPipeline:
    """Put a model together of a core, encoders by kind ("clip", "clap", "imagebind") and decoders by what they make.

    Each part is a folder, or a hub repository that is fetched once. A decoder is called as its pipeline is by default,
    unless `configs` has its steps, guidance and further arguments. The model answers through captions until it is
    saved and its projections are trained. Raises ValueError that names the part that is missing, unsafe or unfit.
    """
    inputs = {kind: _encoder(kind, name) for kind, name in (encoders or {}).items()}
    outputs = {
        modality: _decoder(modality, name, (configs or {}).get(modality))
        for modality, name in ((Modality(m), name) for m, name in (decoders or {}).items())
    }
    config = PipelineConfig(
        core=_reference(core),
        encoders=inputs,
        decoders=outputs,
        untrained_inputs=tuple(m for m in Modality if any(m in entry.projections for entry in inputs.values())),
        untrained_outputs=tuple(outputs),
        load=load or LoadOptions(),
    )
    return AnyToAnyPipeline.from_config(config, Path.cwd())


def _encoder(kind: str, name: str | Path) -> EncoderEntry:
    """Look at an encoder to see what it reads and how wide its tokens are; the core's width is found when it loads."""
    encoder = load_encoder(kind, find_part(name))
    read = (m for m in Modality if m in encoder.modalities and m is not Modality.TEXT and encoder.num_tokens[m])
    return EncoderEntry(kind, _reference(name), {m: InputProjectionConfig(encoder.width, core_width=0) for m in read})


def _decoder(modality: Modality, name: str | Path, config: DecoderConfig | None) -> DecoderEntry:
    if modality not in NUM_SIGNALS:
        makes = ", ".join(NUM_SIGNALS)
        raise ValueError(f"No decoder can be asked for {modality.value!r}; wanted one of: {makes}.")
    pipeline = read_model_index(find_part(name)).class_name
    kind = KINDS.get(pipeline, "prompt_embeds")
    return DecoderEntry(kind, _reference(name), config or _default_config(pipeline), NUM_SIGNALS[modality], {})


def _default_config(pipeline: str) -> DecoderConfig:
    """The steps and the guidance that a pipeline's own call defaults to."""
    call = inspect.signature(getattr(diffusers, pipeline).__call__).parameters
    return DecoderConfig(int(call["num_inference_steps"].default), float(call["guidance_scale"].default))


def _reference(name: str | Path) -> Reference:
    find_part(name)
    return Reference(path=str(Path(name).absolute())) if Path(name).is_dir() else Reference(repository=str(name))
