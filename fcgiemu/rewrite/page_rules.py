"""The two static-file rules printed on the Azure page of 2015, whose promise IIS does not keep
(section 19).

The page says that files are served without Python. Real IIS never applies its placeholder rule and
never matches ``^/static/.*``. By default fcgiemu keeps the promise for exactly these two shapes and
says so; ``--strict`` does as IIS.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..config.merge import Node
from .state import State

_PREFIX = re.compile(r"\^(/(?:[\w.~-]+/)+)\.\*")


@dataclass(frozen=True, slots=True)
class PagePromise:
    """What the page promised: with ``source`` a prefix mapping, without it "an existing file is
    served".
    """

    message: str
    hint: str
    source: str = ""
    target: str = ""

    def concerns(self, text: str, state: State) -> bool:
        """Whether the promise is about this request."""
        if not self.source:
            return state.is_servable(state.path)
        return ("/" + text).lower().startswith(self.source.lower())

    def keep(self, text: str, base: str, state: State) -> None:
        """Apply the promise to a request that it concerns."""
        if self.source:
            state.path = base + self.target + text[len(self.source) - 1 :]
            state.rewritten = True


def promise(node: Node) -> PagePromise | None:
    """The promise of a rule that has one of the two printed shapes, else None."""
    return _placeholder(node) or _prefix_mapping(node)


def _placeholder(node: Node) -> PagePromise | None:
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
    return PagePromise(
        "IIS never applies this rule (it compares the text 'true' with the pattern 'false'); an"
        " existing file is served here as the Azure page promises, IIS would send it to Python",
        'Give the rule that follows <add input="{REQUEST_FILENAME}" matchType="IsFile"'
        ' negate="true" /> as a condition.',
    )


def _prefix_mapping(node: Node) -> PagePromise | None:
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
    return PagePromise(
        f"IIS never matches '{source[0]}' (a rule's input has no leading slash) and would take"
        f" '{target[0]}' literally; {source[1]} is mapped to {target[1]} here as the Azure page"
        " promises",
        f'Write <match url="^{source[1][1:]}(.*)" /> and <action type="Rewrite"'
        f' url="{target[1][1:]}{{R:1}}" />.',
        source[1],
        target[1],
    )
