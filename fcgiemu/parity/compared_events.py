"""The events of a trace that say something about the site, with their values made comparable: of a
genuine trace, and of the answer of ``explain`` to the same request.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from ..freb import wire
from ..freb.model import FrebTrace
from ..freb.rewriting import PREFIX
from ..report.explanation import Explanation

#: Response headers of the server, the moment or the file's times.
_IGNORED_HEADERS = frozenset(
    "server x-sourcefiles x-aspnet-version x-aspnetmvc-version etag last-modified expires".split()
)
#: Fields of each event that are compared, in order.
_FIELDS: dict[str, tuple[str, ...]] = {
    "URL_REWRITE_START": ("RequestURL", "Scope"),
    "RULE_EVALUATION_START": (
        *("RuleName", "RequestURL", "QueryString"),
        *("PatternSyntax", "StopProcessing", "RelativePath"),
    ),
    "PATTERN_MATCH": ("Pattern", "Input", "Negate", "Matched"),
    "CONDITIONS_EVALUATION_START": ("LogicalGrouping",),
    "CONDITION_EVALUATION": (
        *("Input", "ExpandedInput", "MatchType", "Pattern", "Negate", "Succeeded"),
    ),
    "CONDITIONS_EVALUATION_END": ("Succeeded",),
    "RULE_EVALUATION_END": ("RuleName", "StopProcessing", "Succeeded"),
    "HANDLER_CHANGED": ("NewHandlerName", "NewHandlerModules", "NewHandlerScriptProcessor"),
    "FILE_CACHE_ACCESS": ("FileName", "Successful"),
    "MODULE_SET_RESPONSE_ERROR_STATUS": (
        *("ModuleName", "Notification", "HttpStatus", "HttpSubStatus"),
    ),
    "MODULE_SET_RESPONSE_SUCCESS_STATUS": ("ModuleName", "Notification", "HttpStatus"),
    "GENERAL_SEND_CUSTOM_ERROR": ("HttpStatus", "HttpSubStatus", "FileNameOrURL"),
    "GENERAL_CHILD_REQUEST_START": ("RequestURL", "RecursiveLevel"),
    "GENERAL_RESPONSE_HEADERS": (),
    "GENERAL_REQUEST_END": ("HttpStatus", "HttpSubStatus"),
}


@dataclass(frozen=True, slots=True)
class ComparedEvent:
    """An event that is compared, its values made comparable."""

    name: str
    values: dict[str, str]
    place: str = ""


_Event = tuple[str, dict[str, str], str]


def of_trace(trace: FrebTrace, root: str) -> list[ComparedEvent]:
    """The events of a trace. ``root`` is the folder of the site there; see ``root_of``."""
    return list(_compared(_of_trace(trace), root))


def of_answer(answer: Explanation, root: str) -> list[ComparedEvent]:
    """The events of an answer of ``explain``, with their places in the configuration."""
    return _placed(_compared(_of_answer(answer), root))


def _of_trace(trace: FrebTrace) -> Iterator[_Event]:
    for event in trace.events:
        values = dict(event.data)
        values.update(
            (name, text) for name, text in event.descriptions if name in ("Scope", "Notification")
        )
        yield event.name, values, ""


def _of_answer(answer: Explanation) -> Iterator[_Event]:
    for event in answer.get("trace", []):
        data, described = event["data"], event.get("descriptions", {})
        assert isinstance(data, dict) and isinstance(described, dict)
        values = {str(name): str(value) for name, value in data.items()}
        values.update(
            (name, text) for name, text in described.items() if name in ("Scope", "Notification")
        )
        yield str(event["name"]), values, str(event.get("place", ""))


def _compared(found: Iterable[_Event], root: str) -> Iterator[ComparedEvent]:
    """The events that are compared; a look at a file becomes one."""
    file = ""
    changed = False
    for name, values, place in found:
        if name.startswith(PREFIX):
            continue
        if name == "URL_CHANGED":
            changed = True
        if name == "FILE_CACHE_ACCESS_START":
            file = values.get("FileName", "")
            continue
        if name == "FILE_CACHE_ACCESS_END":
            name = "FILE_CACHE_ACCESS"
            values = {"FileName": file, "Successful": values.get("Successful", "")}
            if root and not file.lower().startswith(root.lower()):
                continue  # an error page of the server
        if name not in _FIELDS or name == "HANDLER_CHANGED" and changed:
            continue
        if name == "GENERAL_RESPONSE_HEADERS":
            pairs = wire.pairs(values.get("Headers", ""))
            yield ComparedEvent(name, dict(_headers(pairs)), place)
            continue
        compared = {key: _plain(values.get(key, ""), root) for key in _FIELDS[name]}
        if name == "GENERAL_CHILD_REQUEST_START":
            compared["RequestURL"] = wire.split(compared["RequestURL"]).path
        yield ComparedEvent(name, compared, place)


def _placed(events: Iterable[ComparedEvent]) -> list[ComparedEvent]:
    """Events, a run of rules with the place of its first rule."""
    found = list(events)
    for index, (event, following) in enumerate(itertools.pairwise(found)):
        if event.name == "URL_REWRITE_START":
            found[index] = replace(event, place=following.place)
    return found


def last_names(events: list[ComparedEvent]) -> list[ComparedEvent]:
    """Events whose files have their last names only."""
    return [
        replace(event, values={**event.values, "FileName": _last_name(event.values["FileName"])})
        if "FileName" in event.values
        else event
        for event in events
    ]


def _last_name(path: str) -> str:
    return path.rstrip("\\").rpartition("\\")[2]


def _headers(pairs: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        if name.lower() not in _IGNORED_HEADERS:
            found.setdefault(name.lower(), []).append(value)
    for name, values in sorted(found.items()):
        yield name, ", ".join(values)


def _plain(text: str, root: str) -> str:
    """A value with the site's folder taken out of it, and line ends as one."""
    if root and root.lower() in text.lower():
        text = re.sub(re.escape(root), "{root}", text, flags=re.IGNORECASE)
    return text.replace("\r\n", "\n")


def root_of(trace: FrebTrace) -> str:
    """The folder of the site on the server: what stands before a URL's path in a file's name.

    Empty where no file's name ends like a URL of the trace; then only last names are compared.
    """
    urls = [found["RequestURL"] for found in trace.named("GENERAL_REQUEST_START")]
    urls += [trace.url, *(found["RequestURL"] for found in trace.named("URL_REWRITE_END"))]
    names = [found["FileName"] for found in trace.named("FILE_CACHE_ACCESS_START")]
    names += [
        found["ExpandedInput"]
        for found in trace.named("CONDITION_EVALUATION")
        if found["Input"].upper() == "{REQUEST_FILENAME}"
    ]
    for url in urls:
        path = wire.split(url).path.replace("/", "\\").rstrip("\\").lower()
        for name in names:
            if path and name.lower().endswith(path):
                return name[: -len(path)]
    if wire.split(trace.url).path == "/" and names:  # the folder itself
        return names[0].rstrip("\\")
    return ""
