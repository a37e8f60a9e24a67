"""Search: a query read, its words and media made vectors, what is near them found, judged and explained."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studio.search.search import POOL, WAYS, WORDS_LIMIT, Search, SearchOptions

__all__ = ["POOL", "WAYS", "WORDS_LIMIT", "Search", "SearchOptions"]


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562), so that importing a module of this package loads no other."""
    if name not in __all__:
        raise AttributeError(f"module 'studio.search' has no attribute {name!r}")
    from studio.search import search

    return getattr(search, name)
