"""The events of a look at a file through IIS's file cache."""

from __future__ import annotations

from collections.abc import Iterator

from .traced_exchange import FileFacts, TracedExchange
from .translated_event import TranslatedEvent, translated

E_FILE_NOT_FOUND = 0x80070002
#: Who opens files: the anonymous user of a site as installed. # inferred
_USER = ("IUSR", "NT AUTHORITY")


def file_access(
    exchange: TracedExchange, url_path: str, added: bool = False
) -> Iterator[TranslatedEvent]:
    """A look at the file of a URL path; ``added`` = the cache keeps it then."""
    name = exchange.physical(url_path).rstrip("\\")
    found = exchange.facts(url_path)
    yield from _events(name, found, added or bool(found and found.is_directory))


def _events(name: str, found: FileFacts | None, added: bool) -> Iterator[TranslatedEvent]:
    """FILE_CACHE_ACCESS_START to END. Measured: FileAddedToCache is true for folders, default
    documents and error files, false for files that are asked for.
    """
    yield translated("FILE_CACHE_ACCESS_START", name, *_USER)
    if found is None:
        values = ("false", "false", "false", "true", "true", str(E_FILE_NOT_FOUND), "")
    else:
        yield translated("FILE_CACHE_CREATE_FILE", name, *_USER)
        flag = "true" if added else "false"
        values = ("true", "false", flag, "true", "true", "0", found.modified)
    yield translated("FILE_CACHE_ACCESS_END", *values)
