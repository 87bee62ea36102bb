"""The configuration of a site as a tree of folders, and the effective configuration of a URL in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from ..files import FileView
from . import file as config_file
from .diagnostics import Finding
from .file import SHIPPED_POLICY, ConfigFile, Policy
from .merge import Level, Node, merge_section

T = TypeVar("T")

#: Sections that every request consumes: an error in one of them fails every request below the file (spec 1.6, 8.2).
_ALWAYS_CONSUMED = ("", "system.webServer/handlers", "system.webServer/modules",
                    "system.webServer/security/requestFiltering", "system.webServer/security/ipSecurity",
                    "system.webServer/security/access", "system.webServer/security/authorization",
                    "system.webServer/httpRedirect", "system.webServer/httpProtocol", "system.webServer/validation")


class Effective:
    """What the levels of one URL's folder chain say together. Views compiled from it are kept with it."""

    def __init__(self, levels: tuple[Level, ...], providers: Mapping[str, Callable[[str], str]]) -> None:
        self.levels = levels
        #: Python callables that stand in for rewrite providers, by name.
        self.providers = providers
        self._sections: dict[str, Node] = {}
        self._merge_findings: dict[str, list[Finding]] = {}
        self._views: dict[Callable[[Effective], Any], Any] = {}

    def section(self, path: str) -> Node:
        """The effective section at ``path``, such as ``system.webServer/handlers``."""
        node = self._sections.get(path)
        if node is None:
            node, self._merge_findings[path] = merge_section(path, self.levels)
            self._sections[path] = node
        return node

    def view(self, build: Callable[[Effective], T]) -> T:
        """What ``build`` makes of this configuration, built once."""
        try:
            return self._views[build]  # type: ignore[no-any-return]
        except KeyError:
            made = self._views[build] = build(self)
            return made

    def errors(self, section: str) -> list[Finding]:
        """The errors that whoever consumes ``section`` runs into; "" = those that fail every request."""
        found = [finding for finding in self._file_findings()
                 if finding.severity == "error" and finding.section == section]
        if section:
            self.section(section)
            found += [finding for finding in self._merge_findings[section] if finding.section == section]
        return found

    def errors_of(self, owner: str) -> list[Finding]:
        """The errors that a module meets which owns several sections under one name, such as the rewrite module."""
        return [finding for finding in self.findings() if finding.severity == "error" and finding.section == owner]

    def _file_findings(self) -> list[Finding]:
        """What is said of the files, but for <location> elements that do not cover the URL."""
        return [finding for level in self.levels for finding in level.file.findings
                if not finding.location or finding.location in level.locations]

    def findings(self) -> list[Finding]:
        """Everything said about the files of this chain, files first, then what merging brought up."""
        found = self._file_findings()
        for path in sorted({part.path for level in self.levels for part in level.file.sections}):
            self.section(path)
        return found + [finding for part in self._merge_findings.values() for finding in part]


def fatal_error(effective: Effective) -> Finding | None:
    """The first error that fails every request with this configuration, or None. A view: see Effective.view."""
    for section in _ALWAYS_CONSUMED:
        if errors := effective.errors(section):
            return errors[0]
    effective.section("system.webServer/httpProtocol")
    merged = effective._merge_findings["system.webServer/httpProtocol"]
    return merged[0] if merged else None


class Folder:
    """A folder of the site that exists on disk, with the configuration files on the way to it."""

    __slots__ = ("children", "files", "has_locations", "path", "physical", "subfolders", "whole")

    def __init__(self, path: str, physical: str, files: tuple[ConfigFile, ...]) -> None:
        self.path = path
        self.physical = physical
        self.files = files
        self.has_locations = any(file.locations for file in files)
        self.subfolders: dict[str, str] | None = None
        self.children: dict[str, Folder] = {}
        self.whole: Effective | None = None


