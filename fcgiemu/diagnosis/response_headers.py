"""``<customHeaders>``: headers that no browser knows, values that say something else than was
meant, and headers that come from elsewhere and cannot be taken away here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from pathlib import Path

from ..catalogue import finding
from ..catalogue.findings import Finding
from ..config.reader import Element
from .configuration_files import holds_files, runs_asp_net

#: Headers that browsers and caches act on; one that is almost called so is misspelt.
_KNOWN = {
    name.lower(): name
    for name in """Access-Control-Allow-Credentials Access-Control-Allow-Headers
    Access-Control-Allow-Methods Access-Control-Allow-Origin Access-Control-Allow-Private-Network
    Access-Control-Expose-Headers Access-Control-Max-Age Access-Control-Request-Headers
    Access-Control-Request-Method Cache-Control Clear-Site-Data Content-Disposition
    Content-Encoding Content-Language Content-Security-Policy
    Content-Security-Policy-Report-Only Content-Type Cross-Origin-Embedder-Policy
    Cross-Origin-Opener-Policy Cross-Origin-Resource-Policy Expect-CT Feature-Policy
    Origin-Agent-Cluster Permissions-Policy Public-Key-Pins Referrer-Policy Report-To
    Reporting-Endpoints Service-Worker-Allowed Strict-Transport-Security Timing-Allow-Origin
    X-Content-Security-Policy X-Content-Type-Options X-DNS-Prefetch-Control X-Download-Options
    X-Frame-Options X-Permitted-Cross-Domain-Policies X-Powered-By X-Robots-Tag X-UA-Compatible
    X-WebKit-CSP X-XSS-Protection""".split()
}
#: Headers that something else than <customHeaders> adds -> form of the finding.
_OF_OTHERS = {
    "server": "server",
    "x-aspnet-version": "aspnet",
    "x-aspnetmvc-version": "mvc",
}


#: Headers that say of one response what it is: no two responses need the same.
_OF_ONE = frozenset(
    "content-type content-encoding content-length content-range transfer-encoding location".split()
)


def findings(
    section: Element, root: Element, folder: Path, is_for_all: bool = False
) -> Iterator[Finding]:
    """Findings about a section of a file of the site in ``folder``; ``is_for_all``: whether it is
    for every response of the site.
    """
    adds = [add for add in section.children if add.tag == "add"]
    values = {
        add.attributes.get("name", "").lower(): add.attributes.get("value", "").strip()
        for add in adds
    }
    for add in adds:
        name, value = add.attributes.get("name", ""), add.attributes.get("value", "")
        yield from _name(add, name)
        yield from _value(add, name, value.strip())
        yield from _cors(add, name.lower(), value, values)
        if name.lower() in _OF_ONE and is_for_all:
            yield finding("static-header-everywhere", add.span, name=name, value=value)
    yield from _removed(section, root, values, folder)


def _name(add: Element, name: str) -> Iterator[Finding]:
    if re.search(r"[:\s]", name):
        meant = re.sub(r"\s+", "-", name.partition(":")[0].strip())
        yield finding("static-header-name", add.span, name=name, meant=meant)
    elif name.lower() not in _KNOWN and (near := get_close_matches(name.lower(), _KNOWN, 1, 0.9)):
        yield finding("static-header-name/near", add.span, name=name, meant=_KNOWN[near[0]])


def _value(add: Element, name: str, value: str) -> Iterator[Finding]:
    """A value that holds the whole line of the header, or has another syntax than its header."""
    if name and re.match(rf"{re.escape(name)}[:\s]", value, re.IGNORECASE):
        meant = value[len(name) + 1 :].strip()
        yield finding("static-header-value", add.span, name=name, value=value, meant=meant)
        return
    correct = _CORRECTED.get(name.lower())
    meant = correct(value) if correct is not None and value else ""
    if meant and meant != value:
        form = "obsolete" if meant == _OBSOLETE else "syntax"
        yield finding(f"static-header-value/{form}", add.span, name=name, value=value, meant=meant)


# -- what a value should be: "" where it cannot be told --------------------------------------------


def _transport_security(value: str) -> str:
    seconds = re.search(r"(?i)max[-_ ]?age\s*[:=\s]\s*\"?(\d+)", value) or re.fullmatch(
        r"(\d+)", value
    )
    if re.search(r"(?i)(?:^|;)\s*max-age=\"?\d", value):
        return value.replace(",", ";")
    rest = [word for word in ("includeSubDomains", "preload") if word.lower() in value.lower()]
    return "; ".join([f"max-age={seconds[1] if seconds else 31536000}", *rest])


#: Words of a policy that stand in quotation marks.
_QUOTED = r"self|none|unsafe-inline|unsafe-eval|strict-dynamic|unsafe-hashes|wasm-unsafe-eval"


#: The directives of a policy.
_DIRECTIVES = """base-uri block-all-mixed-content child-src connect-src default-src fenced-frame-src
    font-src form-action frame-ancestors frame-src img-src manifest-src media-src navigate-to
    object-src plugin-types prefetch-src referrer reflected-xss report-to report-uri
    require-sri-for require-trusted-types-for sandbox script-src script-src-attr script-src-elem
    style-src style-src-attr style-src-elem trusted-types upgrade-insecure-requests
    worker-src""".split()


def _directive(part: str) -> str:
    """A part of a policy with its directive spelled right, as far as a near one is known."""
    name, blank, rest = part.partition(" ")
    near = get_close_matches(name.lower(), _DIRECTIVES, 1, 0.8)
    is_known = name.lower() in _DIRECTIVES or not near
    return (name if is_known else near[0]) + blank + rest


def _content_policy(value: str) -> str:
    parts = [
        part.strip() for part in re.split(r";|,(?=\s*[a-z]+-(?:src|uri|ancestors|action)\b)", value)
    ]
    parted = (re.sub(r"^([a-z-]+)\s*[:=]\s*", r"\1 ", part) for part in parts if part)
    right = (re.sub(r"(?<=\s)(https?|wss?)//", r"\1://", _directive(part)) for part in parted)
    made = [re.sub(rf"(?<=\s)(?:{_QUOTED})(?=\s|$)", r"'\g<0>'", part) for part in right]
    end = ";" if value.endswith(";") else ""
    return (
        value
        if made == [part for part in parts if part] and "," not in value
        else "; ".join(made) + end
    )


_OBSOLETE = "-"


def _frame_options(value: str) -> str:
    if value.upper() in ("DENY", "SAMEORIGIN"):
        return value
    if value.upper().startswith(("ALLOW", "*")):
        return _OBSOLETE
    near = get_close_matches(re.sub(r"\W", "", value.upper()), ("DENY", "SAMEORIGIN"), 1)
    return near[0] if near else _OBSOLETE


def _content_type_options(value: str) -> str:
    return value if value.lower() == "nosniff" else "nosniff"


_CACHE_WORDS = """max-age s-maxage no-cache no-store no-transform must-revalidate proxy-revalidate
    must-understand private public immutable stale-while-revalidate stale-if-error pre-check
    post-check only-if-cached min-fresh max-stale""".split()


def _cache_control(value: str) -> str:
    words = re.findall(r"([\w-]+)(?:\s*([:=])\s*(\"[^\"]*\"|[^\s,;]+))?", value)
    made = []
    for word, sign, text in words:
        near = get_close_matches(word.lower().replace("_", "-"), _CACHE_WORDS, 1, 0.8)
        name = word if word.lower() in _CACHE_WORDS or not near else near[0]
        if name.lower() in ("max-age", "s-maxage"):
            text = _seconds(text) or text
        made.append(f"{name}={text}" if sign else name)
    plain = [word + sign + text for word, sign, text in words]
    is_parted = re.search(r"[;]|[\w\"]\s+\w", value) is None
    return value if made == plain and is_parted else ", ".join(made)


def _listed(value: str) -> str:
    """A list of names: commas part them."""
    if value == "*" or "," in value and not re.search(r"[;|]", value):
        return value
    parts = [part for part in re.split(r"[\s,;|]+", value) if part]
    return ", ".join(parts) if len(parts) > 1 or parts != [value] else value


_REFERRER = """no-referrer no-referrer-when-downgrade same-origin origin strict-origin
    origin-when-cross-origin strict-origin-when-cross-origin unsafe-url""".split()


def _referrer_policy(value: str) -> str:
    words = [word.strip().lower() for word in value.split(",")]
    near = [get_close_matches(word.replace("_", "-"), _REFERRER, 1) for word in words]
    return (
        value
        if set(words) <= set(_REFERRER) or not all(near)
        else ", ".join(one[0] for one in near)
    )


def _seconds(text: str) -> str:
    """A number with a unit of time in seconds; "" for another text."""
    found = re.fullmatch(r"(\d+)\s*(mo|[smhdwy])\w*", text.lower())
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "mo": 2592000, "y": 31536000}
    return str(int(found[1]) * units[found[2]]) if found else ""


#: A feature and who may use it, as Permissions-Policy has them.
_FEATURE = re.compile(r"[\w-]+=(?:\*|self|\([^()]*\))(?:;.*)?")


def _permissions(value: str) -> str:
    """A policy with the syntax of Feature-Policy, in that of Permissions-Policy."""
    parts = [part.strip() for part in re.split(r"[;,](?![^(]*\))", value) if part.strip()]
    if all(map(_FEATURE.fullmatch, parts)):
        return ", ".join(parts) if ";" in value else value
    made = []
    for part in parts:
        found = re.fullmatch(r"([a-z-]+)(?:\s*[=:]\s*|\s+)(.+)", part)
        if found is None:
            return ""
        words = re.findall(r"\*|https?://[\w.*:-]+|\w+", found[2])
        who = " ".join(f'"{word}"' if "://" in word else word for word in words if word != "none")
        made.append(f"{found[1]}={'*' if who == '*' else f'({who})'}")
    return ", ".join(made)


def _protection(value: str) -> str:
    found = re.fullmatch(r"(?i)1[\s,;]*(?:mode\s*[=:]\s*block)?;?", value)
    is_right = re.fullmatch(r"(?i)[01]|1;\s*(?:mode=block|report=\S+);?|0;.*", value)
    return "1; mode=block" if found and not is_right else ""


_CORRECTED: dict[str, Callable[[str], str]] = {
    "strict-transport-security": _transport_security,
    "content-security-policy": _content_policy,
    "content-security-policy-report-only": _content_policy,
    "x-frame-options": _frame_options,
    "x-content-type-options": _content_type_options,
    "cache-control": _cache_control,
    "access-control-allow-methods": _listed,
    "access-control-allow-headers": _listed,
    "access-control-expose-headers": _listed,
    "access-control-max-age": _seconds,
    "permissions-policy": _permissions,
    "x-xss-protection": _protection,
    "referrer-policy": _referrer_policy,
}


# -- requests of other origins ---------------------------------------------------------------------


def _cors(add: Element, name: str, value: str, values: dict[str, str]) -> Iterator[Finding]:
    origin = value.strip()
    if name == "access-control-allow-origin":
        if re.search(r"[,;\s]\s*\S|\*.|.\*", origin):
            yield finding("static-cors-origin", add.span, value=value)
        elif found := re.fullmatch(r"(?i)(https?://[^/]+)/.*", origin):
            yield finding("static-cors-origin/path", add.span, value=value, meant=found[1])
        elif origin and "://" not in origin and origin not in ("*", "null"):
            meant = f"https://{origin.strip('/')}"
            yield finding("static-cors-origin/scheme", add.span, value=value, meant=meant)
    elif name == "access-control-allow-credentials" and origin.lower() == "true":
        if values.get("access-control-allow-origin") == "*":
            yield finding("static-cors-origin/credentials", add.span)
    elif name in ("access-control-allow-headers", "access-control-allow-methods"):
        if origin == "*" and values.get("access-control-allow-credentials", "").lower() == "true":
            yield finding("static-cors-origin/star", add.span, name=add.attributes["name"])


# -- headers of others -----------------------------------------------------------------------------


def _removed(
    section: Element, root: Element, values: dict[str, str], folder: Path
) -> Iterator[Finding]:
    """<remove> of a header that this list does not add: it stays."""
    for child in section.children:
        name = child.attributes.get("name", "")
        form = _OF_OTHERS.get(name.lower(), "")
        is_empty = child.tag == "add" and not child.attributes.get("value", "").strip()
        if not form or not (child.tag == "remove" or is_empty) or _is_done(form, root):
            continue
        if form != "server" and holds_files(folder) and not runs_asp_net(folder):
            continue  # nothing adds it: no header to take away
        if child.tag == "add" or name.lower() not in values:
            yield finding(f"static-header-stays/{form}", child.span, name=name)


def _is_done(form: str, root: Element) -> bool:
    """Whether a file takes such a header away by what does it."""
    if form == "server":
        return any(
            part.attributes.get("removeServerHeader", "").lower() == "true"
            for part in root.iter("requestFiltering")
        ) or any(
            match.attributes.get("serverVariable", "").upper() == "RESPONSE_SERVER"
            for match in root.iter("match")
        )
    return form == "aspnet" and any(
        part.attributes.get("enableVersionHeader", "").lower() == "false"
        for part in root.iter("httpRuntime")
    )
