"""`python -m tests.golden [FOLDER]` prints how far our tensors are from the recorded ones, for every fixture."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # where the tests find each other

from parity import GOLDEN, Difference, differences, fixtures, wanted_tensors
from rich.console import Console
from rich.table import Table
from rich.text import Text


def main() -> int:
    """Print the table; return 1 unless every tensor of every fixture was compared and is within its tolerance."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("GOLDEN_DIR") or GOLDEN).resolve()
    table = Table(
        "Fixture", "Tensor", "Largest relative error", "Largest error", "Wanted", "", box=None, pad_edge=False
    )
    num_good = num_bad = 0
    for name, family in fixtures(root).items():
        if family is None:
            table.add_row(name, "", "", "", "", Text("no family reads this", style="red"))
            num_bad += 1
            continue
        made = differences(root / name, family)
        for row in made.values():
            table.add_row(name, row.tensor, f"{row.relative:.1e}", f"{row.absolute:.1e}", row.wanted, _verdict(row))
        missing = [tensor for tensor in wanted_tensors(root / name, family) if tensor not in made]
        for tensor in missing:
            table.add_row(name, tensor, "", "", "", Text("never compared", style="red"))
        good = sum(row.is_within for row in made.values())
        num_good, num_bad = num_good + good, num_bad + len(made) - good + len(missing)
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    console.print(table)
    console.print(f"{num_good} within their tolerance, {num_bad} not.")
    return int(num_bad > 0 or not num_good)


def _verdict(row: Difference) -> Text:
    return Text("ok", style="green") if row.is_within else Text(f"differs {row.remark}".strip(), style="red")


if __name__ == "__main__":
    sys.exit(main())
