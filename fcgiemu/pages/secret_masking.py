"""What pages and logs never show: secrets, found by the name that stands before them or by their
own
shape.

Names are whole words of a setting, a variable or a parameter (``DB_PASSWORD``, ``api-key``,
``SECRET_KEY``); what follows them behind ``=`` or ``:``, or as the ``value`` of the same element,
is masked. Shapes are the user part of a URL, a key's own prefix and a private key. The text around
stays, so that a page still says what it is about.
"""

from __future__ import annotations

import re

MASK = "********"
#: Characters of a text that are looked at together.
PORTION = 1 << 14

_WORDS = (
    r"password|passwd|passphrase|pwd|secret|(?<!xsrf-)(?<!csrf)token|api[_.-]?key|apikey"
    r"|access[_.-]?key|account[_.-]?key|private[_.-]?key|signing[_.-]?key|encryption[_.-]?key"
    r"|machine[_.-]?key|validation[_.-]?key|decryption[_.-]?key|credentials?|connection[_.-]?string"
    r"|authorization|signature|cookie"
)
_SECRET_NAME = re.compile(rf"(?i)[\w.-]{{0,60}}(?:{_WORDS})[\w.-]{{0,60}}")
#: What a text must have for a name to stand in it at all: one quick look at most texts.
_HINT = re.compile(
    rf"(?i){_WORDS}|://[^/\s]{{0,200}}@|eyJ|PRIVATE KEY|AKIA|gh[opsu]_|xox[abpr]-|sk_live_"
)
#: NAME=value, NAME: value, 'NAME': 'value', quoted or up to a separator.
_ASSIGNED = re.compile(
    rf"(?i)(?P<before>(?<![\w.-])[\w.-]{{0,60}}(?:{_WORDS})[\w.-]{{0,60}}[\"']?\]?\s*(?:=>|:=|[=:])\s*)"
    r"(?:(?P<scheme>(?:basic|bearer|digest)\s+)?(?P<quote>[\"'])(?P<quoted>(?:\\.|(?!(?P=quote)).){0,4000})"
    r"(?P=quote)?|(?P<auth>(?:basic|bearer|digest)\s+)?(?P<bare>[^\s\"'&;,<>)\]}]+))"
)
#: key="NAME" … value="secret", in either order of elements such as <add>.
_ELEMENT = re.compile(
    rf"(?i)((?:key|name)\s*=\s*([\"'])[\w.-]{{0,60}}(?:{_WORDS})[\w.-]{{0,60}}\2[^<>]{{0,200}}?\bvalue\s*=\s*)"
    r"([\"'])(?:(?!\3).){0,4000}\3"
)
_ELEMENT_BACKWARDS = re.compile(
    r"(?i)(\bvalue\s*=\s*)([\"'])(?:(?!\2).){0,4000}\2"
    rf"([^<>]{{0,200}}?\b(?:key|name)\s*=\s*([\"'])[\w.-]{{0,60}}(?:{_WORDS})[\w.-]{{0,60}}\4)"
)
_SHAPES = (
    (
        re.compile(r"(\w[\w+.-]{0,30}://[^/\s:@\"'<>]{0,200}:)[^/\s@\"'<>]{1,200}(?=@)"),
        rf"\g<1>{MASK}",
    ),
    (re.compile(r"\beyJ[\w-]{5,4000}\.[\w-]{5,4000}\.[\w-]*"), MASK),
    (
        re.compile(
            r"\b(?:AKIA[0-9A-Z]{12,}|gh[opsu]_\w{20,}|xox[abpr]-[\w-]{10,}|sk_live_\w{10,})"
        ),
        MASK,
    ),
    (
        re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(-----END|\Z)", re.DOTALL),
        rf"\g<1>{MASK}\g<2>",
    ),
)


def is_secret(name: str) -> bool:
    """Whether what has this name is a secret."""
    return _SECRET_NAME.fullmatch(name) is not None


def text(content: str) -> str:
    """A text without the secrets in it."""
    if not _HINT.search(content):
        return content
    if len(content) > PORTION:  # each pattern looks a bounded way ahead: so do all of them together
        return "".join(text(content[at : at + PORTION]) for at in range(0, len(content), PORTION))
    content = _ELEMENT.sub(rf"\g<1>\g<3>{MASK}\g<3>", content)
    content = _ELEMENT_BACKWARDS.sub(rf"\g<1>\g<2>{MASK}\g<2>\g<3>", content)
    content = _ASSIGNED.sub(_masked, content)
    for shape, masked in _SHAPES:
        content = shape.sub(masked, content)
    return content


def _masked(match: re.Match[str]) -> str:
    if MASK in match[0]:
        return match[0]
    quote = match["quote"] or ""
    return f"{match['before']}{match['scheme'] or match['auth'] or ''}{quote}{MASK}{quote}"


def value(name: str, content: str) -> str:
    """The value of something that has a name."""
    return MASK if content and is_secret(name) else text(content)


def data(known: object, name: str = "") -> object:
    """JSON data without the secrets in it: by the names of its keys, and in its texts."""
    if isinstance(known, str):
        return value(name, known)
    if isinstance(known, dict):
        pair = known.get("name")
        return {
            key: value(pair, item)
            if key == "value" and isinstance(pair, str) and isinstance(item, str)
            else data(item, str(key))
            for key, item in known.items()
        }
    if isinstance(known, (list, tuple)):
        if len(known) == 2 and all(isinstance(item, str) for item in known):
            return [known[0], value(known[0], known[1])]
        return [data(item, name) for item in known]
    return known
