"""Silence for the libraries' own progress bars and notices while parts load: the person hears of progress from us."""

from collections.abc import Iterator
from contextlib import contextmanager

from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

LIBRARIES = (diffusers_logging, transformers_logging)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence all but errors, and put everything back afterwards."""
    before = [(log, log.get_verbosity(), log.is_progress_bar_enabled()) for log in LIBRARIES]
    for log in LIBRARIES:
        log.set_verbosity_error()
        log.disable_progress_bar()
    try:
        yield
    finally:
        for log, verbosity, had_bar in before:
            log.set_verbosity(verbosity)
            if had_bar:
                log.enable_progress_bar()
