"""How an encoder is loaded: plain values, which a model's config can hold before torch is loaded."""

from dataclasses import dataclass

DTYPES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class EncoderOptions:
    """`dtype` is the precision that an encoder computes with; what it says of media is float32 whatever that is.

    `device` is a place of its own, as "cpu" where an accelerator is to hold the core alone; None is the whole model's.
    """

    dtype: str = "float32"
    device: str | None = None

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f"No dtype {self.dtype!r}; wanted one of: {', '.join(DTYPES)}.")
