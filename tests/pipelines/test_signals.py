"""Signal tokens: their layout, and finding runs among any ids."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.modality import Modality
from pipelines.signals import SignalSpan, SignalTokens

SIGNALS = SignalTokens({Modality.VIDEO: 3, Modality.IMAGE: 2}, first_id=100)


def test_marks_come_first_and_runs_follow_in_the_order_of_the_modalities() -> None:
    assert SIGNALS.token_names == (
        "<image>", "</image>", "<audio>", "</audio>", "<video>", "</video>",
        "[IMG0]", "[IMG1]", "[VID0]", "[VID1]", "[VID2]",
    )  # fmt: skip
    assert SIGNALS.num_tokens == len(SIGNALS.token_names)
    assert SIGNALS.marks(Modality.VIDEO) == (104, 105)
    assert SIGNALS.run(Modality.IMAGE) == (106, 107)
    assert SIGNALS.run(Modality.VIDEO) == (108, 109, 110)
    assert SIGNALS.first_ids == {106: Modality.IMAGE, 108: Modality.VIDEO}
    assert SIGNALS.name(110) == "[VID2]"


def test_only_complete_runs_are_found() -> None:
    image, video = SIGNALS.run(Modality.IMAGE), SIGNALS.run(Modality.VIDEO)
    ids = [5, *image, *image[:1], *video, 7, *video[1:], *image[::-1]]
    assert SIGNALS.find(ids) == (SignalSpan(Modality.IMAGE, 1, 3), SignalSpan(Modality.VIDEO, 4, 7))


@settings(deadline=None)
@given(st.lists(st.integers(95, 115), max_size=40))
def test_any_sequence_of_ids_is_handled(ids: list[int]) -> None:
    for span in SIGNALS.find(ids):
        assert tuple(ids[span.start : span.end]) == SIGNALS.run(span.modality)


@settings(deadline=None)
@given(st.lists(st.one_of(st.integers(0, 99), st.sampled_from([Modality.IMAGE, Modality.VIDEO])), max_size=12))
def test_every_complete_run_is_found(pieces: list[int | Modality]) -> None:
    ids = [id_ for piece in pieces for id_ in (SIGNALS.run(piece) if isinstance(piece, Modality) else (piece,))]
    found = [span.modality for span in SIGNALS.find(ids)]
    assert found == [piece for piece in pieces if isinstance(piece, Modality)]


def test_a_modality_without_signal_tokens_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="No signal tokens for 'audio'; this core can ask for: image, video"):
        SIGNALS.run(Modality.AUDIO)
    with pytest.raises(ValueError, match="'text'"):
        SignalTokens({Modality.TEXT: 2})
    with pytest.raises(ValueError, match="at least one"):
        SignalTokens({Modality.IMAGE: 0})
