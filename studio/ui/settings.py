"""The options of a reply, as a person sets them in the side bar."""

import streamlit as st

from studio.options import MAX_SEED, OUTPUTS, DecodeChoice, ReplyOptions, draw_seed

NAMES = {"image": "Images", "audio": "Sounds", "video": "Videos"}


def choose_options() -> ReplyOptions:
    """Show the controls and return what they say; the seed is drawn anew for every call unless it is held."""
    with st.expander("Options", icon=":material/tune:"):
        holds_seed = st.toggle("Use my own seed", help="The same seed and the same words give the same reply.")
        seed = st.number_input("Seed", 0, MAX_SEED, value=0, step=1, disabled=not holds_seed)
        allowed = st.pills(
            "It may make", OUTPUTS, selection_mode="multi", default=OUTPUTS, format_func=NAMES.__getitem__
        )
        with st.container(gap="small"):
            own_steps = st.toggle("Set the denoising steps", help="More steps take longer and may look cleaner.")
            steps = st.slider("Steps", 1, 100, value=20, disabled=not own_steps)
            own_guidance = st.toggle("Set the guidance", help="How closely what is made follows the words.")
            guidance = st.slider("Guidance", 1.0, 12.0, value=4.0, step=0.5, disabled=not own_guidance)
            count = st.slider("Of each kind", 1, 4, value=1, help="How many images, sounds or videos for one wish.")
            temperature = st.slider("Temperature", 0.0, 1.5, value=0.0, step=0.1, help="0 takes the likeliest words.")
    choice = DecodeChoice(
        steps=int(steps) if own_steps else None, guidance=float(guidance) if own_guidance else None, count=int(count)
    )
    return ReplyOptions(
        seed=int(seed) if holds_seed else draw_seed(),
        temperature=float(temperature),
        outputs=tuple(allowed),
        decode=dict.fromkeys(OUTPUTS, choice),
    )
