"""The different requests of logs, for questions that are asked about each of them once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from . import store
from .entry import SEPARATOR, Keyed
from .inputs import Inputs
from .run import Options, count_by, place
from .store import SECTIONS, Facts

_WHY = ["a URL is to be asked as it was"]

#: A request with its logged statuses and how often each was given.
Counted = tuple[Keyed, list[tuple[int, int]]]


@contextmanager
def requests(
    names: Iterable[str], options: Options | None = None
) -> Iterator[tuple[Iterator[Counted], Facts]]:
    """The different requests of logs by method, host, port, path and query, in no order, and what
    else was found in them. Raises SiteError.
    """
    options = options or Options()
    with place(options) as folder:
        counted = count_by(names, Inputs({"query": _WHY, "host": _WHY}), folder, options)
        yield (
            (
                (Keyed(*key.split(SEPARATOR)), statuses)
                for number in range(SECTIONS)
                for key, statuses in store.section(counted.paths, number).items()
            ),
            counted.facts,
        )
