"""Which rules, conditions and handlers of a site no expectation touches, and a first file of
expectations.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator

from ..catalogue.findings import Span
from ..files import UNWATCHED
from ..http.url import encode_path
from ..modules import handlers
from ..rewrite.compiler import inbound
from ..rewrite.rule import Rule
from ..site import Site
from ..version import DOCUMENTATION
from .answer import Answer
from .client import Client

#: Static files that a first file of expectations names at most.
FIRST_FILES = 10


class Coverage:
    """Collects what answers have touched, by place."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._applied: set[tuple[str, int]] = set()
        self._conditions: dict[tuple[int, int, str], set[bool]] = {}
        self._handlers: set[str] = set()

    def add(self, answer: Answer) -> None:
        """Count what the trace of an answer shows."""
        file, line, name = "", 0, ""
        for event in answer.data.get("events", ()):
            kind = event["name"]
            if kind == "RULE_EVALUATION_START":
                file, line, name = event["File"], event["Line"], event["RuleName"]
            elif kind == "CONDITION_EVALUATION":
                self._conditions.setdefault((event["Line"], event["Column"], file), set()).add(
                    event["Succeeded"]
                )
            elif kind == "RULE_EVALUATION_END" and event["Succeeded"] and event["RuleName"] == name:
                self._applied.add((file, line))
            elif kind == "HANDLER_CHANGED":
                self._handlers.add(event["NewHandlerName"])

    def untouched(self) -> Iterator[tuple[Span, str]]:
        """Place and words of everything that was not touched, in the files' order."""
        for rule in rules(self.site):
            if (rule.span.file, rule.span.line) not in self._applied:
                yield rule.span, f"rule '{rule.name}' never applies"
            for condition in rule.conditions:
                seen = self._conditions.get(
                    (condition.span.line, condition.span.column, rule.span.file), set()
                )
                missing = {
                    (): "never evaluated",
                    (False,): "never true",
                    (True,): "never false",
                }.get(tuple(sorted(seen)))
                if missing and condition.input.constant is None:
                    yield (
                        condition.span,
                        f"condition {condition.input.source} of rule '{rule.name}' is {missing}",
                    )
        for name, span in _handlers(self.site):
            if name not in self._handlers:
                yield span, f"handler '{name}' is never chosen"

    def total(self) -> int:
        """How many things there are to touch."""
        found = rules(self.site)
        conditions = sum(
            condition.input.constant is None for rule in found for condition in rule.conditions
        )
        return len(found) + conditions + len(_handlers(self.site))


def _paths(site: Site) -> Iterable[str]:
    for file in site.tree.load_all(lambda name: name.lower() in UNWATCHED or name == ".fcgiemu"):
        yield file.directory or "/"


def rules(site: Site) -> list[Rule]:
    """Every enabled inbound rule of the site's files, each once."""
    found = {
        rule.span: rule
        for path in _paths(site)
        for rule in site.effective(path).view(inbound).rules
        if rule.page_rule is None
    }
    return list(found.values())


def _handlers(site: Site) -> list[tuple[str, Span]]:
    """The handlers that the site itself maps."""
    found: dict[str, Span] = {}
    for path in _paths(site):
        for item in site.effective(path).section(handlers.SECTION).items:
            if item.file is not None and not item.file.is_host and item.span is not None:
                found.setdefault(item.text("name"), item.span)
    return list(found.items())


def first_file(site: Site) -> str:
    """A file of expectations that hold now: one for each rule that a request can be made up for,
    and for some files.
    """
    from ..diagnosis import sample_requests
    from ..diagnosis.hidden_files import linked_files

    client = Client(site)
    lines = [
        f"# What this site does, one expectation a line (how: {DOCUMENTATION}test.md)."
        " Change what is not as you want it."
    ]
    for rule in rules(site):
        for request in sample_requests.requests(rule):
            answer = client.open(
                f"{request.scheme}://{request.authority}{request.target.raw}",
                request.method,
                [pair for pair in request.headers if pair[0] != "Host"],
            )
            if rule.name in answer.rules:
                lines += ["", f"# rule '{rule.name}' ({rule.span})", expectation_line(answer)]
                break
        else:
            lines += [
                "",
                f"# rule '{rule.name}' ({rule.span}): no request was found that it applies to",
            ]
    files = [path for path, _ in zip(linked_files(site), range(FIRST_FILES), strict=False)]
    if files:
        lines += ["", "# files"]
        lines += [expectation_line(client.get(encode_path(path))) for path in files]
    lines += ["", expectation_line(client.get("/"))]
    return "\n".join(lines) + "\n"


def expectation_line(answer: Answer) -> str:
    """The line that expects exactly this answer."""
    request = answer.data["request"]
    url = request["url"]
    if url.startswith("http://localhost/"):
        url = url.removeprefix("http://localhost")
    method = "" if request["method"] == "GET" else f"{request['method']} "
    if answer.kind == "redirect":
        said = f"{answer.status} {shlex.quote(answer.location or '')}".replace(
            "http://localhost/", "/"
        )
    elif answer.kind == "respond":
        said = f"{answer.status}.{answer.substatus}"
    elif answer.kind in ("static", "directory", "abort"):
        said = answer.kind
    else:
        said = f"{answer.kind} " + shlex.quote(
            answer.path + (f"?{answer.query}" if answer.query else "")
        )
    headers = "".join(f" [{name}: {value}]" for name, value in answer.sent if "]" not in value)
    named = "".join(f' rule "{name}"' for name in answer.rules[-1:] if '"' not in name)
    return f"{method}{url}{headers} -> {said}{named}"
