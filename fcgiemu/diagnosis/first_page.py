"""Who answers for the first page of an application, and why it is not the program behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import assert_never
from urllib.parse import quote

from ..applications import Application
from ..catalogue import finding
from ..config.tree import Effective
from ..decision import (
    Abort,
    CallFastCgi,
    CallProcess,
    Decision,
    Handler,
    ListDirectory,
    Proxy,
    Redirect,
    Respond,
    ServeFile,
)
from ..http.request import make_request
from ..rewrite.compiler import inbound
from ..site import Site
from .doctor_steps import DoctorStep


def first_page(site: Site, application: Application) -> Decision:
    """What IIS does with the first page of an application; a redirect to https is followed."""
    url = f"{quote(application.url)}/"
    decision = site.decide(site.as_received(make_request(f"http://localhost{url}")))
    if isinstance(decision.action, Redirect) and decision.action.location.startswith("https:"):
        return site.decide(site.as_received(make_request(f"https://localhost{url}", https=True)))
    return decision


def steps(
    site: Site, application: Application, decision: Decision, intended: Sequence[Handler]
) -> Iterator[DoctorStep]:
    """What to say where the first page is not answered by the program of a handler in
    ``intended``.
    """
    action, url = decision.action, f"{application.url}/"
    if isinstance(action, CallFastCgi | CallProcess):
        return
    reason = _reason(site.effective(application.url or "/"), decision, intended)
    why, remedy = (f"; {reason[0]}", reason[1]) if reason else ("", "")
    rules = ", ".join(decision.rules)
    if isinstance(action, Respond):
        yield _refused(url, action, *((why, remedy) if action.status < 500 else ("", "")))
        return
    match action:
        case ServeFile():
            what = f"the file {site.spelled(action.entry)}, which IIS sends itself"
        case ListDirectory():
            what = "a directory listing"
        case Redirect():
            what = f"a redirect to {action.location} (rule {rules})"
        case Proxy():
            what = f"forwarded to {action.url} (rule {rules})"
        case Abort():
            what = f"aborted by the rule {rules}"
        case _:
            assert_never(action)
    is_wrong = reason is not None or isinstance(action, ListDirectory | Abort)
    severity = "error" if is_wrong else "info"
    text = f"{url} is {what}{why}"
    found = finding("python-first-page", None, severity=severity, what=text, remedy=remedy)
    yield DoctorStep.of("request", found)


def _refused(url: str, action: Respond, why: str, remedy: str) -> DoctorStep:
    where = f"{action.finding.span}: " if action.finding is not None else ""
    hint = " ".join(action.hints) or (action.finding.hint if action.finding is not None else "")
    found = finding(
        "config-request-refused" if action.status >= 500 else "python-first-page/refused",
        None,
        url=url,
        status=f"{action.status}.{action.substatus}",
        reason=f"{where}{action.message}{why}",
        remedy=remedy or hint,
    )
    return DoctorStep.of("request", found)


def _reason(
    effective: Effective, decision: Decision, intended: Sequence[Handler]
) -> tuple[str, str] | None:
    """Why no request for the first page reaches a handler, and what to change."""
    for handler in intended:
        if "*" in handler.path and handler.path != "*":
            continue  # for other pages
        if handler.verbs and "GET" not in handler.verbs:
            return f"the handler {handler.name} takes no GET (verb)", 'Write verb="*".'
        if handler.resource_type.lower() in ("file", "directory", "either"):
            return (
                f"the handler {handler.name} answers only where such a thing exists"
                f' (resourceType="{handler.resource_type}")',
                'Write resourceType="Unspecified".',
            )
        if handler.path == "*":
            continue
        return _not_led(effective, decision, handler)
    return None


def _not_led(effective: Effective, decision: Decision, handler: Handler) -> tuple[str, str] | None:
    """Why no rule leads to a handler that is for one path."""
    name = handler.path.strip("/").lower()
    rules = effective.view(inbound).rules
    targets = {rule.name: rule.action.url.source for rule in rules if rule.action.url}
    leading = [rule for rule, url in targets.items() if name in url.lower()]
    if leading and decision.rules and any(rule in leading for rule in decision.rules):
        return None  # it does lead there: something else is in the way
    if leading and decision.rules:
        return (
            f"the rule {decision.rules[-1]} takes / before the rule {leading[0]}, which leads to"
            f" {handler.path}",
            f"Change the conditions of the rule {decision.rules[-1]}, or put it after that one.",
        )
    if leading:
        return (
            f"the rule {leading[0]} leads to {handler.path}, and its conditions leave / out",
            "Change the conditions of the rule, or remove the file or folder that they look at.",
        )
    firsts = {rule: re.split(r"[/{?]", url.lstrip("/"))[0] for rule, url in targets.items()}
    near = get_close_matches(name, [first.lower() for first in firsts.values()], 1)
    if near:
        rule = next(rule for rule, first in firsts.items() if first.lower() == near[0])
        return (
            f"the rule {rule} leads to {firsts[rule]}, and the handler {handler.name} is for"
            f" {handler.path}",
            f"Write {targets[rule].replace(firsts[rule], handler.path, 1)} in the rule.",
        )
    return (
        f"no rule leads to {handler.path}, which is what the handler {handler.name} is for",
        'Write path="*" in the handler, or add a rule: <rule name="Configure Python">'
        f'<match url="(.*)" /><action type="Rewrite" url="{handler.path}/{{R:1}}" /></rule>',
    )
