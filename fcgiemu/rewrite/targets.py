"""Targets of rules: where a Rewrite goes and what a Redirect's Location says."""

from __future__ import annotations

import re

from ..http.request import Request
from ..http.url import UrlRefused, encode_location, normalize

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def is_foreign(target: str) -> bool:
    """Whether a target names a scheme and host."""
    return "://" in target and _ABSOLUTE.match(target) is not None


def join_query(target: str, current: str, append: bool) -> str:
    """The rule's own query first, then the current one; nothing is removed when both say the same
    (measured).
    """
    if not append or not current:
        return target
    return f"{target}&{current}" if target else current


def rewrite(base: str, target: str, query: str, append: bool) -> tuple[str, str]:
    """New path (or absolute URL) and query. ``base`` is the rule's folder, "" for the root."""
    path, _, own = target.partition("?")
    joined = join_query(own, query, append)
    if is_foreign(path):
        return path, joined
    return _resolve(base, path), joined


def location(base: str, target: str, query: str, append: bool, request: Request) -> str:
    """The Location header of a Redirect: absolute, percent-encoded where needed."""
    path, _, own = target.partition("?")
    fragment = ""
    if "#" in path and not own:
        path, _, fragment = path.partition("#")
    joined = join_query(own, query, append)
    if not is_foreign(path):
        resolved = path if path.startswith("/") else f"{base}/{path}"
        if "/../" in resolved or resolved.endswith("/.."):
            resolved = _resolve(base, path)
        path = f"{request.scheme}://{request.authority}{resolved}"
    result = path + ("?" + joined if joined else "") + ("#" + fragment if fragment else "")
    return encode_location(result)


def _resolve(base: str, path: str) -> str:
    joined = path if path.startswith("/") else f"{base}/{path}"
    if "//" not in joined and "/." not in joined and "\\" not in joined:
        return joined
    try:
        return normalize(joined)
    except UrlRefused:
        return "/"  # inferred: a substitution that climbs above the root ends there
