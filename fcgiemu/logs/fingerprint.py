"""Whether two runs ask the same: sums over what goes into counting and into deciding."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence

from ..files import UNWATCHED
from ..site import Site
from .deciding import Kinds
from .entry import Wanted
from .sources import STDIN, LogSource

#: Of the files that a run leaves: another number reads none of an older one.
LAYOUT = 1
#: Files whose content rules and sections read; of others it counts whether they exist.
_READ = (".config", ".txt", ".iis")


def of_logs(sources: Iterable[LogSource], columns: Wanted, encoding: str) -> str:
    """Of the counts of some logs."""
    texts = [str(LAYOUT), encoding, *sorted(columns.names), str(columns.long_query)]
    for source in sources:
        own = os.urandom(8).hex() if source.name == STDIN else source.stamp
        texts += (source.name, str(source.size), own)
    return _sum(texts)


def of_all_logs(sources: Iterable[LogSource], columns: Wanted, encoding: str) -> str:
    """Of logs that several machines share: names and sizes, as each has them at another place."""
    plain = sorted((os.path.basename(source.name), source.size) for source in sources)
    return of_logs((LogSource(name, size) for name, size in plain), columns, encoding)


def of_versions(sites: Sequence[Site], ignored: Kinds) -> str:
    """Of the decisions of two versions: settings, configuration, and which files there are."""
    texts = [str(LAYOUT), *(f"{old} {new}" for old, new in sorted(ignored))]
    for site in sites:
        settings = site.settings
        plain = {name: getattr(settings, name) for name in settings.__dataclass_fields__}
        plain["providers"] = sorted(settings.providers)
        root = plain.pop("root_config")
        plain.pop("host_config")
        texts += (f"{name}={value!r}" for name, value in sorted(plain.items()))
        for extra in (root, settings.host_config):
            texts.append(_content(str(extra)) if extra is not None else "")
        for folder in sorted(map(str, site.roots())):
            texts += _tree(folder)
    return _sum(texts)


def _tree(root: str) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name.lower() not in UNWATCHED)
        for name in (*folders, *sorted(files)):
            path = os.path.join(folder, name)
            yield os.path.relpath(path, root)
            if name.lower().endswith(_READ):
                yield _content(path)


def _content(path: str) -> str:
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return "unreadable"


def _sum(texts: Iterable[str]) -> str:
    made = hashlib.sha256()
    for text in texts:
        made.update(text.encode("utf-8", "surrogateescape") + b"\0")
    return made.hexdigest()[:16]
