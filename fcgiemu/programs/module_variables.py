"""What AspNetCoreModule, and its fork HttpPlatformHandlerV2, tell a process in its environment
(seen in code). The names begin with ``ASPNETCORE_``, or with ``HTTP_PLATFORM_``.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Mapping

from ..applications import Application
from ..config.tree import Effective
from ..hosting import Hosting
from ..modules import authentication, web_socket
from ..modules.process_section import ProcessSection

#: The ports that environmentVariables may fix.
PORTS = range(1025, 48001)


def of_module(
    site: Hosting, application: Application, prefix: str, port: int | str
) -> dict[str, str]:
    """The variables of both modules, with a fresh token."""
    effective = site.effective(application.url or "/")
    found = {
        "PORT": str(port),
        "APPL_PATH": application.url or "/",
        "TOKEN": str(uuid.uuid4()),
        "IIS_HTTPAUTH": _authentication(effective),
        "IIS_PHYSICAL_PATH": f"{application.path}{os.sep}",
        "IIS_WEBSOCKETS_SUPPORTED": str(effective.view(web_socket.enabled)).lower(),
    }
    return {f"{prefix}{name}": value for name, value in found.items()}


def of_server(application: Application, prefix: str) -> dict[str, str]:
    """What HttpPlatformHandlerV2 tells of the server as well."""
    place = application.place
    pool = place.application_pool
    found = {
        "VERSION": "10.0",  # inferred
        "APP_POOL_ID": pool,
        "APP_POOL_CONFIG_FILE": f"C:\\inetpub\\temp\\apppools\\{pool}\\{pool}.config",
        "SITE_NAME": place.site_name,
        "SITE_ID": str(place.site_id),
        "APP_CONFIG_PATH": f"MACHINE/WEBROOT/APPHOST/{place.site_name}{application.url}",
        "APPLICATION_ID": f"/LM/W3SVC/{place.site_id}/ROOT{application.url}",
        "APPLICATION_VIRTUAL_PATH": application.url or "/",
    }
    return {f"{prefix}IIS_{name}": value for name, value in found.items()}


def _authentication(effective: Effective) -> str:
    """The enabled ways of authentication, as the module writes them."""
    offered = effective.view(authentication.methods)
    names = [
        name
        for name, is_offered in (
            ("windows", bool(offered.windows)),
            ("basic", offered.basic_realm is not None),
            ("anonymous", offered.anonymous),
        )
        if is_offered
    ]
    return "".join(f"{name};" for name in names) or "none"


def given(settings: ProcessSection, variable: str) -> str:
    """What environmentVariables say of a variable, as it is written; "" where they do not."""
    return next((value for name, value in settings.environment if name.upper() == variable), "")


def value(environment: Mapping[str, str], name: str) -> str:
    """A variable, whatever its case, as on Windows."""
    upper = name.upper()
    return next((value for key, value in environment.items() if key.upper() == upper), "")


def joined(environment: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    """An environment with variables that take the place of those of the same name."""
    kept = without(environment, added)
    return {**kept, **added}


def without(environment: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """An environment without variables of these names, whatever their case."""
    upper = {name.upper() for name in names}
    return {name: value for name, value in environment.items() if name.upper() not in upper}
