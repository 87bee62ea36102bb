"""IIS Web Core: which handler mapping takes a URL, and whether the resource it needs exists."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ..config.diagnostics import Finding
from ..config.merge import Node
from ..config.tree import Effective
from ..decision import Handler
from ..trace import Trace

SECTION = "system.webServer/handlers"

#: preCondition token -> whether it holds on the emulated server: integrated mode, 64 bit, no
#: managed code.
_PRE_CONDITIONS = {
    "bitness32": False,
    "bitness64": True,
    "integratedmode": True,
    "classicmode": False,
    "runtimeversionv1.1": False,
    "runtimeversionv2.0": False,
    "runtimeversionv4.0": False,
    "managedhandler": False,
}
_FAMILIES = ("bitness", "integrated", "classic", "runtimeversion", "managed")

#: Path -> length of the script part, or None where the pattern does not match.
PathMatch = Callable[[str], int | None]


@dataclass(slots=True)
class HandlerTable:
    """The effective handler mappings, in the order in which they are tried."""

    entries: list[tuple[Handler, PathMatch]]
    access: frozenset[str]
    bad_pre_condition: Finding | None = None

    def choose(self, path: str, method: str, trace: Trace | None) -> tuple[Handler, int] | None:
        """The first entry whose verb and path match, with the length of the script part of
        ``path``.
        """
        for handler, matches in self.entries:
            if handler.verbs and method not in handler.verbs:
                if trace is not None:
                    trace.add(
                        "HANDLER_VERB_NOT_MATCH",
                        Name=handler.name,
                        Verb=",".join(sorted(handler.verbs)),
                        RequestVerb=method,
                    )
                continue
            length = matches(path)
            if length is not None:
                if trace is not None:
                    trace.add(
                        "HANDLER_CHANGED",
                        OldHandlerName="",
                        NewHandlerName=handler.name,
                        NewHandlerModules=",".join(handler.modules),
                        NewHandlerScriptProcessor=handler.script_processor,
                        Path=handler.path,
                        Origin=handler.origin,
                    )
                return handler, length
            if trace is not None:
                trace.add(
                    "HANDLER_PATH_NOT_MATCH", Name=handler.name, Path=handler.path, RequestURL=path
                )
        return None


def table(effective: Effective) -> HandlerTable:
    """Compile <handlers> of a configuration. A view: see Effective.view."""
    section = effective.section(SECTION)
    entries: list[tuple[Handler, PathMatch]] = []
    bad = None
    for node in section.items:
        handler = _handler(node)
        holds = met(handler.pre_condition)
        if holds is None:
            bad = bad or Finding(
                "handler-bad-precondition",
                "error",
                f'Handler "{handler.name}" has a bad precondition '
                f'"{handler.pre_condition}" in its precondition list',
                node.span,
                "Known tokens: integratedMode, classicMode, bitness32, bitness64,"
                " runtimeVersionv4.0 …",
            )
        elif holds:
            entries.append((handler, path_matcher(handler.path)))
    return HandlerTable(entries, section["accessPolicy"], bad)


def _handler(node: Node) -> Handler:
    verbs = {verb.strip() for verb in str(node["verb"]).split(",")}
    return Handler(
        node["name"],
        node["path"],
        frozenset() if "*" in verbs else frozenset(verbs),
        tuple(part.strip() for part in str(node["modules"]).split(",") if part.strip()),
        node["scriptProcessor"],
        node["resourceType"],
        node["requireAccess"],
        node["allowPathInfo"],
        node["preCondition"],
        node["responseBufferLimit"],
        str(node.span) if node.file and not node.file.is_host else "",
    )


def met(text: str) -> bool | None:
    """Whether a preCondition holds on this server; None for an unknown token.

    Tokens of one family are alternatives, families must all hold.
    """
    families: dict[str, bool] = {}
    for token in filter(None, (part.strip().lower() for part in text.split(","))):
        if token not in _PRE_CONDITIONS:
            return None
        family = next(name for name in _FAMILIES if token.startswith(name))
        families[family] = families.get(family, False) or _PRE_CONDITIONS[token]
    return all(families.values())


def path_matcher(pattern: str) -> PathMatch:
    """A matcher for a handler's ``path``; case does not count. Forms and their meaning:
    docs/pipeline.md.
    """
    if pattern == "*":
        return len
    if pattern == "*.":
        return lambda path: len(path) if "." not in path.rpartition("/")[2] else None
    if "*" not in pattern and "/" not in pattern:
        return _segment_matcher(pattern.lower())
    wild = ".*" if "/" in pattern.rstrip("*").lstrip("/") or pattern.startswith("/") else "[^/]*"
    body = "".join(wild if char == "*" else re.escape(char) for char in pattern.lstrip("/"))
    anchor = "^/" if pattern.startswith("/") else "/"
    search = re.compile(f"{anchor}{body}(?=/|$)", re.IGNORECASE).search

    def match(path: str) -> int | None:
        found = search(path)
        return found.end() if found else None

    return match


def _segment_matcher(name: str) -> PathMatch:
    """A plain name matches a segment at any depth; what follows it is path info."""
    middle, end = f"/{name}/", f"/{name}"

    def match(path: str) -> int | None:
        folded = path.lower()
        position = folded.find(middle)
        if position >= 0:
            return position + len(end)
        return len(path) if folded.endswith(end) else None

    return match


def missing_access(handler: Handler, access: frozenset[str]) -> int | None:
    """The 403 substatus where accessPolicy lacks what the handler requires, else None."""
    required = handler.require_access
    if required == "None" or required in access:
        return None
    return {"Read": 2, "Write": 3}.get(required, 1)
