"""What came of making a file again from its recipe."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from studio.comparison import Verdict

_WHAT_IS_SAME: Mapping[str, str] = {"image": "every pixel", "audio": "every sample", "video": "every frame"}


@dataclass(frozen=True)
class ReplayReport:
    """The verdict on one file; `differences` name what is not as it was when the file was made."""

    file: str
    modality: str
    verdict: Verdict
    largest: float | None
    mean: float | None
    reason: str
    differences: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        return self.verdict != Verdict.DIFFERENT

    def sentence(self) -> str:
        """Say it to a person."""
        if self.verdict == Verdict.IDENTICAL:
            return f"identical: {self.file} came out the same, {_WHAT_IS_SAME[self.modality]}."
        if self.largest is None or self.mean is None:
            distance = self.reason
        else:
            distance = f"largest difference {self.largest:.4f}, mean {self.mean:.5f} (of a full scale of 1)"
        causes = "; ".join(self.differences) or "nothing that the recipe records"
        return f"{self.verdict}: {self.file}: {distance}. What differs from when it was made: {causes}."

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"verdict": str(self.verdict), "differences": list(self.differences)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ReplayReport":
        known = dict(values)
        return cls(**(known | {"verdict": Verdict(known["verdict"]), "differences": tuple(known["differences"])}))
