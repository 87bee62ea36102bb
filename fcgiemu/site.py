"""Site: a folder opened as an IIS site: configuration tree, files, settings."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from .config import file as config_file
from .config.diagnostics import Finding, Span
from .config.file import ConfigFile, Policy
from .config.tree import ConfigTree, Effective
from .decision import Decision, Refuse
from .files import FileEntry, FileView
from .http.request import Request, make_request
from .http.url import UrlRefused
from .modules import request_filtering, static_file
from .modules.pipeline import decide
from .rewrite.state import Place
from .trace import Trace

WINDOWS_ROOT = "C:\\inetpub\\wwwroot"
AZURE_ROOT = "D:\\home\\site\\wwwroot"
#: Folders that hold no pages of the site and are large: neither watched nor searched for web.config at start.
UNWATCHED = frozenset({"env", "venv", ".venv", ".git", ".hg", ".svn", "node_modules", "__pycache__", ".tox", ".mypy_cache",
                       ".pytest_cache", ".ruff_cache", ".idea", ".vs", "bower_components"})


class SiteError(Exception):
    """A site that cannot be opened; ``hint`` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Settings:
    """How faithful and for which host. Everything an administrator or the platform sets outside web.config."""

    strict: bool = False
    strict_locks: bool = False
    azure: bool = False
    arr: bool = False
    rewrite_module: bool = True
    host_config: Path | None = None
    site_name: str = "Default Web Site"
    #: (Windows path prefix, local path) pairs of --map, tried before the built-in ones.
    path_map: tuple[tuple[str, str], ...] = ()
    #: Python callables that stand in for rewrite providers (.NET types), by name.
    providers: Mapping[str, Callable[[str], str]] = field(default_factory=dict)


@dataclass(slots=True)
class Site:
    """An IIS site over a local folder.

    ``Site(path).explain("/a?b=1")`` says what IIS would do with a URL; raises SiteError where ``path`` is no folder.
    """

    path: Path
    settings: Settings = field(default_factory=Settings)
    view: FileView = field(init=False)
    tree: ConfigTree = field(init=False)
    place: Place = field(init=False)
    file_tests: SiteFiles = field(init=False)

    def __post_init__(self) -> None:
        self.path = Path(os.path.abspath(self.path))
        if not self.path.is_dir():
            raise SiteError(f"There is no folder {self.path}.", "Name the folder that holds web.config.")
        self.view = FileView(str(self.path))
        root = AZURE_ROOT if self.settings.azure else WINDOWS_ROOT
        self.place = Place(root, "", root, self.settings.site_name)
        policy = Policy(self.settings.strict_locks, self.settings.strict or self.settings.strict_locks)
        self.tree = ConfigTree(self.view, tuple(self._host_files()), site_name=self.settings.site_name, policy=policy,
                               providers=self.settings.providers)
        self.file_tests = SiteFiles(self)

    def _host_files(self) -> Iterable[ConfigFile]:
        yield shipped_defaults()
        if self.settings.host_config is not None:
            loaded = config_file.load(self.settings.host_config, self.settings.host_config.name, is_host=True)
            broken = next((finding for finding in loaded.findings if finding.code == "config-unreadable"), None)
            if broken is not None:
                raise SiteError(f"{self.settings.host_config}: {broken.message}", broken.hint)
            yield loaded

    # -- asking ----------------------------------------------------------------------------------------------------

    def decide(self, request: Request, trace: Trace | None = None) -> Decision:
        """What IIS does with ``request``. Configuration is compiled once and kept: see ConfigTree.refresh."""
        return decide(self, request, trace)

    def explain(self, url: str, method: str = "GET", headers: Mapping[str, str] | Iterable[tuple[str, str]] = (), *,
                https: bool = False, remote_addr: str = "127.0.0.1", body_length: int | None = None,
                vars: Mapping[str, str] | None = None, response: Mapping[str, Any] | None = None,
                events: bool = True) -> dict[str, Any]:
        """What IIS would do with a URL, in the shape of ``fcgiemu explain --json``; see docs/explain.md.

        ``url`` is a path or an absolute URL; ``response`` stands in for what the chosen handler would answer.
        """
        from .report.explanation import explain

        return explain(self, url, method, headers, https=https, remote_addr=remote_addr, body_length=body_length,
                       overrides=vars, canned=response, events=events)

    def effective(self, path: str) -> Effective:
        """The configuration of a URL path."""
        return self.tree.effective(path)

    def find(self, path: str) -> FileEntry | None:
        """The file or folder that a URL path names."""
        return self.view.find(path)

    def spelled(self, entry: FileEntry) -> str:
        """A file's path relative to the site, in the spelling on disk."""
        return self.view.relative(entry)

    # -- settings of the worker -------------------------------------------------------------------------------------

    def app_settings(self) -> dict[str, tuple[str, Span]]:
        """appSettings as wfastcgi reads them: of the root web.config, every <add>, a later key wins."""
        files = [file for file in self.tree.root.files if not file.is_host and file.root is not None]
        found: dict[str, tuple[str, Span]] = {}
        if files and files[-1].directory == self.tree.prefix:
            root = files[-1].root
            assert root is not None
            for settings in root.iter("appSettings"):
                for add in settings.iter("add"):
                    found[add.attributes.get("key", "").strip()] = (add.attributes.get("value", ""), add.span)
        return found

    def findings(self) -> list[Finding]:
        """Everything said about the configuration files read so far."""
        return [finding for file in self.tree.files() for finding in file.findings]


