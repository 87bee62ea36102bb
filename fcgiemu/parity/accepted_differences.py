"""A baseline: the differences that are known and accepted, so that a check tells of new ones."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from ..errors import SiteError

_FIELDS = ("method", "target", "aspect", "live", "local")


def read(path: Path) -> frozenset[tuple[str, ...]]:
    """The differences of a baseline file. Raises SiteError."""
    try:
        found = json.loads(path.read_text("utf-8-sig"))
        entries = found["differences"]
        return frozenset(tuple(str(entry[name]) for name in _FIELDS) for entry in entries)
    except OSError as error:
        raise SiteError(
            f"{path} cannot be read: {error.strerror}.", "Write it with --update-baseline."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise SiteError(
            f"{path} is not a baseline: {error!r}.", "Write it with --update-baseline."
        ) from error


def write(path: Path, live: str, keys: Iterable[tuple[str, ...]]) -> None:
    """A baseline of these differences, sorted, one a line. Raises OSError."""
    entries = sorted(set(keys))
    lines = [json.dumps(dict(zip(_FIELDS, entry, strict=True))) for entry in entries]
    body = ",\n  ".join(lines)
    path.write_text(
        f'{{\n "live": {json.dumps(live)},\n "differences": [\n  {body}\n ]\n}}\n', "utf-8"
    )
