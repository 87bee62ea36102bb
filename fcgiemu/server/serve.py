"""``serve``: a site on a local port, with its start-up report, reload and log."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
import sys
import threading
import time
import webbrowser
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Protocol, TextIO

from .. import pages, posix
from ..app_service.home import lock_of
from ..errors import SiteError
from ..fastcgi.process import WorkerProcess
from ..pages import secret_masking
from ..programs.fastcgi_launch import PoolOptions
from ..reload import RELOAD_ALSO, Watcher, also_pattern
from ..site import Site
from . import access_log, failure_page, start_up, transform_log
from .app import Observer, Server
from .exchange import Exchange
from .failed_requests_tracing import Recorder
from .fastcgi_pools import FastCgiPools
from .listener import Listener, cut_words, run
from .live_check import LiveCheck
from .log_entry import LogEntry
from .long_requests import LongRequests
from .replaced_folders import LOOK_SECONDS, ReplacedFolders
from .save_counter import SaveCounter
from .tls import Certificate
from .warm_up import WarmUp

#: How lines of the report begin that --quiet leaves in.
_QUIET_KEEPS = ("  error", "  warning")
#: Seconds that a log line may wait, to be printed with others.
LOG_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """What the command line of ``serve`` says beyond the site's settings."""

    host: str = "127.0.0.1"
    port: int = 8000
    reload: bool = True
    #: Globs of files that restart workers beside those of WSGI_RESTART_FILE_REGEX.
    reload_also: tuple[str, ...] = RELOAD_ALSO
    pool: PoolOptions = PoolOptions()
    out: TextIO = sys.stdout
    log_format: str = "text"
    certificate: Certificate | None = None
    #: Names of this machine beside its loopback ones, by which detailed pages may be asked for.
    local_hosts: tuple[str, ...] = ()
    #: Where failed-request traces are written; None = nowhere.
    freb: Path | None = None
    measured_only: bool = False
    #: Whether the initialization pages of applications are asked for.
    app_init: bool = False
    #: Whether the servers of web farms are tested.
    health_checks: bool = True
    #: Whether only errors, what the processes write and what is wrong are printed.
    quiet: bool = False
    #: Whether each request's line is followed by what was decided about it.
    verbose: bool = False
    #: Whether the lines are coloured.
    colour: bool = False
    #: What opens the files that error pages name: see failure_page.editor.
    editor: str | None = None
    #: Whether a browser opens the site's first page.
    opens: bool = False


class ServerInspector(Observer, Protocol):
    """What runs beside a server and watches it, such as the pages of ``--ui``."""

    def report(self) -> str: ...
    def started(self, port: int) -> None: ...
    def stopped(self) -> None: ...
    def output(self, pid: int, label: str, text: str) -> None: ...
    def changed(self, relative: str, restarted: bool) -> None: ...


class Console:
    """Everything ``serve`` prints: one line a request, the applications' own output tagged with
    theirs.

    In the formats for machines only the requests' lines go to standard output, all else to standard
    error.
    """

    def __init__(self, options: ServeOptions) -> None:
        out, log_format = options.out, options.log_format
        self._out = out
        self._talk = out if log_format == "text" else sys.stderr
        self._format = access_log.FORMATS[log_format]
        if log_format == "text":
            self._format = access_log.for_people(options.quiet, options.verbose, options.colour)
        self._waiting: list[LogEntry] = []
        #: Gets the processes' lines as well.
        self.inspector: ServerInspector | None = None
        if log_format == "w3c":
            print(access_log.w3c_header(datetime.now(UTC)), file=out, flush=True)

    def say(self, text: str) -> None:
        """Print at once, after what waits."""
        self.flush()
        print(text, file=self._talk, flush=True)

    def flush(self) -> None:
        """Print what waits."""
        entries, self._waiting = self._waiting, []
        lines = [f"{line}\n" for line in map(self._format, entries) if line is not None]
        if lines:
            self._out.write("".join(lines))
            self._out.flush()

    def request(self, entry: LogEntry) -> None:
        """Print the line of a request, soon: those that come close together are made and go out
        together.
        """
        if not self._waiting:
            asyncio.get_running_loop().call_later(LOG_SECONDS, self.flush)
        self._waiting.append(entry)

    def output(self, worker: WorkerProcess, label: str, text: str) -> None:
        """A line that an application printed."""
        self.line(worker.pid, label, text)

    def line(self, pid: int, label: str, text: str) -> None:
        """A line of a process, with the request it belongs to."""
        text = secret_masking.text(text)
        if self.inspector is not None:
            self.inspector.output(pid, label, text)
        who = " ".join(part for part in (str(pid or ""), label) if part)
        self.say(f"  [{who}] {text}" if who else f"  {text}")


