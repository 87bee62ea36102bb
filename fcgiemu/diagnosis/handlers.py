"""Handler mappings that never get a request, or cannot serve one."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from ..config.diagnostics import Finding
from ..config.file import ConfigFile
from ..config.merge import Node
from ..config.tree import Effective
from ..modules import loaded, pipeline
from ..modules.handlers import SECTION, met, path_matcher
from ..programs.interpreters import EXAMPLE
from .codes import finding

_KNOWN = sorted(
    {*loaded.EMULATED, *pipeline.FOREIGN_MODULES, "httpPlatformHandler", "ProtocolSupportModule"}
)


def findings(effective: Effective, file: ConfigFile) -> Iterator[Finding]:
    """Findings about the handlers that ``file`` declares."""
    known = {name.lower() for name in _KNOWN} | {
        item.text("name").lower() for item in effective.section(loaded.SECTION).items
    }
    entries = [item for item in effective.section(SECTION).items if met(item.text("preCondition"))]
    for position, item in enumerate(entries):
        if item.file is not file or item.span is None:
            continue
        for module in filter(None, (part.strip() for part in item.text("modules").split(","))):
            if module.lower() not in known and not item.text("type"):
                near = get_close_matches(module, _KNOWN, 1)
                yield finding(
                    "handler-unknown-module",
                    f"The handler '{item.text('name')}' names the module '{module}', which no "
                    "server has by default: 500.21",
                    item.span,
                    f"Did you mean {near[0]}?" if near else "Install the module, or name another.",
                )
        if "%" in item.text("scriptProcessor").partition("|")[0]:
            yield finding(
                "handler-placeholder",
                f"The scriptProcessor of the handler '{item.text('name')}' is"
                f" '{item.text('scriptProcessor')}': a placeholder, which Visual Studio fills in on"
                " publishing",
                item.span,
                f"Write what it stands for: {EXAMPLE}",
            )
        earlier = next((other for other in entries[:position] if _covers(other, item)), None)
        if earlier is not None:
            yield finding(
                "handler-never-reached",
                f"The handler '{item.text('name')}' is never reached: '{earlier.text('name')}' "
                f"({earlier.span}) comes before it and takes the same requests",
                item.span,
                "Put this handler before it, or remove it.",
            )


def _covers(earlier: Node, later: Node) -> bool:
    """Whether an earlier entry takes every request of a later one."""
    path, verbs = (
        earlier.text("path").lower(),
        {verb.strip() for verb in earlier.text("verb").split(",")},
    )
    wanted = {verb.strip() for verb in later.text("verb").split(",")}
    other = later.text("path").lower()
    covers = path in ("*", other) or (
        "*" not in other and path_matcher(path)(f"/{other}") == len(other) + 1
    )
    return covers and ("*" in verbs or wanted <= verbs)