class ConfigTree:
    """Reads web.config files of a site as URLs need them; everything read is kept until ``invalidate``."""

    def __init__(self, view: FileView, host: tuple[ConfigFile, ...], *, prefix: str = "", site_name: str = "",
                 inherited: tuple[ConfigFile, ...] = (), policy: Policy = SHIPPED_POLICY,
                 providers: Mapping[str, Callable[[str], str]] = MappingProxyType({})) -> None:
        self.view = view
        self.host = host
        self.prefix = prefix
        self.site_name = site_name.lower()
        self.inherited = inherited
        self.policy = policy
        self.providers = providers
        self.invalidate()

    def invalidate(self) -> None:
        """Forget everything read, so that the next request sees the files as they are now."""
        self._stamps: dict[str, int | None] = {}
        self._effective: dict[tuple[Any, ...], Effective] = {}
        self.view.forget()
        self.root = self._folder(self.prefix, self.view.root, (*self.host, *self.inherited))

    def refresh(self) -> None:
        """Invalidate if a file or folder that configuration was read from has changed (one stat each)."""
        for path, stamp in self._stamps.items():
            if _stamp(path) != stamp:
                self.invalidate()
                return

    def files(self) -> list[ConfigFile]:
        """The web.config files read so far, root first."""
        found: dict[str, ConfigFile] = {}
        stack = [self.root]
        while stack:
            folder = stack.pop(0)
            found.update((file.name, file) for file in folder.files if not file.is_host)
            stack += folder.children.values()
        return list(found.values())

    def load_all(self, skip: Callable[[str], bool]) -> list[ConfigFile]:
        """Read every web.config of the site but below folders whose name ``skip`` accepts."""
        stack = [self.root]
        seen: set[str | None] = set()
        while stack:
            folder = stack.pop()
            real = self.view.folder(folder.physical)
            if real in seen:
                continue  # a link back to a folder that has been read
            seen.add(real)
            stack += [self._child(folder, name) for name in self._subfolders(folder).values() if not skip(name)]
        return self.files()

    def effective(self, path: str) -> Effective:
        """The configuration of the URL ``path`` (site-absolute, decoded, canonical)."""
        folder = self.root
        rest = path[len(self.prefix) + 1:]
        while rest:
            segment, _, rest = rest.partition("/")
            name = segment.lower()
            child = folder.children.get(name)
            if child is None:
                spelled = self._subfolders(folder).get(name)
                if spelled is None:
                    break
                child = self._child(folder, spelled)
            folder = child
        if not folder.has_locations:
            if folder.whole is None:
                folder.whole = self._join(tuple(Level(file) for file in folder.files))
            return folder.whole
        return self._join(tuple(Level(file, self._matching(file, path.lower())) for file in folder.files))

    def _join(self, levels: tuple[Level, ...]) -> Effective:
        key = tuple((id(level.file), level.locations) for level in levels)
        effective = self._effective.get(key)
        if effective is None:
            effective = self._effective[key] = Effective(levels, self.providers)
        return effective

    def _matching(self, file: ConfigFile, path: str) -> tuple[str, ...]:
        """The <location> paths of ``file`` that cover ``path``."""
        below = path[len(file.directory):].strip("/") + "/" if path.startswith(file.directory.lower()) else "/"
        if file.is_host:
            below = f"{self.site_name}/{below}"
        return tuple(place for place in file.locations if below.startswith(place + "/"))

    def _subfolders(self, folder: Folder) -> dict[str, str]:
        if folder.subfolders is None:
            self._stamps[folder.physical] = _stamp(folder.physical)
            names = self.view.listing(folder.physical)
            folder.subfolders = {
                low: name for low, name in names.items() if self.view.folder(f"{folder.physical}/{name}")
            }
        return folder.subfolders

    def _child(self, parent: Folder, name: str) -> Folder:
        child = self._folder(f"{parent.path}/{name}", f"{parent.physical}/{name}", parent.files)
        parent.children[name.lower()] = child
        return child

    def _folder(self, path: str, physical: str, files: tuple[ConfigFile, ...]) -> Folder:
        self._stamps[physical] = _stamp(physical)
        spelled = self.view.listing(physical).get("web.config")
        full = f"{physical}/{spelled}"
        if spelled is not None and os.path.isfile(full) and self.view.contains(full):
            self._stamps[full] = _stamp(full)
            name = full[len(self.view.root):].lstrip("/")
            files = (*files, config_file.load(Path(full), name, path, application_root=path == self.prefix,
                                              policy=self.policy))
        return Folder(path, physical, files)


def _stamp(path: str) -> int | None:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None
