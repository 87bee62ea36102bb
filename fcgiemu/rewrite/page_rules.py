"""The two rules for static files that the Azure page of 2015 prints, and that IIS never applies.

The page says that files are served without Python. IIS compares the placeholder rule's text
``true`` with the pattern ``false``, and never matches ``^/static/.*``, since the input of a rule
has no leading slash. By default fcgiemu does what the page says for exactly these two shapes, and
says so; ``--strict`` does as IIS.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..config.merge import Node
from .state import RewriteState

_PREFIX = re.compile(r"\^(/(?:[\w.~-]+/)+)\.\*")


@dataclass(frozen=True, slots=True)
class PageRule:
    """What such a rule is meant to do: with ``source`` map a prefix, without it serve an existing
    file.
    """

    #: The code of its finding, and the values that it takes.
    code: str
    values: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    target: str = ""
    #: The message of its finding.
    message: str = ""

    def applies(self, text: str, state: RewriteState) -> bool:
        """Whether the rule is meant for this request."""
        if not self.source:
            return state.is_servable(state.path)
        return ("/" + text).lower().startswith(self.source.lower())

    def apply(self, text: str, base: str, state: RewriteState) -> None:
        """Do to a request for which it is meant what it is meant to do."""
        if self.source:
            state.path = base + self.target + text[len(self.source) - 1 :]
            state.rewritten = True


def page_rule(node: Node) -> PageRule | None:
    """What a rule that has one of the two printed shapes is meant to do, else None."""
    return _placeholder(node) or _prefix_mapping(node)


def _placeholder(node: Node) -> PageRule | None:
    conditions = node.child("conditions").items
    if (
        node.child("match").has("url")
        or len(conditions) != 1
        or node.child("action").text("type") != "None"
    ):
        return None
    condition = conditions[0]
    if not node.flag("stopProcessing") or (condition.text("input"), condition.text("pattern")) != (
        "true",
        "false",
    ):
        return None
    if condition.text("matchType") != "Pattern" or condition.flag("negate"):
        return None
    return PageRule("azure-page-static-rule/placeholder")


def _prefix_mapping(node: Node) -> PageRule | None:
    action = node.child("action")
    source = _PREFIX.fullmatch(node.child("match").text("url"))
    target = _PREFIX.fullmatch(action.text("url"))
    if (
        not source
        or not target
        or action.text("type") != "Rewrite"
        or node.child("conditions").items
    ):
        return None
    values = {
        "pattern": source[0],
        "url": target[0],
        "source": source[1],
        "target": target[1],
        "from": source[1][1:],
        "to": target[1][1:],
    }
    return PageRule("azure-page-static-rule/prefix", values, source[1], target[1])
