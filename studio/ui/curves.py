"""What the curves of a training are called: by its log's own names in English, by words of the reader's in other languages."""

from studio.ui.words import N_, _, reads_english

NAMES = {
    "loss": N_("loss"),
    "cross_entropy": N_("cross-entropy"),
    "distance": N_("distance"),
    "unexplained": N_("unexplained"),
    "denoising": N_("denoising"),
    "tokens": N_("tokens"),
    "seen": N_("read from what is seen"),
    "said": N_("read from signals"),
    "reconstruction": N_("reconstruction"),
    "kl": N_("divergence"),
    "real": N_("real"),
    "fake": N_("made"),
    "auxiliary": N_("classes"),
    "orthogonal": N_("orthogonality"),
    "r1": N_("gradient penalty"),
    "path": N_("path lengths"),
    "augmentation": N_("augmentation"),
}
OF = {
    "image": N_("picture"),
    "audio": N_("sound"),
    "video": N_("video"),
    "discriminator": N_("discriminator"),
    "discriminator1": N_("discriminator"),
    "generator": N_("generator"),
    "r1": N_("gradient penalty"),
    "path": N_("path lengths"),
}


def curve_name(name: str) -> str:
    """Return what a curve of a training's log is called; what is not known keeps its name."""
    of, _underscore, what = name.partition("_")
    if reads_english() or (name not in NAMES and not (of in OF and what in NAMES)):
        return name
    return _(NAMES[name]) if name in NAMES else f"{_(OF[of])} · {_(NAMES[what])}"
