"""The server variables IIS sends to a FastCGI process: headers, variables of modules, then a fixed block.

Names, values and order come from dumps of real servers; see docs/fastcgi.md.
"""

from __future__ import annotations

from ..decision import CallFastCgi, Decision
from ..rewrite.state import MODULE_VERSION, State, original_url

Pair = tuple[str, str]


def variables(decision: Decision) -> list[Pair]:
    """The FastCGI parameters of a request, in wire order. Physical paths are local ones."""
    state, action, request, site = decision.state, decision.action, decision.request, decision.site
    assert state is not None and request is not None and site is not None and isinstance(action, CallFastCgi)
    path, script = state.path, action.script_name
    place = state.place
    fields = request.fields
    pairs = _headers(state)
    pairs.append(("IIS_UrlRewriteModule", MODULE_VERSION))
    if state.rewritten:
        pairs.append(("IIS_WasUrlRewritten", "1"))
        pairs.append(("UNENCODED_URL", state.variable("UNENCODED_URL")))
    secure = request.https
    path_info = action.path_info if action.handler.allow_path_info else path
    pairs += (
        ("APPL_MD_PATH", f"/LM/W3SVC/{place.site_id}/ROOT{place.application_path}"),
        ("APPL_PHYSICAL_PATH", f"{site.application(path).path}/"),
        ("AUTH_TYPE", ""), ("AUTH_PASSWORD", ""), ("AUTH_USER", ""),
        ("CERT_COOKIE", ""), ("CERT_FLAGS", ""), ("CERT_ISSUER", ""), ("CERT_SERIALNUMBER", ""), ("CERT_SUBJECT", ""),
        ("CONTENT_LENGTH", str(request.body_length or 0)),
        ("CONTENT_TYPE", fields.get("content-type", "")),
        ("DOCUMENT_ROOT", str(site.path)),
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("HTTPS", "on" if secure else "off"),
        ("HTTPS_KEYSIZE", ""), ("HTTPS_SECRETKEYSIZE", ""), ("HTTPS_SERVER_ISSUER", ""), ("HTTPS_SERVER_SUBJECT", ""),
        ("INSTANCE_ID", str(place.site_id)),
        ("INSTANCE_NAME", place.site_name.upper()),
        ("INSTANCE_META_PATH", f"/LM/W3SVC/{place.site_id}"),
        ("LOCAL_ADDR", request.local_addr),
        ("LOGON_USER", ""),
        ("PATH_INFO", path_info),
        ("PATH_TRANSLATED", site.local_path(path_info)),
        ("QUERY_STRING", state.query),
        ("REMOTE_ADDR", request.remote_addr), ("REMOTE_HOST", request.remote_addr),
        ("REMOTE_PORT", str(request.remote_port)), ("REMOTE_USER", ""),
        ("REQUEST_METHOD", request.method),
        ("REQUEST_URI", request.target.raw),
        ("SCRIPT_FILENAME", site.local_path(script)),
        ("SCRIPT_NAME", script),
        ("SERVER_NAME", request.host),
        ("SERVER_PORT", str(request.port)), ("SERVER_PORT_SECURE", "1" if secure else "0"),
        ("SERVER_PROTOCOL", request.protocol),
        ("SERVER_SOFTWARE", "Microsoft-IIS/10.0"),
        ("URL", script),
    )
    if request.overrides:
        pairs = [(name, request.overrides.get(name.upper(), value)) for name, value in pairs]
    return pairs


def _headers(state: State) -> list[Pair]:
    """HTTP_* of the request as the handler sees it: rules may have set some, and a rewrite sets X-Original-URL.

    A client's ``Proxy`` header is left out: as HTTP_PROXY it would redirect outgoing requests of many libraries.
    """
    headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in state.request.fields.items()
               if name != "proxy"}
    if state.shows_original:
        headers["HTTP_X_ORIGINAL_URL"] = original_url(state.request)
    for name, value in state.assigned.items():
        if name.startswith("HTTP_") and name != "HTTP_PROXY":
            headers[name] = value
    return list(headers.items())
