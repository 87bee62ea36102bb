"""Which sections a configuration file may hold: overrideMode of <section> and <location> in the
files above it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ..catalogue.findings import Span
from .model import ConfigFile, Override
from .reader import Element


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the files above say: sections unlocked, and sections locked with the place that locks
    them.
    """

    allowed: frozenset[str] = frozenset()
    denied: Mapping[str, Span] = field(default_factory=lambda: MappingProxyType({}))


NO_OVERRIDES = Overrides()
#: Sections that the installer of iisnode unlocks (seen in its script).
UNLOCKED_BY_IISNODE = frozenset({"system.webServer/webSocket"})


def uses_iisnode(root: Element | None) -> bool:
    """Whether a file has a handler of iisnode: where one is used, it is installed."""
    return root is not None and any(
        "iisnode" in add.attributes.get("modules", "")
        for group in root.iter("handlers")
        for add in group.iter("add")
    )


def overrides(files: Iterable[ConfigFile], path: str, site_name: str) -> Overrides:
    """The overrideModes that ``files``, from the server's down, set for a file in the folder
    ``path``; the last counts.
    """
    modes: dict[str, Override] = {}
    unlocked: frozenset[str] = frozenset()
    for file in files:
        if uses_iisnode(file.root):
            unlocked = UNLOCKED_BY_IISNODE
        if file.overrides:
            covering = ("", *file.covering(path.lower(), site_name))
            modes.update((item.section, item) for item in file.overrides if item.place in covering)
    if not modes:
        return Overrides(unlocked) if unlocked else NO_OVERRIDES
    return Overrides(
        unlocked | frozenset(name for name, item in modes.items() if item.allow),
        {name: item.span for name, item in modes.items() if not item.allow},
    )
