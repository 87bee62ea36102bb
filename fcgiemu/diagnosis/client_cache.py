"""``<clientCache>``: how long clients keep static files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ..catalogue import finding
from ..catalogue.findings import Finding
from ..config.file import ConfigFile
from ..config.reader import Element


def findings(file: ConfigFile) -> Iterator[Finding]:
    """Findings about the sections of a file."""
    root = file.root
    for element in root.iter("clientCache") if root is not None else ():
        age = element.attributes.get("cacheControlMaxAge", "")
        expires = element.attributes.get("httpExpires", "")
        mode = element.attributes.get("cacheControlMode", "")
        is_whole = (
            not file.directory and file.root is not None and not _sets_mode(file.root, element)
        )
        if age and not mode and is_whole:
            yield finding("static-max-age/mode", element.span, value=age)
        elif expires and not mode and is_whole:
            yield finding("static-max-age/expires", element.span, value=expires)
        elif mode == "UseExpires" and age and not expires:
            yield finding("static-max-age/other", element.span, value=age)
        hours = re.fullmatch(r"(\d{2,5}):\d\d:\d\d", age)
        if hours and int(hours[1]) > 23:
            yield finding("static-max-age", element.span, value=age, number=int(hours[1]))
        if mode == "UseExpires" and _is_past(expires):
            yield finding("static-max-age/past", element.span, value=expires)


def _sets_mode(root: Element, element: Element) -> bool:
    """Whether another <clientCache> of a file sets the mode that this one relies on."""
    others = (other for other in root.iter("clientCache") if other is not element)
    return any("cacheControlMode" in other.attributes for other in others)


def _is_past(text: str) -> bool:
    try:
        when = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return False
    return when.astimezone(UTC) < datetime.now(UTC) if when.tzinfo else False
