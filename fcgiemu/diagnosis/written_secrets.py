"""Passwords and keys that stand in a web.config, which is committed and published."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..catalogue import finding
from ..catalogue.findings import Finding
from ..config.reader import Element
from ..worker import paths

_SECRET_NAME = re.compile(
    r"(?i)(secret|password|passwd|pwd|[_-]pass\b|api_?key|access_?key|private_?key|token)(?!.*(?:"
    r"expir\w*|ur[il]|issuer|name|length|timeout|path|file|endpoint|audience|policy|enabled|lifetime|type|"
    r"header|field|minutes|hours|days)$)"
)
_SECRET_TEXT = re.compile(
    r"(?i)(?:password|pwd|accountkey|sharedaccesskey)\s*=\s*([^;\"']{3,})|://[^/:@\s]*:([^@/\s]{2,})@"
)
#: Secrets by their shape: keys of services, and long texts of Base64 as nobody writes them.
_SECRET_SHAPE = re.compile(
    r"(?:gh[pousr]_|github_pat_|sk_live_|rk_live_|xox[abpsr]-|SG\.|AIza|AKIA|glpat-|eyJ[\w-]+\.eyJ)"
    r"[\w./+=-]{12,}|-----BEGIN [A-Z ]*PRIVATE KEY|[A-Za-z0-9+/]{42,}={1,2}"
)
#: Values that only stand for a secret.
_PLACEHOLDER = re.compile(
    r"(?i)|[<{\[#%@].*|\$[({].*|.*[>}\]#%]|_+[a-z0-9_]+_+|x{3,}|\*{3,}|change[-_"
    r" ]?(?:me|this|it).*|"
    r"your[-_ ].*|(?:paste|put|enter)[-_ ].*|.*[-_ ]here|replace[-_ ].*|insert[-_ ].*|set[-_"
    r" ].*|todo|example|placeholder.*|dummy|none|null|"
    r"true|false|\d{1,4}|https?://[^@]*"
)
#: Settings of wfastcgi that hold no secret although their names sound so.
_NO_SECRETS = frozenset({"wsgi_ptvsd_secret"})
#: Attributes that hold a secret wherever they stand.
_SECRET_ATTRIBUTES = ("password", "validationKey", "decryptionKey")
_NO_SECRET = re.compile(
    r"(?i)|AutoGenerate.*|[$%{#\[<@*_].*|.*[}%\]>]|x+|your.*|change.*|password|\*+"
)


def findings(root: Element) -> Iterator[Finding]:
    """Findings about the elements of a file."""
    yield from _settings(root)
    for tag in ("system.web", "system.net"):
        for element in root.iter(tag):
            yield from _attributes(element)


#: Sections with settings: tag, the attribute with the name of an entry, and the one with its value.
_SETTINGS = (
    ("appSettings", "key", "value"),
    ("connectionStrings", "name", "connectionString"),
    ("environmentVariables", "name", "value"),
)


def _settings(root: Element) -> Iterator[Finding]:
    for section, key, value_name in _SETTINGS:
        for group in root.iter(section):
            for add in group.children:
                name, value = add.attributes.get(key, ""), add.attributes.get(value_name, "")
                if form := _form(name, value):
                    inside = _SECRET_TEXT.search(value)
                    part = inside[0].replace(inside[1] or inside[2], "…") if inside else ""
                    yield finding(f"settings-secret/{form}", add.span, name=name, part=part)


def _form(name: str, value: str) -> str:
    """By what a setting is one of a secret: "inside" its value one stands, by the "shape" of the
    whole value, by its "name"; "" where it is none.
    """
    if inside := _SECRET_TEXT.search(value):
        return "" if _PLACEHOLDER.fullmatch(inside[1] or inside[2]) else "inside"
    text = value.strip()
    if len(text.split()) > 2 or _PLACEHOLDER.fullmatch(text):
        return ""  # a sentence, or what stands for a secret
    if _SECRET_SHAPE.match(text):
        return "shape"
    is_named = _SECRET_NAME.search(name) and name.lower() not in _NO_SECRETS
    return "name" if is_named and not paths.is_windows(value) else ""


def _attributes(place: Element) -> Iterator[Finding]:
    """Passwords and keys in <system.web> or <system.net>: of machineKey, mail servers, users."""
    for tag in ("machineKey", "network", "identity", "user"):
        for element in place.iter(tag):
            for name in _SECRET_ATTRIBUTES:
                if not _NO_SECRET.fullmatch(element.attributes.get(name, "")):
                    yield finding("settings-secret/name", element.span, name=f"<{tag} {name}>")
