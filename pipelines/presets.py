"""The presets: named configurations of the whole model, what each is made of, and where their folders are."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from encoders.hub import hub_folder, is_repository
from encoders.modality import Modality
from encoders.options import EncoderOptions
from pipelines import published
from pipelines.core_options import CoreOptions
from pipelines.decoders.placement import Placement
from pipelines.facts import Part
from pipelines.load_options import AUTO, LoadOptions

PACKAGED = Path(__file__).parent / "presets"
LAB = "baselines"  # the folder of a preset with the models of the lab, which no conversation reads
TRAIN = (
    "Its projections are not trained yet: it answers through captions. Train them with "
    "studio train align-inputs --preset {name} --data YOUR.jsonl --output runs/stage1, then align-outputs and instruct."
)
HALF = EncoderOptions(dtype="bfloat16")
BFLOAT16 = Placement(device="cuda", dtype="bfloat16")
OFFLOADED = Placement(device="cuda", dtype="bfloat16", offload="model")


@dataclass(frozen=True)
class Preset:
    """A named model: its packaged folder or its repository, its parts, and what a person should know before choosing it.

    `licence` names what holds for the whole. `to_do` says what is to be done with it first, if anything. A preset without
    folder and repository cannot be loaded as it is: `to_do` says how to make a model folder of it.
    """

    name: str
    title: str
    summary: str
    licence: str
    folder: Path | None = None
    repository: str | None = None
    core: Part | None = None
    encoders: tuple[Part, ...] = ()
    decoders: Mapping[Modality, Part] = field(default_factory=dict)
    projections: Part | None = None
    load: LoadOptions = field(default_factory=LoadOptions)
    to_do: str = ""

    @property
    def parts(self) -> tuple[Part, ...]:
        """All published parts that it is made of."""
        several = (self.core, *self.encoders, *self.decoders.values(), self.projections)
        return tuple(part for part in several if part is not None)

    @property
    def commercial_use(self) -> str:
        """Whether all of it may be used commercially: "yes", "no", or "with conditions"."""
        found = {part.commercial_use for part in self.parts}
        return next((answer for answer in ("no", "with conditions") if answer in found), "yes")

    @property
    def state(self) -> str:
        """In a few words, whether it can be talked with as it is."""
        if not self.to_do:
            return "ready"
        return "projections not trained yet: answers through captions" if self.folder else "to be imported first"

    @property
    def num_bytes(self) -> int | None:
        """How many bytes are to be fetched, exactly or nearly; None where nothing is."""
        return sum(part.size for part in self.parts) or None


def _packaged(name: str, title: str, summary: str, licence: str, **parts: object) -> Preset:
    """A preset whose config is packaged and whose parts are fetched from the hub, nothing in it trained yet."""
    return Preset(name, title, summary, licence, folder=PACKAGED / name, to_do=TRAIN.format(name=name), **parts)  # type: ignore[arg-type]


_ALL = (
    Preset(
        name="tiny",
        title="Tiny",
        summary="A complete small model of a drawn world, trained by this project; answers on two processor cores.",
        licence="Apache-2.0",
        folder=PACKAGED / "tiny",
    ),
    Preset(
        name="nextgpt-7b-v0",
        title="NExT-GPT 7B (tiva v0), as it was released",
        summary="Reads and writes text, images, sounds and videos: Vicuna 7B v0 with ImageBind, SD 1.5, AudioLDM, ZeroScope.",
        licence="non-commercial (each part has its own: CC-BY-NC-SA 4.0, CC-BY-NC 4.0, LLaMA, OpenRAIL-M)",
        core=published.VICUNA_7B_V0,
        encoders=(published.IMAGEBIND_HUGE,),
        decoders={
            Modality.IMAGE: published.SD15,
            Modality.AUDIO: published.AUDIOLDM_L,
            Modality.VIDEO: published.ZEROSCOPE,
        },
        projections=published.NEXTGPT_WEIGHTS,
        load=LoadOptions(
            AUTO, CoreOptions(dtype="float16"), Placement(device="cuda", dtype="float16", offload="model")
        ),
        to_do=(
            "Make a model folder of it first: fetch its parts (studio presets show nextgpt-7b-v0 --plan names them), add the "
            "Vicuna delta to LLaMA 7B, then run studio import nextgpt pytorch_model.pt --base VICUNA --encoder IMAGEBIND "
            "--output FOLDER, and talk with it by --preset FOLDER."
        ),
    ),
    _packaged(
        "permissive-4b",
        "Qwen3 4B with permissively licensed senses",
        "Writes text, images, music and videos, and may be used commercially: Qwen3 4B, CLIP, CLAP, AuraFlow, ACE-Step, Wan.",
        "Apache-2.0 and MIT",
        core=published.QWEN3_4B,
        encoders=(published.CLIP_VIT_L, published.CLAP_LARGER),
        decoders={
            Modality.IMAGE: published.AURAFLOW,
            Modality.AUDIO: published.ACE_STEP,
            Modality.VIDEO: published.WAN_1B,
        },
        load=LoadOptions(
            AUTO,
            CoreOptions(dtype="bfloat16"),
            OFFLOADED,
            {
                Modality.IMAGE: replace(OFFLOADED, variant="fp16"),
                Modality.VIDEO: Placement("cuda", "bfloat16", {"vae": "float32"}, offload="model", vae_tiling=True),
            },
            HALF,
        ),
    ),
    _packaged(
        "image-1.5b",
        "Qwen2.5 1.5B that draws",
        "Writes text and images, on a modest machine: Qwen2.5 1.5B, CLIP, Stable Diffusion 1.5.",
        "Apache-2.0, MIT and CreativeML OpenRAIL-M",
        core=published.QWEN25_1B,
        encoders=(published.CLIP_VIT_L,),
        decoders={Modality.IMAGE: published.SD15},
        load=LoadOptions(AUTO, CoreOptions(dtype="bfloat16"), BFLOAT16, encoders=HALF),
    ),
    _packaged(
        "audio-1.5b",
        "Qwen2.5 1.5B that sounds",
        "Writes text and sounds, on a modest machine: Qwen2.5 1.5B, CLAP, AudioLDM small.",
        "Apache-2.0 and CC-BY-NC-SA 4.0 (non-commercial)",
        core=published.QWEN25_1B,
        encoders=(published.CLAP_LARGER,),
        decoders={Modality.AUDIO: published.AUDIOLDM_S},
        load=LoadOptions(AUTO, CoreOptions(dtype="bfloat16"), BFLOAT16, encoders=HALF),
    ),
    _packaged(
        "video-1.5b",
        "Qwen2.5 1.5B that animates",
        "Writes text and videos, and may be used commercially: Qwen2.5 1.5B, Wan 2.1 1.3B.",
        "Apache-2.0",
        core=published.QWEN25_1B,
        decoders={Modality.VIDEO: published.WAN_1B},
        load=LoadOptions(
            AUTO,
            CoreOptions(dtype="bfloat16"),
            Placement("cuda", "bfloat16", {"vae": "float32"}, offload="model", vae_tiling=True),
        ),
    ),
)
PRESETS: dict[str, Preset] = {preset.name: preset for preset in _ALL}


def preset_folder(name: str | Path) -> Path:
    """Find a model's folder by preset, by path, or by hub repository (`owner/name`), which is downloaded once.

    Raises ValueError that says what was looked for.
    """
    preset = PRESETS.get(str(name))
    if preset is not None and preset.folder is not None:
        if not (preset.folder / "config.json").is_file():
            raise ValueError(f"The preset {preset.name!r} is not complete: {preset.folder / 'config.json'} is missing.")
        return preset.folder
    repository = preset.repository if preset is not None else str(name)
    if preset is None and Path(name).is_dir():
        return Path(name)
    if preset is not None and repository is None:
        raise ValueError(f"The preset {preset.name!r} cannot be loaded as it is. {preset.to_do}")
    if repository is None or not is_repository(repository):
        known = ", ".join(PRESETS)
        raise ValueError(
            f"No model {str(name)!r}; wanted a preset ({known}), a folder, or a hub repository (owner/name)."
        )
    return hub_folder(repository)
