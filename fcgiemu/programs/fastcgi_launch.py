"""How the processes of a FastCGI application are started: which worker, with what environment and
limits.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from .. import posix
from ..app_service import environment as azure
from ..applications import Application
from ..config.xdt.application_host import environment_of
from ..errors import SiteError, beside
from ..fastcgi import php
from ..fastcgi.limits import IIS_LIMITS, Limits
from ..fastcgi.process import Launch, StartFailed
from ..files import UNWATCHED, make_own_folder
from ..hosting import Hosting
from ..http.numbers import MAX_PORT, bounded
from ..lifeline import guarded
from ..modules import fastcgi
from ..worker import paths
from .installed_pythons import OLDEST
from .interpreters import Program, find_wfastcgi, split_processor
from .windows_paths import is_ours, path_pairs

#: Variables of our own process that would lead the site's interpreter astray.
_NOT_INHERITED = (
    "PYTHONPATH",
    "PYTHONHOME",
    "VIRTUAL_ENV",
    "PYTHONSTARTUP",
    "__PYVENV_LAUNCHER__",
    "PYTHONEXECUTABLE",
)
#: Variables that are options of ours, or were between us and a worker that has started us.
_OWN = "FCGIEMU_"
_WORKER = Path(__file__).parent.parent / "worker"
_FOREVER = float("inf")
PTVSD_PORT = 5678  # wfastcgi's default


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolOptions:
    """What the command line says about processes. ``worker`` is "fcgiemu" or "wfastcgi"
    (Microsoft's own file).
    """

    workers: int | None = None
    worker: str = "fcgiemu"
    strict_pool: bool = False
    no_timeouts: bool = False
    debug_port: int | None = None
    #: Whether an interpreter stands by for when files change.
    standby: bool = False


class NotRegistered(Exception):
    """The scriptProcessor has no <application> under <fastCgi>, and --strict-pool is on."""


class Launcher:
    """Knows the limits and the start of every scriptProcessor of a site."""

    def __init__(self, site: Hosting, options: PoolOptions) -> None:
        """Raises SiteError where a debugger is wanted that is not installed."""
        if options.debug_port is not None and not _has_debugger():
            raise SiteError(
                "--debugpy needs the package debugpy, which is not installed beside fcgiemu.",
                f"Run: {beside('fcgiemu[debug]')}",
            )
        self.site = site
        self.options = options

    @property
    def stands_by(self) -> bool:
        """Whether each pool keeps a process that stands by; a debugger's port is one process's."""
        return self.options.standby and self.options.debug_port is None and posix.PASSES_SOCKETS

    def debug_port(self, application: Application) -> int | None:
        """The port for a debugger: that of --debugpy, else that of the old WSGI_PTVSD_ADDRESS of
        appSettings; None where no debugger is wanted, or appSettings want one that is not
        installed, or at a port that is not one.
        """
        if self.options.debug_port is not None:
            return self.options.debug_port
        if not self._wants_debugger(application) or not _has_debugger():
            return None
        address = self.site.app_settings(application).get("WSGI_PTVSD_ADDRESS", ("", None))[0]
        port = address.partition(":")[2]
        return (bounded(port, MAX_PORT) or None) if port else PTVSD_PORT

    def _wants_debugger(self, application: Application) -> bool:
        """Whether appSettings have a WSGI_PTVSD_SECRET: without it wfastcgi starts no debugger."""
        return bool(self.site.app_settings(application).get("WSGI_PTVSD_SECRET", ("", None))[0])

    def limits(self, processor: str, application: Application) -> Limits:
        """The limits for a scriptProcessor: development's defaults, then the host configuration,
        then the command line.

        Raises NotRegistered.
        """
        options = self.options
        key = fastcgi.key(*split_processor(processor))
        known = self.site.effective("/").view(fastcgi.registered)
        if options.strict_pool and self.site.settings.host_config is not None and key not in known:
            raise NotRegistered
        limits = fastcgi.limits(
            known.get(key), IIS_LIMITS if options.strict_pool else Limits(max_instances=2)
        )
        if limits.monitor_changes_to:
            limits = replace(
                limits, monitor_changes_to=self._monitored(processor, limits.monitor_changes_to)
            )
        if php.is_php(processor) and not options.strict_pool:
            limits = php.limits(limits, {**os.environ, **dict(limits.environment)})
        if options.workers is not None:
            limits = replace(limits, max_instances=options.workers)
        if self.debug_port(application) is not None:
            limits = replace(limits, max_instances=1)  # the one that the debugger's port belongs to
        if options.no_timeouts or options.debug_port is not None:
            limits = replace(limits, activity_timeout=_FOREVER, request_timeout=_FOREVER)
        return limits

    def _monitored(self, processor: str, name: str) -> str:
        """The local file of monitorChangesTo, which is relative to the folder of the executable."""
        folder = split_processor(processor)[0].replace("/", "\\").rpartition("\\")[0]
        path = name if paths.is_windows(name) or name.startswith("/") else f"{folder}\\{name}"
        return paths.map_path(path, path_pairs(self.site)) or path.replace("\\", "/")

    def launch(self, program: Program, application: Application, limits: Limits) -> Launch:
        """How to start a process of ``program`` for an application of the site. Raises
        StartFailed.
        """
        grace = float(limits.signal_before_terminate)
        environment = self.environment(application, limits)
        tcp = limits.protocol == "Tcp"
        if not program.is_wfastcgi:
            if program.is_php and not self.options.strict_pool:
                environment = {**php.environment(limits), **environment}
            return Launch(
                command=guarded((program.path, *program.arguments)),
                environment=environment,
                directory=str(application.path),
                tcp=tcp,
                binds=("-b",) if program.is_php else None,
                grace=grace,
                guarded=True,
            )
        self._make_log_folder(application)
        options: dict[str, object] = {
            "map": path_pairs(self.site),
            "strict": self.site.settings.strict,
        }
        if self.site.settings.azure and self.site.settings.portal_wins:
            options["portal"] = [
                setting.name for setting in self.site.settings.app_settings if not setting.kind
            ]
        if self.options.worker == "wfastcgi" or (
            program.version is not None and program.version < OLDEST
        ):
            return self._genuine(program, application, environment, options, grace)
        port = self.debug_port(application)
        if port is not None:
            options["debugpy"] = {"port": port, "folder": _folder_of("debugpy")}
        elif self._wants_debugger(application):
            options["log"] = "unable to start debugpy to enable debugging"
        if not self.site.settings.strict and not posix.IS_WINDOWS:
            options.update(terminal=posix.terminal(), site=str(self.site.path))
        mark = options["mark"] = secrets.token_hex(8)
        environment.update(FCGIEMU_FLUP=_folder_of("flup"), FCGIEMU_WORKER=json.dumps(options))
        stands_by = self.stands_by and port is None
        if stands_by:
            environment["FCGIEMU_REPORTS"] = self._folders(application)
        command = (program.path, str(_WORKER / "main.py"))
        return Launch(
            command=command,
            environment=environment,
            directory=str(application.path),
            tcp=tcp,
            binds=(),
            grace=grace,
            mark=mark,
            may_stand_by=stands_by,
        )

    def _folders(self, application: Application) -> str:
        """What a worker must know to tell which modules another one may load ahead."""
        roots = [str(root) for root in self.site.roots()]
        return json.dumps(
            {
                "folder": str(application.path),
                "watched": sorted({*roots, *map(os.path.realpath, roots)}),
                "ignored": sorted(UNWATCHED),
            }
        )

    def environment(self, application: Application, limits: Limits) -> dict[str, str]:
        """What a process of an application finds in its environment, but for what is between us and
        our worker.
        """
        found = {
            name: value
            for name, value in os.environ.items()
            if name not in _NOT_INHERITED and not name.startswith(_OWN)
        }
        found.update(
            APP_POOL_ID=application.place.application_pool,
            PYTHONIOENCODING="utf-8",
            SystemDrive="C:",
        )
        if self.site.settings.azure:
            given = azure.of_worker(self.site.azure_name, self.site.settings.app_settings)
            given |= azure.of_authentication(self.site.settings.easy_auth)
            for server in self.site.tree.host:
                given |= environment_of(server.root)
            found.update((name, self._local(value)) for name, value in given.items())
            if "PATH" in given:  # a list of folders, where others are one
                found["PATH"] = os.pathsep.join(map(self._local, given["PATH"].split(";")))
        found.update((name, self._local(value)) for name, value in limits.environment)
        if limits.signal_before_terminate:
            found["_FCGI_SHUTDOWN_EVENT_"] = "1"
        return found

    def _genuine(
        self,
        program: Program,
        application: Application,
        environment: dict[str, str],
        options: dict[str, object],
        grace: float,
    ) -> Launch:
        """Microsoft's wfastcgi.py, which talks over descriptor 0 itself."""
        script = find_wfastcgi(program, self.site, application)
        if script is None:
            raise StartFailed(f"there is no wfastcgi.py here. Run: {beside('fcgiemu[wfastcgi]')}")
        environment["FCGIEMU_WORKER"] = json.dumps({**options, "mark": ""})
        if program.version is not None and program.version < (3, 0):
            # Python 2 takes a .pyc for current whose source was saved again within the same second.
            environment["PYTHONDONTWRITEBYTECODE"] = "1"
        command = guarded((program.path, str(_WORKER / "microsoft_wfastcgi.py"), script))
        return Launch(
            command=command,
            environment=environment,
            directory=str(application.path),
            listens=False,
            watches=True,
            grace=grace,
            guarded=True,
            may_stand_by=self.stands_by,
        )

    def _local(self, value: str) -> str:
        return str(paths.map_setting("", value, path_pairs(self.site)))

    def _make_log_folder(self, application: Application) -> None:
        """A folder of the server that stands for one of its own is made where a setting names a
        log in it: D:\\home\\LogFiles exists on Azure, D:\\logs may on any server.
        """
        names = {"WSGI_LOG", *self.site.app_settings(application)}
        for name in names:
            value = self.site.worker_setting(name, application) or ""
            if name == "WSGI_LOG" or re.search("logfiles", value, re.IGNORECASE):
                local = paths.map_setting(name, value, path_pairs(self.site), str(application.path))
                if is_ours(self.site, local):
                    folder = Path(local).parent if Path(local).suffix else Path(local)
                    make_own_folder(folder)


def _has_debugger() -> bool:
    return importlib.util.find_spec("debugpy") is not None


def _folder_of(package: str) -> str:
    """Where an installed package lies, so that workers can load it by path. Raises StartFailed."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise StartFailed(f"{package} is not installed beside fcgiemu. Run: {beside(package)}")
    return list(spec.submodule_search_locations)[0]
