"""How files on the server are named on a page: by their paths on one's own machine, else by what the studio offers by name."""

from pathlib import Path

from studio.models.offered import FOLDER, offered, offered_path
from studio.ui.frame import PageStudio, show_text
from studio.ui.person import is_shared
from studio.ui.words import _


def place_of(studio: PageStudio, name: str) -> str:
    """Return a path with the person's own folder for ~; where the studio is shared, the place of what it offers by a name.

    Raises StudioError for what a shared studio does not offer.
    """
    name = name.strip()
    if is_shared():
        return str(offered_path(studio.store.home, name))
    return str(Path(name).expanduser()) if name.startswith("~") else name


def show_offered(studio: PageStudio) -> None:
    """Say, where people share a studio, what it offers to them; whoever runs it decides that."""
    if not is_shared():
        return
    names = ", ".join(offered(studio.store.home))
    if names:
        show_text(_("Give the name of something that this studio offers: {names}").format(names=names), kind="note")
    else:
        show_text(
            _("Nothing is offered here yet: whoever runs this studio puts it into the folder “{folder}”.").format(
                folder=FOLDER
            ),
            kind="note",
        )


def example(path: str) -> str:
    """Return how what is asked for may be named here: by a path, or by its name alone."""
    return Path(path).name if is_shared() else path
