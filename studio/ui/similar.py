"""Looking for what is similar to a medium, from wherever it is shown."""

from studio.jobs.queue import Job
from studio.ui.frame import PageStudio
from studio.ui.work import start

FOUND = "found"  # names in the library's address what was sought


def find_similar(studio: PageStudio, media_id: str) -> Job:
    """Queue the search by a medium; the library shows what it finds by the job's id in its address."""
    payload = {"text": f"like:{media_id}", "uploads": [], "filters": "", "everything": True}
    return start(studio, "search", payload, name=FOUND)
