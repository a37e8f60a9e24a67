"""Indexing everything with other encoders, in this process or in one of its own; until it is done those of before answer."""

import argparse
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from studio.background import start_apart
from studio.errors import StudioError
from studio.home import studio_home
from studio.library.encoders import Embedder, load_embedders, read_sources
from studio.library.ingest import REFUSED, Outcome, make_up
from studio.library.library import Library
from studio.store import Store

LOCK_NAME, LOG_NAME = "reindex.lock", "reindex.log"

logger = logging.getLogger(__name__)


def reindex(library: Library, embedders: Sequence[Embedder]) -> Iterator[Outcome]:
    """Yield an outcome for everything that lacks a vector of these; then they answer. StudioError if somebody else is at it."""
    lock = FileLock(library.store.home / LOCK_NAME)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise StudioError("The library is being indexed already; how far it is: studio library stats") from None
    try:
        yield from make_up(library, embedders)
    finally:
        lock.release()


def reindex_in_background(home: Path, *, preset: str, sources: Mapping[str, str]) -> Path:
    """Start a process that indexes everything with a preset's encoders and others, by name; return its log."""
    log = home / LOG_NAME
    words = [word for name, source in sources.items() for word in ("--encoder", f"{name}={_whole(source)}")]
    start_apart("studio.library.reindexing", "--home", str(home), "--preset", preset, *words, log=log)
    return log


def _whole(source: str) -> str:
    """Return a source that means the same from any folder."""
    kind, _, place = source.partition(":")
    return f"{kind}:{Path(place).resolve()}" if Path(place).is_dir() else source


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Index the library with other encoders.")
    parser.add_argument("--home", help="the studio's folder")
    parser.add_argument("--preset", default="tiny", help="whose encoders")
    parser.add_argument("--encoder", action="append", default=[], help="another, NAME=KIND:FOLDER")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        embedders, notices = load_embedders(arguments.preset, read_sources(arguments.encoder))
        for notice in notices:
            logger.info(notice)
        number = 0
        for outcome in reindex(Library(Store(studio_home(arguments.home))), embedders):
            number += 1
            if outcome.state == REFUSED:
                logger.info("%s: %s", outcome.path, outcome.reason)
        logger.info("%d media were looked at; %s answer now.", number, ", ".join(one.name for one in embedders))
    except (StudioError, ValueError) as error:
        logger.error("%s", error)
        sys.exit(1)


if __name__ == "__main__":
    main()