class Serving:
    """A site being served: server, watcher and console, held together."""

    def __init__(self, site: Site, options: ServeOptions) -> None:
        self.site = site
        self.options = options
        #: Whether requireHttps of App Service authentication has been turned off here.
        self.allows_http = options.certificate is None and _allow_http(site)
        self.console = Console(options)
        self.fastcgi = FastCgiPools(site, options.pool, self.console.output)
        self._also = () if site.settings.strict or not options.reload else options.reload_also
        self.fastcgi.editor = failure_page.editor(options.editor)
        self.fastcgi.also = also_pattern(self._also)
        self.server = Server(
            site,
            self.fastcgi,
            self.console.request,
            self.console.line,
            options.local_hosts,
        )
        self.server.tests_farms = options.health_checks
        if options.certificate is not None:
            self.server.forwarder.tls = options.certificate.described()
        if options.reload and not site.settings.strict:
            self.fastcgi.saves = self.server.saves = SaveCounter()
        self.long_requests = LongRequests(self.console.say)
        self.review = LiveCheck(site, self.console.say)
        if options.freb is not None:
            self.server.recorder = Recorder(
                site, options.freb, options.measured_only, self._say_from_anywhere
            )
        self.inspector: ServerInspector | None = None
        self._watchers: dict[Path, Watcher] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told: set[str] = set()
        #: Where a browser of this machine finds the site; known once it has been reported.
        self.address = ""

    def attach_inspector(self, inspector: ServerInspector) -> None:
        """Let ``inspector`` watch; to be called before ``run``."""
        self.inspector = self.console.inspector = self.server.observer = inspector

    def run(self) -> None:
        """Serve until interrupted. Raises SiteError where the port cannot be had."""
        sock = bind(self.options.host, self.options.port)
        try:
            self.report(sock)
            self._port = int(sock.getsockname()[1])
            run(self._serve(sock))
        except KeyboardInterrupt:
            pass
        finally:
            sock.close()
            self._loop = None
            if self.server.recorder is not None:
                self.server.recorder.close()
            self.console.say("stopped")

    async def _serve(self, sock: socket.socket) -> None:
        listener = Listener(self.server, sock, self.options.certificate)
        await listener.serve(self._started, self._stopped)

    def _say_from_anywhere(self, text: str) -> None:
        """Print a line that another thread has to say."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self.console.say, text)
        else:
            self.console.say(text)

    # -- reload ------------------------------------------------------------------------------------

    def _started(self) -> None:
        self._loop = asyncio.get_running_loop()
        if self.options.opens:
            threading.Thread(target=webbrowser.open, args=(self.address,), daemon=True).start()
        self._pages = asyncio.ensure_future(asyncio.to_thread(pages.prepare))
        self.review.start()
        if self.inspector is not None:
            self.inspector.started(self._port)
        if self.options.pool.debug_port is not None:
            self.fastcgi.warm_up()
        if self.options.reload:
            for root in self.site.roots():
                self._watch(root)
        if self.server.warm_up is not None:
            self.server.warm_up.begin()
        self._look_long = asyncio.ensure_future(self._look_at_long_requests())
        self._look = asyncio.ensure_future(self._look_at_roots(ReplacedFolders(self.site.roots())))

    def _watch(self, root: Path) -> None:
        watcher = Watcher(root, partial(self._changed, root))
        watcher.start()
        self._watchers[root] = watcher
        if watcher.polling:
            self.console.say(f"file events do not arrive in {root}: it is polled instead")

    async def _look_at_long_requests(self) -> None:
        while True:
            await asyncio.sleep(1)
            waiting = [
                connection.exchange
                for connection in self.server.connections
                if connection.exchange is not None
                and connection.is_answering
                and connection.tunnel is None
            ]
            self.long_requests.look(waiting, time.perf_counter())

    async def _look_at_roots(self, roots: ReplacedFolders) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for root in roots.replaced():
                await self._replaced(root)

    async def _replaced(self, root: Path) -> None:
        """Another folder has taken the place of one of the site's: nothing of the old one counts
        any more.
        """
        for directory in self.site.layout.directories:
            directory.view.forget()
        self.site.tree.invalidate()
        self.fastcgi.forget_programs()
        consequence = "its workers run on in the old one (--no-reload)"
        if self.options.reload:
            consequence = "workers restart"
            await asyncio.to_thread(self._watchers.pop(root).stop)
            self._watch(root)
            self.fastcgi.restart()
            await self.server.processes.restart()
        self.console.say(
            f"{time.strftime('%H:%M:%S')} {root} has been replaced by another folder: {consequence}"
        )

    def _stopped(self, cut: list[Exchange]) -> None:
        if cut:
            self.console.say(cut_words(cut))
        self._look.cancel()
        self._look_long.cancel()
        if self.inspector is not None:
            self.inspector.stopped()
        if self.server.warm_up is not None:
            self.server.warm_up.stop()
        for watcher in self._watchers.values():
            watcher.stop()

    def _changed(self, root: Path, relative: str, is_folder: bool) -> None:
        """A change, told by the watcher's thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._apply, root, relative, is_folder)

    def _apply(self, root: Path, relative: str, is_folder: bool) -> None:
        name = relative.rpartition("/")[2].lower()
        self.server.output_cache.clear()
        if is_folder or name.endswith(".config"):
            self.site.tree.invalidate()
            self.fastcgi.forget_programs()
        self.site.tree.file_changed(f"{root}/{relative}")
        if (
            is_folder or lock_of(root).exists()
        ):  # a deployment exchanges files: it touches web.config when it is through
            return
        self.review.changed(relative, is_folder)
        restarted = bool(self.fastcgi.changed(root / relative))
        processes = self.server.processes
        recycles = processes.recycles_on(root / relative)
        if processes.running and (
            recycles
            or (self._also and processes.reloads_on(root / relative))
            or self.fastcgi.restarts_on(self.site.root, relative)
        ):
            restarted = True
            self._tasks = asyncio.ensure_future(processes.restart())
        if self.server.saves is not None and (
            restarted or name.endswith(".config") or self.fastcgi.restarts_any(root / relative)
        ):
            self.server.saves.happened()
        if self.inspector is not None:
            self.inspector.changed(relative, restarted)
        if restarted:
            path = root / relative
            on_iis = recycles or self.fastcgi.as_on_iis(path)
            why = "" if on_iis else " (reload-also; not on IIS)"
            self.console.say(
                f"{time.strftime('%H:%M:%S')} {relative} changed: workers restart{why}"
            )
            if self.server.warm_up is not None:
                self.server.warm_up.begin(restart=True)

    # -- report ------------------------------------------------------------------------------------

    def report(self, sock: socket.socket) -> None:
        """What is served, from which files, by which programs, and what looks wrong; then where."""
        for line in start_up.report(self.site, self.fastcgi.launcher, self.options.reload):
            if not self.options.quiet or line.startswith(_QUIET_KEEPS):
                self.console.say(line)
        if self._also and not self.options.quiet:
            self.console.say(
                f"  reload      {' '.join(self._also)} also restart workers"
                " (not on IIS; --strict turns this off)"
            )
        if self.allows_http:
            self.console.say(
                "  note        --easy-auth: requireHttps is off, since nothing would answer its"
                " redirect; on App Service requests over HTTP are redirected (--https does so here)"
            )
        if log := transform_log.write(self.site):
            self.console.say(f"  transforms  of applicationHost.config; their log: {log}")
        host, port = sock.getsockname()[:2]
        if self.options.app_init:
            address = ("::1" if ":" in host else "127.0.0.1") if host in ("::", "0.0.0.0") else host
            self.server.warm_up = WarmUp(
                self.site, (address, port), self.options.certificate is not None, self.console.say
            )
        shown = f"[{host}]" if ":" in host else host
        tls = self.options.certificate
        if tls is not None and tls.authority is not None:
            self.console.say(
                f"  https       browsers trust it once they trust {tls.authority}; "
                "its key is gone, it signs nothing else"
            )
        recorder = self.server.recorder
        if recorder is not None:
            what = "by traceFailedRequests" if recorder.has_rules else "every status from 400 on"
            self.console.say(f"  traces      {recorder.folder}: {what}")
        if self.inspector is not None:
            self.console.say(f"  ui          {self.inspector.report()}")
        if exposed(host):
            self.console.say(
                f"  warning     every machine that reaches {host} can ask this site, and this is a"
                " tool for development; --host 127.0.0.1 keeps it to this machine"
            )
        here = shown.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]")
        self.address = f"http{'s' if tls is not None else ''}://{here}:{port}/"
        address = f"http{'s' if tls is not None else ''}://{shown}:{port}/"
        self.console.say(f"  listening   {address}  (Ctrl-C stops)")


def _allow_http(site: Site) -> bool:
    """Turn requireHttps off: over HTTP alone, nothing would answer its redirect. Whether it was
    on.
    """
    auth = site.settings.easy_auth
    if auth is None or not auth.require_https:
        return False
    site.settings = replace(site.settings, easy_auth=replace(auth, require_https=False))
    return True


def exposed(host: str) -> bool:
    """Whether an address can be reached from other machines."""
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() != "localhost"


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises SiteError with one sentence where none is available."""
    if not host.strip():
        raise SiteError(
            "--host is empty.",
            "Write 127.0.0.1 for this machine alone, or 0.0.0.0 for every machine that reaches it.",
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family)
    if not posix.IS_WINDOWS:  # where it would share the port with another server
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise SiteError(
                f"Port {port} of {host} is in use.", "Choose another one with --port, or 0 for any."
            ) from None
        raise SiteError(
            f"Cannot listen on {host}:{port}: {error.strerror}.", "Choose another --host or --port."
        ) from None
    sock.listen(1024)
    sock.setblocking(False)
    return sock
