"""A response as data, and the phrases and bodies that IIS gives it."""

from __future__ import annotations

import codecs
import html
from dataclasses import KW_ONLY, dataclass, field
from http import HTTPStatus

Header = tuple[str, str]

#: Reason phrases that differ from the standard ones (wire captures).
_REASONS = {
    302: "Redirect",
    307: "Moved Temporarily",
    308: "Permanent Redirect",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    416: "Requested Range Not Satisfiable",
    303: "See Other",
}

SERVER = "Microsoft-IIS/10.0"


@dataclass(slots=True)
class Response:
    """Status, reason, headers in order, and a body that is complete."""

    status: int
    reason: str
    headers: list[Header] = field(default_factory=list)
    body: bytes = b""
    _: KW_ONLY
    substatus: int = 0
    message: str = ""
    hresult: int = 0

    def charset(self) -> str:
        """The body's encoding: that of Content-Type, else UTF-8."""
        return body_charset(self.header("content-type"))

    def header(self, name: str) -> str:
        """The first header called ``name``, or ""."""
        lower = name.lower()
        for key, value in self.headers:
            if key.lower() == lower:
                return value
        return ""


#: HTTP.sys writes the headers that it knows first, in the order of its own enumeration
#: (HTTP_HEADER_ID; measured in traces), then the others as they were added.
_KNOWN = (
    "cache-control",
    "keep-alive",
    "pragma",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "warning",
    "allow",
    "content-type",
    "content-encoding",
    "content-language",
    "content-location",
    "content-md5",
    "content-range",
    "expires",
    "last-modified",
    "accept-ranges",
    "age",
    "etag",
    "location",
    "proxy-authenticate",
    "retry-after",
    "server",
    "set-cookie",
    "vary",
    "www-authenticate",
)
_PLACES = {name: place for place, name in enumerate(_KNOWN)}
#: What it adds itself, at the end.
_PLACES |= {"date": 101, "connection": 102, "content-length": 103}
_OTHERS = 100


def ordered(headers: list[Header]) -> list[Header]:
    """Headers in the order in which HTTP.sys writes them."""
    return sorted(headers, key=lambda pair: _PLACES.get(pair[0].lower(), _OTHERS))


def set_header(response: Response, name: str, value: str) -> None:
    """Give a response a header in the place of those of the same name."""
    lower = name.lower()
    response.headers = [pair for pair in response.headers if pair[0].lower() != lower]
    response.headers.append((name, value))


def body_charset(content_type: str) -> str:
    """The charset a Content-Type names, where Python knows it; else UTF-8."""
    from werkzeug.http import parse_options_header  # late: it takes 50 ms to import

    name = parse_options_header(content_type)[1].get("charset", "utf-8")
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "utf-8"


def reason_phrase(status: int) -> str:
    """The phrase IIS writes after a status."""
    if status in _REASONS:
        return _REASONS[status]
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def redirect_body(location: str) -> bytes:
    """The body of every redirect that IIS makes itself (wire captures)."""
    escaped = html.escape(location, quote=False).replace('"', "&quot;")
    return (
        "<head><title>Document Moved</title></head>\n<body><h1>Object Moved</h1>This document may"
        " be found "
        f'<a HREF="{escaped}">here</a></body>'
    ).encode()


def http_sys_body(heading: str, status: int, text: str) -> bytes:
    """The page of http.sys's own answers (wire captures)."""
    title = heading.partition(" - ")[0].removesuffix(" URL") if status != 414 else heading
    return (
        '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML'
        f' 4.01//EN""http://www.w3.org/TR/html4/strict.dtd">\r\n<HTML><HEAD><TITLE>{title}</TITLE>\r\n<META'
        ' HTTP-EQUIV="Content-Type" Content="text/html;'
        f' charset=us-ascii"></HEAD>\r\n<BODY><h2>{heading}</h2>\r\n<hr><p>HTTP Error {status}.'
        f" {text}</p>\r\n</BODY></HTML>\r\n"
    ).encode()
