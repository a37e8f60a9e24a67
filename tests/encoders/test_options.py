"""The options of an encoder: plain values, refused where they cannot be."""

import subprocess
import sys
from pathlib import Path

import pytest

from encoders.options import EncoderOptions


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ValueError, match="No dtype 'half'; wanted one of: float32, bfloat16, float16"):
        EncoderOptions(dtype="half")


def test_options_and_the_hub_need_no_torch() -> None:
    code = "import sys; import encoders.options, encoders.hub; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0
