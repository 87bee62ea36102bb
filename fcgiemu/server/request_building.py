"""A request's head as data, or http.sys's refusal of it.

A client sends the same headers and the same host with most of its requests. What has been made of
them is remembered by the server that they came to, the latest ones only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from ..http.numbers import MAX_LENGTH, MAX_PORT, bounded
from ..http.request import Request, joined
from ..http.response import Header
from ..http.url import UrlRefused, canonicalize
from .local_clients import is_trusted

#: A host and port as a Host field may hold them; "" is allowed for HTTP/1.0.
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::([0-9]*))?")


class RequestHeads:
    """Makes the requests of one server. ``trusted_names``: see local_clients."""

    def __init__(self, trusted_names: frozenset[str] = frozenset()) -> None:
        self._trusted_names = trusted_names
        self._decoded = lru_cache(256)(_decoded)
        self._host_and_port = lru_cache(1024)(_host_and_port)
        self._is_trusted = lru_cache(1024)(is_trusted)

    def request(
        self,
        *,
        method: str,
        target: bytes,
        version: str,
        headers: tuple[tuple[bytes, bytes], ...],
        scheme: str,
        client: tuple[str, int],
        server: tuple[str, int],
    ) -> Request:
        """The request as data; ``version`` is "1.1" or "1.0". Raises UrlRefused where http.sys
        would answer by itself.
        """
        decoded, fields = self._decoded(headers)
        length = fields.get("content-length")
        path, authority = _origin_form(target.decode("utf-8", "surrogateescape"), method)
        host = fields.get("host")
        if host is None:
            if version == "1.1":  # RFC 9112, 3.2: also with a target that names one
                raise _invalid_hostname()
            host = ""
        name, port = self._host_and_port(host)
        if authority is not None:  # the absolute form: its authority takes the place of Host
            name, port = self._host_and_port(authority)
            decoded = (
                ("Host", authority),
                *(pair for pair in decoded if pair[0].lower() != "host"),
            )
            fields = {**fields, "host": authority}
        # Called by names, a class makes a dict of them, a fifth of all this; its __init__ does not.
        request = object.__new__(Request)
        Request.__init__(
            request,
            method=method,
            target=canonicalize(path),
            headers=decoded,
            scheme=scheme,
            host=name or "localhost",
            port=port or server[1] or 80,
            remote_addr=client[0],
            remote_port=client[1],
            local_addr=server[0],
            protocol="HTTP/" + version,
            body_length=bounded(length, MAX_LENGTH) if length is not None else None,
            fields=fields,
            is_own_host=self._is_trusted(name, self._trusted_names),
        )
        return request


def _decoded(
    headers: tuple[tuple[bytes, bytes], ...],
) -> tuple[tuple[Header, ...], Mapping[str, str]]:
    """Headers as text, in order and by name."""
    decoded = tuple([(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers])
    return decoded, joined(decoded)


def _invalid_hostname() -> UrlRefused:
    return UrlRefused(400, "Bad Request - Invalid Hostname", "The request hostname is invalid.")


def _host_and_port(host: str) -> tuple[str, int | None]:
    """The parts of a Host field. Raises UrlRefused for what is none, two joined ones among it."""
    match = _HOST.fullmatch(host)
    port = bounded(match[2], MAX_PORT) if match is not None and match[2] else None
    if match is None or match[2] and port is None:
        raise _invalid_hostname()
    return match[1].strip("[]"), port


def _origin_form(target: str, method: str) -> tuple[str, str | None]:
    """The origin form of any request target, and the authority where it names one. The form of
    CONNECT asks for a tunnel, which http.sys does not make.
    """
    if method == "CONNECT":
        raise UrlRefused(400, "Bad Request - Invalid Verb", "The request verb is invalid.")
    if target.startswith("/"):
        return target, None
    scheme, found, rest = target.partition("://")
    if found and scheme.lower() in ("http", "https"):
        end = min((rest.find(mark) for mark in "/?" if mark in rest), default=len(rest))
        path = rest[end:]
        if not end:
            raise _invalid_hostname()
        return path if path.startswith("/") else "/" + path, rest[:end]
    if target == "*" and method == "OPTIONS":
        return "/", None
    raise UrlRefused(400, "Bad Request - Invalid URL", "The request URL is invalid.")
