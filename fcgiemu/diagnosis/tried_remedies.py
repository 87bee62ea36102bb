"""Remedies that are tried before they are printed.

What is right for a mistake depends on the rest of the configuration: a condition that is added has
no effect under MatchAny, a handler that is removed leaves none behind where the root begins with
<clear/>. So the function that finds a mistake lists the remedies that may be right, the most
fitting first, each with the changes that it describes. They are made in memory, as an editor's
unsaved file, and what showed the mistake is asked again. The first remedy with which it comes out
right is printed. One without a change is printed where no earlier one works: it says what to look
for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..catalogue.findings import Span
from ..files import read_bounded
from ..site import Site
from . import fixes

#: Bytes of a file that remedies are tried with; a larger one takes too long to be read again.
MAX_BYTES = 1 << 16
#: Findings of a kind that remedies are tried for, at most.
MOST = 20


@dataclass(frozen=True, slots=True)
class Remedy:
    """A remedy: the form of the catalogue that words it (``code/form``), the values that the form
    takes, and what it changes.
    """

    form: str
    values: Mapping[str, object] = field(default_factory=dict)
    #: Changes of elements, as a form's ``fix``, with their places.
    changes: tuple[tuple[str, Span], ...] = ()
    #: Contents of web.config files, by the URL path of their folder.
    files: Mapping[str, bytes] = field(default_factory=dict)


def first_that_works(
    site: Site, remedies: Sequence[Remedy], works: Callable[[Site], bool], earlier: int = 0
) -> Remedy:
    """The first of ``remedies`` with which ``works`` holds for the changed site, or that changes
    nothing; the last where there is none, and behind the MOST findings ``earlier`` of the kind.
    """
    for remedy in remedies if earlier < MOST else ():
        if not remedy.changes and not remedy.files:
            return remedy
        changed = with_remedy(site, remedy)
        if changed is not None and works(changed):
            return remedy
    return remedies[-1]


def with_remedy(site: Site, remedy: Remedy) -> Site | None:
    """A site as it is with a remedy; None where the remedy's changes cannot be made."""
    contents = {
        f"{site.local_path(folder)}/web.config": data for folder, data in remedy.files.items()
    }
    for name in {span.file for _, span in remedy.changes}:
        path = _path(site, name)
        data = _content(site, path) if path else None
        own = [change for change in remedy.changes if change[1].file == name]
        changed = fixes.applied(data, own) if data else None
        if changed is None:
            return None
        contents[path] = changed
    unsaved = {**site.settings.unsaved, **contents}
    return Site(site.path, replace(site.settings, unsaved=unsaved))


def _path(site: Site, name: str) -> str:
    """The path of a web.config; "" for a file that is not read as it is."""
    if site.settings.transforms or site.settings.root_config is not None:
        return ""
    folder = next((file.directory for file in site.tree.files() if file.name == name), None)
    return "" if folder is None else f"{site.local_path(folder)}/{name.rpartition('/')[2]}"


def _content(site: Site, path: str) -> bytes | None:
    """The bytes of a web.config that is not too large."""
    try:
        data = site.settings.unsaved.get(path)
        if data is None:
            data = read_bounded(path, MAX_BYTES + 1)
    except OSError:
        return None
    return data if len(data) <= MAX_BYTES else None
