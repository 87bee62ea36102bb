"""What to write where a rewrite map is asked for what none of its keys is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import quoteattr

from ..rewrite.rule import Rule
from .condition_remedies import attributes, quoted
from .rule_kinds import is_universal


def asked(rule: Rule, form: str, argument: str, key: str) -> str:
    """What a map has to be asked for in the place of ``argument``; "" where its keys have to be
    written in another way.
    """
    if form == "folder":
        has_query = "?" in key and argument in ("{REQUEST_URI}", "{UNENCODED_URL}")
        return "/{R:0}?{QUERY_STRING}" if has_query else "/{R:0}"
    if form in ("twice", "query") and argument not in ("{R:0}", "{R:1}"):
        return "{REQUEST_URI}"
    if form == "query":
        return f"{argument}?{{QUERY_STRING}}"
    if form == "absolute":
        scheme = re.match(r"(?i)(?:https?:)?(?://)?", key)
        path = argument if argument not in ("{R:0}", "{R:1}") else f"/{argument}"
        return f"{scheme[0] if scheme else ''}{{HTTP_HOST}}{path}"
    if form == "slash" and is_universal(rule):
        return "{R:0}"
    if form == "no-slash":
        whole = rule.matcher is not None and rule.matcher(key[1:]) is not None
        return "{URL}" if whole and not rule.base and not rule.negate else f"/{argument}"
    return argument if form == "function" else ""


def meant_key(form: str, key: str) -> str:
    """A key as it has to be written."""
    if form == "host":
        return urlsplit(key if "://" in key else f"//{key.strip('/')}").hostname or key.strip("/")
    if form == "mark":
        return key.lstrip("?")
    return unquote(key) if form == "encoded" else f"/{key}"


def written(rule: Rule, text: str, old: str, new: str) -> str:
    """A text of a rule with another look-up, as the attribute that it is."""
    made = re.sub(re.escape(old), lambda _: new, text, flags=re.IGNORECASE)
    is_target = rule.action.url is not None and rule.action.url.source == text
    return f"url={quoted(made)} in <action>" if is_target else attributes(input=made)


def rule_for(name: str, pairs: Sequence[tuple[str, str]], folder: str) -> str:
    """A rule that redirects by a map; "" for a map of something else than URLs."""
    if not all(re.match(r"https?://|/|[\w.-]+(?:/|$)", value) for _, value in pairs):
        return ""
    if not all(re.match(r"[/\w]", key) for key, _ in pairs):
        return ""
    has_query = any("?" in key for key, _ in pairs)
    has_slash = all(key.startswith("/") for key, _ in pairs)
    argument = ("/{R:0}" if folder else "{URL}") if has_slash else "{R:0}"
    if has_query:
        argument = "{REQUEST_URI}" if has_slash else "{R:0}?{QUERY_STRING}"
    keeps = ' appendQueryString="false"' if has_query else ""
    return (
        f'<rule name={quoteattr(name)}><match url=".*" /><conditions><add '
        f'input={quoteattr(f"{{{name}:{argument}}}")} pattern="(.+)" /></conditions>'
        f'<action type="Redirect" url="{{C:1}}"{keeps} /></rule>'
    )
