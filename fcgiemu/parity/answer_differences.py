"""Two answers made comparable: what must differ is taken out, the rest is compared.

What must differ: times, names of hosts, ids of requests, what networks and front ends add. Where
the other server is not IIS at all, also what IIS's own defaults add.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from ..modules.custom_error import ONE_LINERS
from .requesting import LiveAnswer, Origin, Question

#: Headers of the connection, of the network, of front ends and caches, and ids of requests.
_LEFT_OUT = frozenset(
    """connection keep-alive transfer-encoding date content-length age via alt-svc nel report-to
    expect-ct content-md5 x-cache x-cache-hits x-served-by x-timer x-varnish x-iinfo x-cdn
    request-context traceparent tracestate x-sourcefiles x-runtime server-timing""".split()
)
_LEFT_OUT_LIKE = re.compile(
    r"cf-|x-azure-|x-ms-|x-amz-|x-arr-|arr-|akamai-|x-fastly-"
    r"|(?:x-)?[\w-]*(?:request|trace|correlation|span|operation|invocation)-?id$"
)
#: Cookies of front ends.
_COOKIES = re.compile(r"(?i)(?:arraffinity|__cf|awsalb|incap_ses|visid_incap|ak_bmsc|bm_)")
_TIMES = {"etag": "(etag)", "last-modified": "(date)", "expires": "(date)", "retry-after": "(date)"}
_SETS = frozenset({"vary", "cache-control", "allow", "access-control-allow-methods", "pragma"})
#: What IIS adds by itself and other servers do not.
_OF_IIS = frozenset({"server", "x-powered-by", "x-aspnet-version", "x-aspnetmvc-version"})
#: Media types with two names.
_ALIASES = {
    "application/javascript": "text/javascript",
    "application/x-javascript": "text/javascript",
    "text/xml": "application/xml",
    "font/x-woff": "font/woff",
    "application/font-woff": "font/woff",
    "image/vnd.microsoft.icon": "image/x-icon",
}
_TOKENS = re.compile(
    rb"""(?ix)
    (<input[^>]*\bname=["']?(?:__VIEWSTATE\w*|__EVENTVALIDATION|__RequestVerificationToken
      |csrfmiddlewaretoken|csrf_token|authenticity_token)["']?[^>]*>)
    | (\bnonce=["'][^"']*["'])
    """
)
#: Pages that servers make themselves for errors.
_OWN_PAGES = re.compile(
    rb"<title>IIS \d+\.\d Detailed Error"
    rb'|<div id="header"><h1>Server Error</h1></div>'
    rb"|<hr><center>nginx|<address>Apache/|<hr><p>HTTP Error \d"
)


@dataclass(frozen=True, slots=True)
class AnswerDifference:
    """One thing that differs. ``aspect`` is status, Location, body, connection, or a header's name;
    ``live`` and ``local`` are what each side has.
    """

    aspect: str
    live: str
    local: str


@dataclass(frozen=True, slots=True)
class ComparisonPolicy:
    """What is compared. ``foreign`` is whether the other server is not IIS; ``ignored`` are headers
    left out; ``masks`` what is taken out of bodies of text.
    """

    live: Origin
    local: Origin
    foreign: bool = False
    ignored: frozenset[str] = frozenset()
    masks: tuple[re.Pattern[str], ...] = field(default=())


def is_foreign(answer: LiveAnswer) -> bool:
    """Whether an answer names a server that is not IIS."""
    server = answer.header("server")
    return bool(server) and not server.lower().startswith("microsoft-")


def differences(
    question: Question, live: LiveAnswer, local: LiveAnswer, policy: ComparisonPolicy
) -> Iterator[AnswerDifference]:
    """What differs between two answers to one question."""
    if live.error or local.error:
        if live.error != local.error:
            yield AnswerDifference("connection", _outcome(live), _outcome(local))
        return
    if live.status != local.status:
        yield AnswerDifference("status", str(live.status), str(local.status))
    places = (_location(question, live, policy), _location(question, local, policy))
    if places[0] != places[1]:
        yield AnswerDifference("Location", places[0] or "none", places[1] or "none")
    if live.status == local.status:
        yield from _headers(live, local, policy)
        yield from _bodies(question, live, local, policy)


def _outcome(answer: LiveAnswer) -> str:
    return answer.error or f"status {answer.status}"


def _location(question: Question, answer: LiveAnswer, policy: ComparisonPolicy) -> str:
    """Location as an absolute URL; ``{site}`` stands for the site's own origin."""
    text = answer.header("location")
    if not text:
        return ""
    try:
        absolute = urljoin(policy.live.url + question.target, text)
        parts = urlsplit(absolute)
        authority = parts.netloc.lower()
        if parts.scheme in ("http", "https") and authority.endswith((":80", ":443")):
            default = ":443" if parts.scheme == "https" else ":80"
            authority = authority.removesuffix(default)
    except ValueError:
        return text
    own = {policy.live.authority.lower(), policy.local.authority.lower()}
    rest = absolute[len(parts.scheme) + 3 + len(parts.netloc) :]
    if authority not in own:
        return f"{parts.scheme}://{authority}{rest}"
    scheme = "" if parts.scheme == policy.live.scheme else f"{parts.scheme}://"
    return f"{scheme}{{site}}{rest}"


def _headers(
    live: LiveAnswer, local: LiveAnswer, policy: ComparisonPolicy
) -> Iterator[AnswerDifference]:
    # what a server says of a page that it makes itself is its own
    generic = any(_is_own_page(answer) or 300 <= answer.status < 400 for answer in (live, local))
    one, other = _comparable(live, policy, generic), _comparable(local, policy, generic)
    for name in sorted(one.keys() | other.keys()):
        if one.get(name) != other.get(name):
            shown = next(key for key, _ in (*live.headers, *local.headers) if key.lower() == name)
            yield AnswerDifference(shown, _values(one.get(name)), _values(other.get(name)))


def _values(found: list[str] | None) -> str:
    return "none" if found is None else ", ".join(found)


def _comparable(
    answer: LiveAnswer, policy: ComparisonPolicy, generic: bool
) -> dict[str, list[str]]:
    """Headers by lower-case name, values normalised; those left out that must differ."""
    found: dict[str, list[str]] = {}
    for name, value in answer.headers:
        key = name.lower()
        if _is_left_out(key, answer, policy) or generic and key in ("content-type", "vary"):
            continue
        normal = _value(key, value, policy)
        if normal is not None:
            found.setdefault(key, []).append(normal)
    return {key: sorted(values) for key, values in found.items()}


def _is_left_out(key: str, answer: LiveAnswer, policy: ComparisonPolicy) -> bool:
    return (
        key in _LEFT_OUT
        or key in policy.ignored
        or key == "location"
        or bool(_LEFT_OUT_LIKE.match(key))
        or policy.foreign
        and (key in _OF_IIS or key == "allow" and answer.status == 405)
    )


def _value(key: str, value: str, policy: ComparisonPolicy) -> str | None:
    if key in _TIMES:
        return _TIMES[key] if value.strip() not in ("0", "-1") else value.strip()
    if key == "server":
        return value.partition("/")[0]
    if key == "set-cookie":
        return _cookie(value)
    if key == "content-type":
        return _media_type(value, policy)
    if key in _SETS:
        return _tokens(key, value)
    value = re.sub(r"'nonce-[^']*'", "'nonce'", value)
    for authority in (policy.live.authority, policy.local.authority):
        value = value.replace(authority, "{site}")
    return value.strip()


def _media_type(value: str, policy: ComparisonPolicy) -> str:
    kind, *parameters = (part.strip().lower() for part in value.split(";"))
    if policy.foreign:
        kind = _ALIASES.get(kind, kind)
    return "; ".join([kind, *sorted(filter(None, parameters))])


def _tokens(key: str, value: str) -> str | None:
    parts = {part.strip().lower() for part in value.split(",")} - {""}
    if key == "vary":
        parts.discard("accept-encoding")  # bodies are asked for without compression
    return ", ".join(sorted(parts)) or None


def _cookie(value: str) -> str | None:
    """A cookie's name and attributes; its value and its end differ each time."""
    first, *attributes = value.split(";")
    name = first.partition("=")[0].strip()
    if _COOKIES.match(name):
        return None
    kept = sorted(
        part.strip().lower()
        for part in attributes
        if not part.strip().lower().startswith("expires")
    )
    return "; ".join([name, *kept])


def _is_own_page(answer: LiveAnswer) -> bool:
    """Whether a server has made the body of an error itself."""
    if answer.status < 400:
        return False
    head = answer.body[:20_000]
    return not head.strip() or head.strip() in _ONE_LINERS or bool(_OWN_PAGES.search(head))


_ONE_LINERS = frozenset(text.encode() for text in ONE_LINERS.values())


def _bodies(
    question: Question, live: LiveAnswer, local: LiveAnswer, policy: ComparisonPolicy
) -> Iterator[AnswerDifference]:
    if question.method == "HEAD":
        sizes = (live.header("content-length"), local.header("content-length"))
        if live.status < 300 and all(sizes) and sizes[0] != sizes[1]:
            yield AnswerDifference("Content-Length", *sizes)
        return
    if 300 <= live.status < 400:
        return
    own = (_is_own_page(live), _is_own_page(local))
    if all(own):
        return
    if any(own):
        words = ("the server's own error page", "the site's own page")
        yield AnswerDifference("body", words[0 if own[0] else 1], words[0 if own[1] else 1])
        return
    one, other = _content(live, policy), _content(local, policy)
    if one != other:
        same = one.replace(b"\r\n", b"\n") == other.replace(b"\r\n", b"\n")
        note = ", other line ends" if same and _is_text(live) else ""
        yield AnswerDifference("body", _shown(one), _shown(other) + note)


def _is_text(answer: LiveAnswer) -> bool:
    kind = answer.header("content-type").lower()
    return kind.startswith("text/") or bool(re.search(r"json|xml|javascript", kind))


def _content(answer: LiveAnswer, policy: ComparisonPolicy) -> bytes:
    """The body; text without names of hosts, tokens of forms, and what the user masks."""
    if not _is_text(answer):
        return answer.body
    body = _TOKENS.sub(b"", answer.body)
    for where in (policy.live, policy.local):
        for text in (where.url, f"{where.scheme}://{where.host}:{where.port}", where.authority):
            body = body.replace(text.encode(), b"{site}")
    if policy.masks:
        text = body.decode("utf-8", "surrogateescape")
        for mask in policy.masks:
            text = mask.sub("", text)
        body = text.encode("utf-8", "surrogateescape")
    return body


def _shown(body: bytes) -> str:
    return f"{len(body)} bytes, sha256 {hashlib.sha256(body).hexdigest()[:12]}"