_defaults: ConfigFile | None = None


def shipped_defaults() -> ConfigFile:
    """The configuration of the server before a site says anything, read once."""
    global _defaults
    if _defaults is None:
        data = resources.files("fcgiemu.config").joinpath("applicationHost.config").read_bytes()
        _defaults = config_file.load(data, "applicationHost.config", is_host=True)
        assert not _defaults.findings, _defaults.findings
    return _defaults


class SiteFiles:
    """The rules' questions about files, in Windows paths, answered from the site's folder."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._root = site.place.site_root
        self._prefixes = [root.lower() for root in (WINDOWS_ROOT, AZURE_ROOT)] + [str(site.path).lower()]

    def physical_path(self, url_path: str) -> str:
        return self._root + url_path.replace("/", "\\")

    def is_file(self, physical: str) -> bool:
        entry = self._find(physical)
        return entry is not None and entry.is_file and not physical.endswith(("/", "\\"))

    def is_directory(self, physical: str) -> bool:
        entry = self._find(physical)
        return entry is not None and entry.is_directory

    def is_servable(self, url_path: str) -> bool:
        effective = self._site.effective(url_path)
        refused = effective.view(request_filtering.compiled).refusal
        entry = self._site.find(url_path)
        if not static_file.is_servable(effective.view(static_file.compiled), entry):
            return False
        return refused(_ANY_REQUEST, url_path, "", False) is None

    def read_text(self, physical: str) -> str | None:
        entry = self._find(physical)
        if entry is None or entry.is_directory:
            return None
        try:
            return Path(entry.path).read_text("utf-8", "replace")
        except OSError:
            return None

    def _find(self, physical: str) -> FileEntry | None:
        relative = self._relative(physical)
        return None if relative is None else self._site.find(relative)

    def _relative(self, physical: str) -> str | None:
        """The site's URL path for a physical one; None outside the site."""
        folded = physical.lower()
        for prefix in self._prefixes:
            if folded.startswith(prefix) and folded[len(prefix):len(prefix) + 1] in ("", "/", "\\"):
                return re.sub(r"[/\\]+", "/", physical[len(prefix):])
        return None


_ANY_REQUEST = make_request("/")


def refused(error: UrlRefused) -> Decision:
    """The decision for a target that http.sys answers itself."""
    return Decision(Refuse(error.status, error.heading, error.text), module="http.sys")
