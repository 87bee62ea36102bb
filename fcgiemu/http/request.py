"""A request as data: what came over the wire, canonicalised once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from .identity import Identity
from .numbers import MAX_LENGTH, MAX_PORT, bounded
from .url import Target, UrlRefused, canonicalize

Header = tuple[str, str]
#: Provider, identifier, name and (type, value) claims of a user that has signed in.
Signed = tuple[str, str, str, tuple[tuple[str, str], ...]]


@dataclass(slots=True, kw_only=True)
class Request:
    """An HTTP request, which nobody changes once it is made (frozen would cost a microsecond each).

    ``headers`` keep the order and spelling of arrival; ``overrides`` replace server variables.
    """

    method: str
    target: Target
    headers: tuple[Header, ...] = ()
    scheme: str = "http"
    host: str = "localhost"
    port: int = 80
    remote_addr: str = "127.0.0.1"
    remote_port: int = 50000
    local_addr: str = "127.0.0.1"
    protocol: str = "HTTP/1.1"
    body_length: int | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)
    #: Header name in lower case -> value; repeated headers joined with ", " as http.sys does.
    fields: Mapping[str, str] = field(default_factory=dict)
    #: Whether the host is a name of this machine's own, by which detailed errors may be asked for.
    is_own_host: bool = True
    #: Who the client can prove to be, where a server asks.
    identity: Identity | None = None
    #: Who has signed in to App Service: provider, identifier, name, claims.
    principal: Signed | None = None

    @property
    def label(self) -> str:
        """Its name in the console: method and path."""
        return f"{self.method} {self.target.path}"

    @property
    def https(self) -> bool:
        return self.scheme == "https"

    @property
    def is_local(self) -> bool:
        """Whether the client is on the server's own machine and asks for it by a name of its own:
        that is who sees detailed errors.
        """
        return self.is_own_host and (
            self.remote_addr in ("127.0.0.1", "::1") or self.remote_addr == self.local_addr
        )

    @property
    def authority(self) -> str:
        """Host as sent, with the port where it is not the scheme's own."""
        return self.fields.get("host") or self.host


def make_request(
    url: str,
    method: str = "GET",
    headers: Iterable[Header] | Mapping[str, str] = (),
    *,
    https: bool = False,
    remote_addr: str = "127.0.0.1",
    body_length: int | None = None,
    overrides: Mapping[str, str] | None = None,
    identity: Identity | None = None,
) -> Request:
    """A request for a path (``/a?b=1``) or an absolute URL, which sets scheme, host and port.

    Raises UrlRefused for a target that http.sys answers itself.
    """
    given = list(headers.items() if isinstance(headers, Mapping) else headers)
    # As a browser sends it: what is not ASCII goes out percent-encoded.
    url = quote(url, safe="".join(map(chr, range(128))), errors="replace")
    scheme, host, port, target = _split(url, https)
    fields = joined(given)
    if "host" in fields:
        sent = fields["host"]
        host = _host_of(sent) or host
        if not url.lower().startswith(("http://", "https://")):
            port = _port_of(sent) or port
    else:
        authority = f"[{host}]" if ":" in host else host
        sent = authority if port == (443 if scheme == "https" else 80) else f"{authority}:{port}"
        given.insert(0, ("Host", sent))
        fields["host"] = sent
    if body_length is None and "content-length" in fields:
        body_length = bounded(fields["content-length"], MAX_LENGTH)
    elif body_length and "content-length" not in fields:
        given.append(("Content-Length", str(body_length)))
        fields["content-length"] = str(body_length)
    return Request(
        method=method,
        target=canonicalize(target),
        headers=tuple(given),
        scheme=scheme,
        host=host,
        port=port,
        remote_addr=remote_addr,
        body_length=body_length,
        overrides={key.upper(): str(value) for key, value in (overrides or {}).items()},
        fields=fields,
        identity=identity,
    )


def joined(headers: Iterable[Header]) -> dict[str, str]:
    """Header fields by lower-case name; a repeated one joined with ", " (cookies with "; ")."""
    fields: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        if key in fields:
            fields[key] += ("; " if key == "cookie" else ", ") + value
        else:
            fields[key] = value
    return fields


def _split(url: str, https: bool) -> tuple[str, str, int, str]:
    if not url.lower().startswith(("http://", "https://")):
        return ("https", "localhost", 443, url) if https else ("http", "localhost", 80, url)
    scheme, _, rest = url.partition("://")
    scheme = scheme.lower()
    end = min((rest.find(mark) for mark in "/?" if mark in rest), default=len(rest))
    authority, target = rest[:end], rest[end:]
    if not target.startswith("/"):
        target = "/" + target
    host = _host_of(authority) or "localhost"
    default = 443 if scheme == "https" else 80
    if https and scheme == "http":
        scheme = "https"
        default = 443
    return scheme, host, _port_of(authority) or default, target


def _host_of(authority: str) -> str | None:
    try:
        return urlsplit("//" + authority).hostname
    except ValueError:
        raise UrlRefused(
            400, "Bad Request - Invalid Hostname", "The request hostname is invalid."
        ) from None


def _port_of(authority: str) -> int | None:
    digits = authority.rpartition("]")[2].rpartition(":")[2]
    return bounded(digits, MAX_PORT) if ":" in authority else None
