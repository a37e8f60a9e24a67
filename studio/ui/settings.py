"""The options of a reply, as a person sets them in the side bar."""

import streamlit as st

from studio.options import MAX_SEED, OUTPUTS, DecodeChoice, ReplyOptions, draw_seed
from studio.ui.words import N_, _

NAMES = {"image": N_("Images"), "audio": N_("Sounds"), "video": N_("Videos")}


def choose_options() -> ReplyOptions:
    """Show the controls and return what they say; the seed is drawn anew for every call unless it is held."""
    seed = draw_seed()
    with st.expander(_("Options"), icon=":material/tune:"):
        allowed = st.pills(
            _("It may make"), OUTPUTS, selection_mode="multi", default=OUTPUTS, format_func=lambda name: _(NAMES[name])
        )
        by_kind = st.toggle(
            _("Each kind by itself"), key="by_kind", help=_("Images, sounds and videos with numbers of their own.")
        )
        if by_kind:
            decode = {name: _choose_decoding(f"_{name}", _(NAMES[name])) for name in OUTPUTS if name in allowed}
        else:
            decode = dict.fromkeys(OUTPUTS, _choose_decoding("", _("Of each kind")))
        if st.toggle(_("Use my own seed"), key="holds_seed", help=_("The same seed and words give the same reply.")):
            seed = int(st.number_input(_("Seed"), 0, MAX_SEED, value=0, step=1, key="seed"))
        temperature = st.slider(_("Temperature"), 0.0, 1.5, value=0.0, step=0.1, help=_("0 takes the likeliest words."))
    return ReplyOptions(seed=seed, temperature=float(temperature), outputs=tuple(allowed), decode=decode)


def _choose_decoding(ending: str, title: str) -> DecodeChoice:
    """Show how many are made and how; `ending` sets the keys of a kind apart from the others'."""
    steps: int | None = None
    guidance: float | None = None
    count = st.slider(
        title, 1, 4, value=1, key=f"count_of_each{ending}", help=_("How many images, sounds or videos for one wish.")
    )
    if st.toggle(
        _("Set the steps"), key=f"sets_steps{ending}", help=_("More denoising steps take longer and may look cleaner.")
    ):
        steps = int(st.slider(_("Steps"), 1, 100, value=20, key=f"steps{ending}"))
    if st.toggle(
        _("Set the guidance"), key=f"sets_guidance{ending}", help=_("How closely what is made follows the words.")
    ):
        guidance = float(st.slider(_("Guidance"), 1.0, 12.0, value=4.0, step=0.5, key=f"guidance{ending}"))
    return DecodeChoice(steps=steps, guidance=guidance, count=int(count))
