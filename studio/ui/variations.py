"""More of something that was made directly: the same wish with other seeds, from wherever it is shown."""

from dataclasses import replace

from studio.creation import Creation, grid_of, to_payload
from studio.jobs.queue import Job
from studio.options import draw_seed
from studio.ui.frame import PageStudio
from studio.ui.work import start

NUM_VARIATIONS = 4


def creation_of(studio: PageStudio, media_id: str) -> Creation | None:
    """Return how a medium was made directly by a decoder; None of all else, and of a recipe that cannot be read."""
    row = studio.store.row("SELECT recipe FROM recipes WHERE media = ?", media_id)
    try:
        return None if row is None else Creation.from_json(row["recipe"])
    except ValueError:  # it came with a file that anyone may have written
        return None


def vary(studio: PageStudio, creation: Creation) -> Job:
    """Queue a few more of it; the creating page shows them by the job's id in its address."""
    grid = grid_of(replace(creation.wish, seed=draw_seed()), count=NUM_VARIATIONS)
    return start(studio, "create", to_payload(grid, preset=creation.preset, across=None, down=None))
