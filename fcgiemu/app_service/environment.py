"""The environment of an App Service worker: app settings, connection strings, and what the platform
sets.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import SiteError
from .easy_auth import EasyAuth
from .front_end import instance

#: Type of a connection string in the portal -> prefix of its variable (Kudu's SettingsProcessor).
PREFIXES = {
    "sqlserver": "SQLCONNSTR_",
    "sqlazure": "SQLAZURECONNSTR_",
    "mysql": "MYSQLCONNSTR_",
    "custom": "CUSTOMCONNSTR_",
    "postgresql": "POSTGRESQLCONNSTR_",
}


@dataclass(frozen=True, slots=True)
class AppSetting:
    """An app setting, or with ``kind`` a connection string of that type."""

    name: str
    value: str
    kind: str = ""


def read(path: Path) -> list[AppSetting]:
    """App settings of a file: ``NAME=value`` lines, local.settings.json, or what ``az webapp config
    … list`` prints.

    Raises SiteError, naming file and line, for anything else.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SiteError(f"{path}: {error}.") from error
    if not text.lstrip().startswith(("{", "[")):
        return list(_lines(text, path))
    try:
        return list(_json(json.loads(text)))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        hint = "Give the output of 'az webapp config appsettings list' or a local.settings.json."
        raise SiteError(f"{path}: {error}.", hint) from error


def _lines(text: str, path: Path) -> Iterator[AppSetting]:
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip().removeprefix("export ")
        if not stripped or stripped.startswith("#"):
            continue
        name, equals, value = stripped.partition("=")
        if not equals or not name.strip():
            raise SiteError(
                f"{path}:{number}: this is not NAME=value.", "Write one setting a line."
            )
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        yield AppSetting(name.strip(), value)


def _json(data: Any) -> Iterator[AppSetting]:
    if isinstance(data, list):
        for entry in data:
            yield AppSetting(str(entry["name"]), str(entry["value"]), str(entry.get("type", "")))
        return
    for name, value in data["Values"].items():
        yield AppSetting(name, str(value))
    for name, value in data.get("ConnectionStrings", {}).items():
        yield AppSetting(name, str(value), "SQLAzure")


def of_authentication(settings: EasyAuth | None) -> dict[str, str]:
    """What App Service authentication adds: the default provider only with the redirect (seen; the
    action's name is inferred).
    """
    if settings is None:
        return {}
    found = {
        "WEBSITE_AUTH_ENABLED": "True",
        "WEBSITE_AUTH_UNAUTHENTICATED_ACTION": settings.action,
    }
    if settings.action == "RedirectToLoginPage":
        found["WEBSITE_AUTH_DEFAULT_PROVIDER"] = settings.redirect_to
    return found


def of_worker(site_name: str, settings: Iterable[AppSetting]) -> dict[str, str]:
    """The variables of the worker's process, Windows paths as they are there."""
    return {
        "HOME": "D:\\home",
        "WEBSITE_SITE_NAME": site_name,
        "WEBSITE_IIS_SITE_NAME": site_name,
        "WEBSITE_HOSTNAME": f"{site_name}.azurewebsites.net",
        "WEBSITE_INSTANCE_ID": instance(site_name),
        "WEBSITE_SKU": "Standard",
        "WEBSITE_COMPUTE_MODE": "Dedicated",
        "WEBSITE_OWNER_NAME": "local+fcgiemu",
        "WEBSITE_RESOURCE_GROUP": "local",
        "WEBSITE_VOLUME_TYPE": "PrimaryStorageVolume",
        "WEBSITE_HTTPLOGGING_ENABLED": "0",
        "WEBSITE_AUTH_ENABLED": "False",
        "WEBSITE_SCM_SEPARATE_STATUS": "1",
        "WEBSITE_LOCALCACHE_ENABLED": "False",
        "REGION_NAME": "local",
        "SITE_BITNESS": "x86",
        "WEBSOCKET_CONCURRENT_REQUEST_LIMIT": "-1",
        "ScmType": "LocalGit",
        "SystemDrive": "D:",
        **variables(settings),
    }


def variables(settings: Iterable[AppSetting]) -> dict[str, str]:
    """App settings and connection strings as variables of a process. A setting appears twice, as on
    Azure.
    """
    found: dict[str, str] = {}
    for setting in settings:
        if setting.kind:
            found[PREFIXES.get(setting.kind.lower(), "CUSTOMCONNSTR_") + setting.name] = (
                setting.value
            )
        else:
            found[setting.name] = found[f"APPSETTING_{setting.name}"] = setting.value
    return found
