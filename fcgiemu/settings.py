"""Settings: everything that an administrator, the platform or the command line says about a site
beside its web.config.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .app_service.easy_auth import EasyAuth
from .app_service.environment import AppSetting
from .app_service.principal import PEOPLE
from .errors import SiteError
from .http.identity import Identity
from .http.numbers import MAX_PORT, bounded
from .identities import Account
from .profiles import DEFAULT, MISSING_ON_FRESH_IIS, PLATFORM_2

#: The key for every application where something is given by the application's path.
EVERY = "*"


#: Modules that a server may have beside those of its profile.
OPTIONAL_MODULES = (
    "ApplicationRequestRouting",
    "CorsModule",
    "HttpCacheModule",
    PLATFORM_2,
    "WebDAVModule",
    *MISSING_ON_FRESH_IIS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How faithful and for which host. Every field has a default: ``Settings()`` is a plain server
    of IIS Express.
    """

    #: What is kinder here than on IIS is left out, such as the Azure page's two static-file rules.
    strict: bool = False
    #: Sections that a server locks by default give 500.19 in place of a warning.
    strict_locks: bool = False
    #: As on an App Service: paths, environment, headers of the front end.
    azure: bool = False
    #: Name of the server profile; see fcgiemu/profiles.py.
    profile: str = DEFAULT
    #: App settings and connection strings of an App Service.
    app_settings: tuple[AppSetting, ...] = ()
    #: Whether an app setting comes before the <appSettings> of web.config by the same name;
    #: wfastcgi has it the other way.
    portal_wins: bool = False
    #: Whether Application Request Routing is there: rewrites to other hosts are proxied.
    arr: bool = False
    #: Whether the server maps *.php to PHP, as App Service does.
    php: bool = False
    #: Optional modules of the server: see OPTIONAL_MODULES.
    modules: tuple[str, ...] = ()
    #: Whether URL Rewrite does its work; where it does not, rules have no effect.
    rewrite_module: bool = True
    #: Whether static and dynamic compression work; off because which hits of a file are compressed
    #: depends on time.
    compression: bool = False
    #: An applicationHost.config, or a part of one.
    host_config: Path | None = None
    #: Whether ``serve`` has pages that show its requests; nothing that is decided depends on it.
    ui: bool = False
    #: Read in the place of the root folder's web.config.
    root_config: Path | None = None
    #: Contents that an editor has not saved, by the full path of the web.config: read in the place
    #: of the file, which need not exist.
    unsaved: Mapping[str, bytes] = field(default_factory=dict)
    #: Transforms of the root folder's web.config, in order: ``Release`` for web.Release.config, or
    #: paths.
    transforms: tuple[str, ...] = ()
    #: Which <site> of the host configuration; the first one where it has none of this name.
    site_name: str = "Default Web Site"
    #: (Windows path prefix, local path) pairs of --map, tried before the built-in ones.
    path_map: tuple[tuple[str, str], ...] = ()
    #: (host[:port] of another server, local host:port) pairs of --map-server.
    server_map: tuple[tuple[str, str], ...] = ()
    #: (application path or EVERY, interpreter or environment) pairs of --python and python.
    python: tuple[tuple[str, str], ...] = ()
    #: Who every client is, where the configuration asks (--as).
    identity: Identity | None = None
    #: Who is offered on the sign-in pages (--identities); see principal.read_people.
    people: tuple[dict[str, object], ...] = PEOPLE
    #: App Service authentication; None = off.
    easy_auth: EasyAuth | None = None
    #: Users of Basic authentication, by name without case (--basic-users).
    basic_users: Mapping[str, Account] = field(default_factory=dict)
    #: Python callables that stand in for rewrite providers (.NET types), by name.
    providers: Mapping[str, Callable[[str], str]] = field(default_factory=dict)


def server_pair(text: str) -> tuple[str, str]:
    """``HOST[:PORT]=HOST:PORT`` of --map-server. Raises SiteError."""
    server, equals, local = (part.strip() for part in text.partition("="))
    host, _, port = local.rpartition(":")
    number = bounded(port, MAX_PORT)
    if not server or "/" in server or not equals or not host or "/" in host or not number:
        raise SiteError(
            f"--map-server {text} is not SERVER=LOCAL, with the port of LOCAL.",
            "Write for example --map-server 10.0.0.1:80=127.0.0.1:9001.",
        )
    return server, local
