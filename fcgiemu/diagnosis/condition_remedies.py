"""What a condition that cannot fit its variable was meant to be: the attributes as they have to be
written, ``input="{URL}" pattern="^/old$"``.

What people wrote says what they had in mind: a host where the path is tested is the host, with the
rest of the pattern about the path behind it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from xml.sax.saxutils import quoteattr

from ..rewrite.rule import Condition

#: A host name in a pattern, with or without backslashes.
_HOST = re.compile(r"(?:(?:[\w-]+|\*)\\?\.)+[A-Za-z][\w-]*|localhost|\{C:\d\}")
#: A scheme at the start of a pattern, as people write it.
SCHEME = re.compile(
    r"^\^?(?:\(\?:|\()*https?\??\)?(?:\|https?\))?:?(?:\\?/){2}(?:\)\??)?", re.IGNORECASE
)
#: Numbers of one part of an address that a pattern lists, at most.
_MOST_NUMBERS = 64


def attributes(**values: str) -> str:
    """Attributes as they stand in a file."""
    return " ".join(f"{name}={quoted(value)}" for name, value in values.items())


def quoted(value: str) -> str:
    """A value as it stands in a file, with its quotation marks."""
    return quoteattr(value) if '"' not in value else '"' + quoteattr(f"{value}'")[1:-2] + '"'


def written(condition: Condition) -> str:
    """A condition as a remedy names it."""
    return f"<add {attributes(input=condition.input.source, pattern=condition.pattern)}>"


def meant(form: str, condition: Condition, syntax: str) -> str:
    """The attributes that were meant where a condition is the ``form`` of
    rewrite-impossible-condition; "" for a form that names them itself.
    """
    maker = _MADE.get(form)
    return maker(condition.pattern.strip(), syntax == "ECMAScript") if maker else ""


def _host(pattern: str, is_regex: bool) -> str:
    """A pattern with a slash for the host: the host in it, or a path."""
    host = _HOST.search(SCHEME.sub("", pattern))
    if host is None:
        return attributes(input="{URL}")
    return attributes(pattern=_exact(host[0], is_regex))


def _exact(host: str, is_regex: bool) -> str:
    if not is_regex:
        return host.replace("\\", "")
    if host == "localhost":
        return r"^localhost(?::\d+)?$"  # a server to develop with seldom has the default port
    return "^" + re.sub(r"(?<!\\)\.", r"\\.", host) + "$"


def _url_host(pattern: str, is_regex: bool) -> str:
    """A host in a pattern for the path: with a path behind it both are tested as one text."""
    rest = SCHEME.sub("", pattern).removeprefix("^")
    host, slash, path = re.split(r"(\\?/|$)", rest, maxsplit=1)
    if not slash or not path.strip("$*.()"):
        found = _HOST.search(host)
        return attributes(
            input="{HTTP_HOST}", pattern=_exact(found[0], is_regex) if found else host
        )
    whole = f"^{rest}" if is_regex else rest
    return attributes(input="{HTTP_HOST}{REQUEST_URI}", pattern=whole)


def _without_port(pattern: str, _: bool) -> str:
    return attributes(pattern=re.sub(r":(?:80|443)(?=\$?$)", "", pattern))


def _without_scheme(pattern: str, is_regex: bool) -> str:
    rest = SCHEME.sub("", pattern)
    return attributes(pattern=f"^{rest}" if is_regex else rest)


def _addresses(pattern: str, is_regex: bool) -> str:
    """A network as the addresses that are in it."""
    text = re.sub(r"[\^$\\()]", "", pattern)
    try:
        network = ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        return attributes(pattern=r"^10\.0\.") + " with what the addresses begin with"
    parts = str(network.network_address).split(".")
    whole, bits = divmod(network.prefixlen, 8)
    first = parts[:whole]
    if bits:
        start, count = int(parts[whole]), 1 << (8 - bits)
        if count > _MOST_NUMBERS or not is_regex:
            return attributes(pattern=".".join([*first, "*"])) + " in a rule of Wildcard syntax"
        first.append(f"(?:{'|'.join(map(str, range(start, start + count)))})")
    if not is_regex:
        return attributes(pattern=".".join(first) + (".*" if len(first) < len(parts) else ""))
    end = r"\." if len(first) < len(parts) else "$"
    return attributes(pattern="^" + r"\.".join(first) + end)


def _address(pattern: str, is_regex: bool) -> str:
    if "localhost" in pattern.lower():
        return attributes(pattern=r"^(?:127\.0\.0\.1|::1)$" if is_regex else "127.0.0.1")
    return f"the address of {pattern.strip('^$')} as its pattern"


def _referer(pattern: str, is_regex: bool) -> str:
    rest = pattern.removeprefix("^")
    return attributes(pattern=f"^https?://{rest}" if is_regex else f"*://{rest}")


def _protocol(pattern: str, is_regex: bool) -> str:
    word = "on" if re.search(r"(?i)https(?!\?)|^\^?on|ssl", pattern) else "off"
    return attributes(input="{HTTPS}", pattern=f"^{word}$" if is_regex else word)


#: Form -> what makes the attributes of its pattern; the flag says whether that is a regular
#: expression.
_MADE: dict[str, Callable[[str, bool], str]] = {
    "host": _host,
    "url-host": _url_host,
    "filename": lambda pattern, is_regex: attributes(input="{URL}"),
    "no-query": lambda pattern, is_regex: attributes(input="{REQUEST_URI}"),
    "default-port": _without_port,
    "scheme": _without_scheme,
    "address": _addresses,
    "address-name": _address,
    "referer": _referer,
    "protocol": _protocol,
}
