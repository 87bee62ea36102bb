"""The server variables IIS sends to a FastCGI process: headers, variables of modules, then a fixed
block.

Names, values and order come from dumps of real servers; see docs/fastcgi.md.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from ..decision import CallFastCgi, Decision
from ..fastcgi import php, records
from ..fastcgi.records import REQUEST_ID
from ..http.identity import User
from ..http.request import Request
from ..rewrite.state import (
    MODULE_VERSION,
    Place,
    RewriteResult,
    original_url,
    unencoded_url,
)

Pair = tuple[str, str]


class VariableGroup(NamedTuple):
    """Variables that follow each other on the wire and are the same in many requests, and their
    encoding.
    """

    pairs: tuple[Pair, ...]
    data: bytes


def variables(decision: Decision, action: CallFastCgi) -> list[Pair]:
    """The FastCGI parameters of a request, in wire order. Physical paths are local ones."""
    pairs = [
        pair
        for part in _parts(decision, action)
        for pair in (part.pairs if isinstance(part, VariableGroup) else (part,))
    ]
    overrides = decision.request.overrides
    if overrides:
        pairs = [(name, overrides.get(name.upper(), value)) for name, value in pairs]
    return pairs


def encode_params(decision: Decision, action: CallFastCgi) -> bytes:
    """The PARAMS stream of a request. Raises ProtocolError for a variable longer than a record."""
    data = b"".join(
        [
            part.data if type(part) is VariableGroup else _encoded(*part)
            for part in _parts(decision, action)
        ]
    )
    if len(data) <= records.MAX_CONTENT:
        return records.encode(records.PARAMS, REQUEST_ID, data) + _END
    return records.encode_params(
        REQUEST_ID, [_encoded(*pair) for pair in variables(decision, action)]
    )


class ParamsTemplate(NamedTuple):
    """The PARAMS stream of requests that differ in their query alone, and that no rule has
    rewritten: what stands before QUERY_STRING, between it and REQUEST_URI, and behind that.
    """

    before: bytes
    between: bytes
    behind: bytes

    @classmethod
    def of(cls, decision: Decision, action: CallFastCgi) -> ParamsTemplate:
        """The template of such a request."""
        runs = [b"", b"", b""]
        place = 0
        for part in _parts(decision, action):
            if isinstance(part, VariableGroup):
                runs[place] += part.data
            elif part[0] in ("QUERY_STRING", "REQUEST_URI"):
                place += 1
            else:
                runs[place] += _encoded(*part)
        return cls(*runs)

    def encode(self, decision: Decision, action: CallFastCgi) -> bytes:
        """As ``encode_params``."""
        data = b"".join(
            (
                self.before,
                _encoded("QUERY_STRING", decision.query),
                self.between,
                _encoded("REQUEST_URI", decision.request.target.raw),
                self.behind,
            )
        )
        if len(data) > records.MAX_CONTENT:
            return encode_params(decision, action)
        return records.encode(records.PARAMS, REQUEST_ID, data) + _END


def _parts(decision: Decision, action: CallFastCgi) -> list[VariableGroup | Pair]:
    rewrite, request, site = decision.rewrite, decision.request, decision.site
    path, script = rewrite.path, action.script_name
    path_info = action.path_info if action.handler.allow_path_info else path
    application, local, remote, rest, server = _of_client(
        rewrite.place,
        f"{site.application(path).path}/",
        str(site.path),
        request.scheme,
        request.local_addr,
        request.remote_addr,
        request.method,
        request.host,
        request.port,
        request.protocol,
        decision.user,
    )
    translated = site.local_path(path_info)
    script_file = translated if script == path_info else site.local_path(script)
    path_variables: tuple[Pair, ...] = (("PATH_INFO", path_info),)
    if php.is_php(action.handler.script_processor):
        path_variables = php.path_variables(script, path_info)
    parts = _headers(request, rewrite)
    if rewrite.rewritten:
        parts += _REWRITTEN, ("UNENCODED_URL", _unencoded(request, rewrite))
    else:
        parts.append(_MODULE)
    parts += (
        application,
        _content(str(request.body_length or 0), request.fields.get("content-type", "")),
        local,
        *path_variables,
        ("PATH_TRANSLATED", translated),
        ("QUERY_STRING", rewrite.query),
        remote,
        ("REMOTE_PORT", str(request.remote_port)),
        rest,
        ("REQUEST_URI", request.target.raw),
        ("SCRIPT_FILENAME", script_file),
        ("SCRIPT_NAME", script),
        server,
        ("URL", script),
    )
    return parts


def _unencoded(request: Request, rewrite: RewriteResult) -> str:
    assigned = rewrite.assigned.get("UNENCODED_URL")
    return unencoded_url(request, rewrite.folder_url) if assigned is None else assigned


@lru_cache(maxsize=1024)
def _of_client(
    place: Place,
    application: str,
    root: str,
    scheme: str,
    local_addr: str,
    remote_addr: str,
    method: str,
    host: str,
    port: int,
    protocol: str,
    user: User,
) -> tuple[VariableGroup, VariableGroup, VariableGroup, VariableGroup, VariableGroup]:
    """What stays the same while a client asks the same site in the same way."""
    secure = scheme == "https"
    return (
        _made(
            ("APPL_MD_PATH", f"/LM/W3SVC/{place.site_id}/ROOT{place.application_path}"),
            ("APPL_PHYSICAL_PATH", application),
            ("AUTH_TYPE", user.scheme),
            ("AUTH_PASSWORD", user.password),
            ("AUTH_USER", user.name),
            ("CERT_COOKIE", ""),
            ("CERT_FLAGS", ""),
            ("CERT_ISSUER", ""),
            ("CERT_SERIALNUMBER", ""),
            ("CERT_SUBJECT", ""),
        ),
        _made(
            ("DOCUMENT_ROOT", root),
            ("GATEWAY_INTERFACE", "CGI/1.1"),
            ("HTTPS", "on" if secure else "off"),
            ("HTTPS_KEYSIZE", ""),
            ("HTTPS_SECRETKEYSIZE", ""),
            ("HTTPS_SERVER_ISSUER", ""),
            ("HTTPS_SERVER_SUBJECT", ""),
            ("INSTANCE_ID", str(place.site_id)),
            ("INSTANCE_NAME", place.site_name.upper()),
            ("INSTANCE_META_PATH", f"/LM/W3SVC/{place.site_id}"),
            ("LOCAL_ADDR", local_addr),
            ("LOGON_USER", user.name),
        ),
        _made(("REMOTE_ADDR", remote_addr), ("REMOTE_HOST", remote_addr)),
        _made(("REMOTE_USER", user.name), ("REQUEST_METHOD", method)),
        _made(
            ("SERVER_NAME", host),
            ("SERVER_PORT", str(port)),
            ("SERVER_PORT_SECURE", "1" if secure else "0"),
            ("SERVER_PROTOCOL", protocol),
            ("SERVER_SOFTWARE", "Microsoft-IIS/10.0"),
        ),
    )


@lru_cache(maxsize=256)
def _content(length: str, kind: str) -> VariableGroup:
    return _made(("CONTENT_LENGTH", length), ("CONTENT_TYPE", kind))


def _headers(request: Request, rewrite: RewriteResult) -> list[VariableGroup | Pair]:
    """HTTP_* of the request as the handler sees it: rules may have set some, and a rewrite sets
    X-Original-URL.

    A client's ``Proxy`` header is left out: as HTTP_PROXY it would redirect outgoing requests of
    many libraries.
    """
    changed = {
        name: value
        for name, value in rewrite.assigned.items()
        if name.startswith("HTTP_") and name != "HTTP_PROXY"
    }
    if rewrite.shows_original:
        changed = {"HTTP_X_ORIGINAL_URL": original_url(request), **changed}
    sent = _sent(tuple(request.fields.items()))
    if not changed:
        return [sent]
    if changed.keys().isdisjoint([name for name, _ in sent.pairs]):
        return [sent, *changed.items()]
    return list({**dict(sent.pairs), **changed}.items())


@lru_cache(maxsize=256)
def _sent(fields: tuple[Pair, ...]) -> VariableGroup:
    """HTTP_* of what the client has sent; of two names that give the same variable the last one
    counts.
    """
    return _made(
        *{
            f"HTTP_{name.upper().replace('-', '_')}": value
            for name, value in fields
            if name != "proxy"
        }.items()
    )


def _made(*pairs: Pair) -> VariableGroup:
    return VariableGroup(pairs, b"".join([_encoded(name, value) for name, value in pairs]))


def _encoded(name: str, value: str) -> bytes:
    """A variable for the wire: what came as text in UTF-8 goes on as UTF-8, header bytes as they
    came.
    """
    if name.startswith("HTTP_"):
        data = value.encode("latin-1", "replace")
    else:
        data = value.encode(
            "utf-8", "surrogateescape"
        )  # FastCGIUtf8ServerVariables, as Azure sets it
    return _name(name, len(data)) + data


@lru_cache(maxsize=4096)
def _name(name: str, length: int) -> bytes:
    """The beginning of an encoded variable, whose value has so many bytes."""
    return records.encode_name(name.encode("latin-1", "replace"), length)


_MODULE = _made(("IIS_UrlRewriteModule", MODULE_VERSION))
_REWRITTEN = _made(("IIS_UrlRewriteModule", MODULE_VERSION), ("IIS_WasUrlRewritten", "1"))
_END = records.encode(records.PARAMS, REQUEST_ID)
