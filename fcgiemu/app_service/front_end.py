"""What the front end of App Service adds to a request before it reaches the worker, and to its
answer.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from ..http.request import Request

#: The identifier of a request that is only explained.
NO_IDENTIFIER = "00000000-0000-0000-0000-000000000000"


def arrive(request: Request, site_name: str, identifier: str = NO_IDENTIFIER) -> Request:
    """The request as the worker gets it: Max-Forwards, X-ARR-LOG-ID, X-Original-URL … as header
    dumps show them.

    A header of these names that the client sends is replaced; X-Forwarded-For is continued.
    """
    client = f"{request.remote_addr}:{request.remote_port}"
    forwarded = request.fields.get("x-forwarded-for")
    added = {
        "Max-Forwards": "10",
        "X-ARR-LOG-ID": identifier,
        "CLIENT-IP": client,
        "DISGUISED-HOST": request.authority,
        "X-SITE-DEPLOYMENT-ID": site_name,
        "WAS-DEFAULT-HOSTNAME": f"{site_name}.azurewebsites.net",
        "X-Forwarded-Proto": request.scheme,
        "X-AppService-Proto": request.scheme,
        "X-Forwarded-For": f"{forwarded}, {client}" if forwarded else client,
        "X-Original-URL": request.target.raw,
        "X-WAWS-Unencoded-URL": request.target.raw,
        "X-Client-IP": request.remote_addr,
        "X-Client-Port": str(request.remote_port),
    }
    if request.https:
        added["X-ARR-SSL"] = "2048|256|CN=localhost|CN=*.azurewebsites.net"
        added["X-Forwarded-TlsVersion"] = "1.3"
    names = {name.lower() for name in added} | {"x-arr-ssl", "x-forwarded-tlsversion"}
    headers = (*(pair for pair in request.headers if pair[0].lower() not in names), *added.items())
    fields = {name: value for name, value in request.fields.items() if name not in names}
    fields.update((name.lower(), value) for name, value in added.items())
    return replace(request, headers=headers, fields=fields)


def affinity_cookie(site_name: str, request: Request) -> tuple[str, str]:
    """The ARRAffinity cookie that names the instance, in 64 hexadecimal digits."""
    return "Set-Cookie", f"ARRAffinity={instance(site_name)};Path=/;HttpOnly;Domain={request.host}"


def instance(site_name: str) -> str:
    """WEBSITE_INSTANCE_ID: the same for a site at every start."""
    return hashlib.sha256(site_name.encode()).hexdigest()
