"""Which sections a configuration file may hold: overrideMode of <section> and <location> in the
files above it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from .diagnostics import Span
from .model import ConfigFile, Override


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the files above say: sections unlocked, and sections locked with the place that locks
    them.
    """

    allowed: frozenset[str] = frozenset()
    denied: Mapping[str, Span] = field(default_factory=lambda: MappingProxyType({}))


NO_OVERRIDES = Overrides()


def overrides(files: Iterable[ConfigFile], path: str, site_name: str) -> Overrides:
    """The overrideModes that ``files``, from the server's down, set for a file in the folder
    ``path``; the last counts.
    """
    modes: dict[str, Override] = {}
    for file in files:
        if file.overrides:
            covering = ("", *file.covering(path.lower(), site_name))
            modes.update((item.section, item) for item in file.overrides if item.place in covering)
    if not modes:
        return NO_OVERRIDES
    return Overrides(
        frozenset(name for name, item in modes.items() if item.allow),
        {name: item.span for name, item in modes.items() if not item.allow},
    )
