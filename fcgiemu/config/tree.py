"""The configuration of a site as a tree of folders, and the effective configuration of a URL in
it.

A URL's configuration comes from the server's file, then from the web.config of each folder on its
way, from the site's root down; in each file first what stands at top level, then what stands in the
<location> elements that cover the URL. So it depends on the URL only through two things: which
files lie on the way, and which of their locations cover it. Everything is remembered by these:

- A ``Folder`` is read once, with the names of its subfolders. A URL walks down as far as its
  segments name folders; what follows may be files or path information and has no configuration.
- A ``Level`` is one file with the locations that cover the URL. The tuple of levels is an
  ``Effective``: all URLs with the same levels share one. A folder whose files have no locations has
  one for everything directly in it.
- A section is merged when it is first asked for. It is remembered for the tree by the parts that it
  was merged from, since most levels say nothing about most sections: 1,000 locations that set one
  section share all others.
- A view is what a module makes of an Effective, such as a table of handlers, built once.

Nothing remembered is ever changed. ``invalidate`` forgets all of it at once; ``refresh`` does so
when a file or folder that has been read differs from what it was. Who holds an older Effective may
go on with it: a request is decided by the configuration that it began with.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from ..catalogue.findings import Finding, Span
from ..files import VirtualDirectory, read_bounded
from . import file as config_file
from .locks import overrides
from .merge import Level, Merged, Node, merge_level, nothing_merged
from .model import SHIPPED_POLICY, ConfigFile, LockPolicy
from .reader import MAX_BYTES
from .xdt.findings import Transformed, transformed

T = TypeVar("T")

#: Sections that every request consumes: an error in one of them fails every request below the
#: file (measured).
_ALWAYS_CONSUMED = (
    "",
    "system.webServer/handlers",
    "system.webServer/modules",
    "system.webServer/security/requestFiltering",
    "system.webServer/security/ipSecurity",
    "system.webServer/security/access",
    "system.webServer/security/authorization",
    "system.webServer/httpRedirect",
    "system.webServer/httpProtocol",
    "system.webServer/validation",
)


#: URL paths whose configuration is remembered.
KEPT_PATHS = 4096


class Effective:
    """What the levels of one URL's folder chain say together. Views compiled from it are kept with
    it.
    """

    def __init__(
        self,
        levels: tuple[Level, ...],
        providers: Mapping[str, Callable[[str], str]],
        policy: LockPolicy = SHIPPED_POLICY,
        merged: dict[object, tuple[Node, Any]] | None = None,
        made: dict[tuple[object, ...], Any] | None = None,
    ) -> None:
        self.levels = levels
        #: Sections by what they are merged from, each with what merging found, and by what is built
        #: of one; shared by all configurations of a tree.
        self._merged = {} if merged is None else merged
        #: What is made of parts that configurations share: see ``shared``.
        self._made = {} if made is None else made
        self._policy = policy
        #: Python callables that stand in for rewrite providers, by name.
        self.providers = providers
        self._sections: dict[str, Node] = {}
        self._merge_findings: dict[str, list[Finding]] = {}
        self._errors: dict[str, list[Finding]] = {}
        self._views: dict[Callable[[Effective], Any], Any] = {}

    def section(self, path: str) -> Node:
        """The effective section at ``path``, such as ``system.webServer/handlers``."""
        node = self._sections.get(path)
        if node is None:
            node, self._merge_findings[path] = self._merge(path)
            self._sections[path] = node
        return node

    def _merge(self, path: str) -> Merged:
        """A section level by level; what the levels above say together is merged once."""
        parts = [(level.file, part) for level in self.levels for part in level.instances(path)]
        key: tuple[object, ...] = (path,)
        merged = self._merged.get(key)
        if merged is None:
            merged = self._merged[key] = nothing_merged(path, self._policy)
        for file, instance in parts:
            key = (*key, id(file), id(instance))
            known = self._merged.get(key)
            if known is None:
                known = self._merged[key] = merge_level(path, merged, file, instance, self._policy)
            merged = known
        return merged

    def view(self, build: Callable[[Effective], T]) -> T:
        """What ``build`` makes of this configuration, built once."""
        try:
            return self._views[build]  # type: ignore[no-any-return]
        except KeyError:
            made = self._views[build] = build(self)
            return made

    def view_of(self, section: str, build: Callable[[Node], T]) -> T:
        """What ``build`` makes of one section, built once for all configurations that share it."""
        node = self.section(section)
        key = (build, id(node))  # the node is kept beside
        known = self._merged.get(key)
        if known is None:
            known = self._merged[key] = node, build(node)
        made: T = known[1]
        return made

    def shared(self, key: tuple[object, ...], build: Callable[[], T]) -> T:
        """What ``build`` makes, once for all configurations of a tree that ask with the same
        ``key``: what it is made from, such as an entry that many folders inherit.
        """
        known = self._made.get(key)
        if known is None:
            known = self._made[key] = build()
        made: T = known
        return made

    def errors(self, section: str) -> list[Finding]:
        """The errors that the modules which read ``section`` run into; "" = those that fail
        every request.
        """
        known = self._errors.get(section)
        if known is None:
            known = self._errors[section] = self._errors_of_section(section)
        return known

    def _errors_of_section(self, section: str) -> list[Finding]:
        found = [
            finding
            for finding in self._file_findings()
            if finding.severity == "error" and finding.section == section
        ]
        for path in (section,) if section else self._read_by_all():
            self.section(path)
            found += [
                finding
                for finding in self._merge_findings[path]
                if finding.severity == "error" and finding.section == section
            ]
        return found

    def _read_by_all(self) -> set[str]:
        """Sections whose entries can fail every request when levels meet: duplicate headers, and
        what is locked.
        """
        return {"system.webServer/httpProtocol"}.union(
            *(level.file.locking for level in self.levels)
        )

    def errors_of(self, owner: str) -> list[Finding]:
        """The errors that a module meets which owns several sections under one name, such as the
        rewrite module.
        """
        return [
            finding
            for finding in self.findings()
            if finding.severity == "error" and finding.section == owner
        ]

    def _file_findings(self) -> list[Finding]:
        """What is said of the files, but for <location> elements that do not cover the URL."""
        return [
            finding
            for level in self.levels
            for finding in level.file.findings
            if not finding.location or finding.location in level.locations
        ]

    def findings(self) -> list[Finding]:
        """Everything said about the files of this chain, files first, then what merging brought
        up.
        """
        found = self._file_findings()
        for path in sorted({path for level in self.levels for path in level.file.by_path}):
            self.section(path)
        return found + [finding for part in self._merge_findings.values() for finding in part]


def fatal_error(effective: Effective) -> Finding | None:
    """The first error that fails every request with this configuration, or None. A view: see
    Effective.view.
    """
    for section in _ALWAYS_CONSUMED:
        if errors := effective.errors(section):
            return errors[0]
    return None


class Folder:
    """A folder of the site, on disk or made up by a virtual directory below it, with the files on
    the way to it.
    """

    __slots__ = (
        "children",
        "directory",
        "files",
        "has_locations",
        "path",
        "physical",
        "subfolders",
        "whole",
    )

    def __init__(
        self, path: str, physical: str, files: tuple[ConfigFile, ...], directory: VirtualDirectory
    ) -> None:
        self.path = path
        self.physical = physical
        self.directory = directory
        self.files = files
        self.has_locations = any(file.locations for file in files)
        self.subfolders: dict[str, str] | None = None
        self.children: dict[str, Folder] = {}
        self.whole: Effective | None = None


class ConfigTree:
    """Reads web.config files of a site as URLs need them; everything read is kept until
    ``invalidate``.

    ``directories`` holds every virtual directory of the site, the root among them.
    """

    def __init__(
        self,
        directories: Iterable[VirtualDirectory],
        host: tuple[ConfigFile, ...],
        *,
        site_name: str = "",
        policy: LockPolicy = SHIPPED_POLICY,
        root_config: Path | None = None,
        unsaved: Mapping[str, bytes] = MappingProxyType({}),
        transforms: tuple[Path, ...] = (),
        providers: Mapping[str, Callable[[str], str]] = MappingProxyType({}),
    ) -> None:
        self.directories = {directory.path.lower(): directory for directory in directories}
        self.host = host
        self.site_name = site_name.lower()
        self.policy = policy
        #: A file that is read in the place of the root folder's web.config.
        self.root_config = root_config
        #: Contents that are read in the place of files, by full path.
        self.unsaved = unsaved
        #: Transform files that the root folder's web.config is read through, in order.
        self.transforms = transforms
        #: Where what stands in a transformed file was written.
        self._origins: Mapping[Span, Span] = {}
        self.providers = providers
        #: How often everything read has been forgotten.
        self.generation = 0
        #: Decisions of another epoch have to be made again.
        self.epoch = 0
        self.invalidate()

    def invalidate(self) -> None:
        """Forget everything read, so that the next request sees the files as they are now."""
        self.generation += 1
        self.epoch += 1
        self._stamps: dict[str, int | None] = {}
        self._effective: dict[tuple[object, ...], Effective] = {}
        self._merged: dict[object, tuple[Node, Any]] = {}
        self._made: dict[tuple[object, ...], Any] = {}
        self._of_path: dict[str, Effective] = {}
        for directory in self.directories.values():
            directory.view.forget()
        root = self.directories[""]
        self.root = self._folder("", root.view.root, self.host, root)

    def file_changed(self, path: str) -> None:
        """A file at an absolute path has been saved, has appeared or gone. Decisions that have told
        a path of its name, in whatever case, do not count any more.
        """
        for directory in self.directories.values():
            view = directory.view
            if path.startswith(f"{view.root}/") and view.has_told(path[len(view.root) + 1 :]):
                self.epoch += 1

    def refresh(self) -> None:
        """Invalidate if a file or folder that configuration was read from has changed (one stat
        each).
        """
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
        seen: set[str] = set()
        while stack:
            folder = stack.pop()
            real = folder.directory.view.folder(folder.physical) or folder.physical
            if real in seen:
                continue  # a link back to a folder that has been read
            seen.add(real)
            stack += [
                self._child(folder, name)
                for name in self._subfolders(folder).values()
                if not skip(name)
            ]
        return self.files()

    def file_of(self, path: str) -> ConfigFile | None:
        """The web.config in the very folder that a URL path names."""
        files = self._deepest(path).files
        return (
            files[-1]
            if files and not files[-1].is_host and files[-1].directory.lower() == path.lower()
            else None
        )

    def effective(self, path: str) -> Effective:
        """The configuration of the URL ``path`` (site-absolute, decoded, canonical)."""
        known = self._of_path.get(path)
        if known is None:
            if len(self._of_path) >= KEPT_PATHS:
                self._of_path.clear()
            known = self._of_path[path] = self._find_effective(path)
        return known

    def _find_effective(self, path: str) -> Effective:
        folder = self._deepest(path)
        if not folder.has_locations:
            if folder.whole is None:
                folder.whole = self._join(tuple(Level(file) for file in folder.files))
            return folder.whole
        return self._join(
            tuple(Level(file, file.covering(path.lower(), self.site_name)) for file in folder.files)
        )

    def _deepest(self, path: str) -> Folder:
        """The deepest existing folder on the way to ``path``."""
        folder = self.root
        rest = path[1:]
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
        return folder

    def _join(self, levels: tuple[Level, ...]) -> Effective:
        key = tuple((id(level.file), level.locations) for level in levels)
        effective = self._effective.get(key)
        if effective is None:
            effective = self._effective[key] = Effective(
                levels, self.providers, self.policy, self._merged, self._made
            )
        return effective

    def _subfolders(self, folder: Folder) -> dict[str, str]:
        if folder.subfolders is None:
            self._stamps[folder.physical] = _stamp(folder.physical)
            view = folder.directory.view
            names = view.listing(folder.physical)
            folder.subfolders = {
                low: name for low, name in names.items() if view.folder(f"{folder.physical}/{name}")
            }
            folder.subfolders.update(self._virtual_below(folder.path))
        return folder.subfolders

    def _child(self, parent: Folder, name: str) -> Folder:
        path, physical, files, directory = (
            f"{parent.path}/{name}",
            f"{parent.physical}/{name}",
            parent.files,
            parent.directory,
        )
        mounted = self.directories.get(path.lower())
        if mounted is not None:
            physical, directory = mounted.view.root, mounted
            if mounted.starts_application:
                files = tuple(_inherited(file) for file in files)
        child = parent.children[name.lower()] = self._folder(path, physical, files, directory)
        return child

    def _virtual_below(self, path: str) -> dict[str, str]:
        """The next segments of virtual directories below ``path``: lower case -> as written."""
        below = path.lower() + "/"
        names = (
            directory.path[len(below) :].partition("/")[0]
            for low, directory in self.directories.items()
            if low.startswith(below)
        )
        return {name.lower(): name for name in names if name}

    def _folder(
        self, path: str, physical: str, files: tuple[ConfigFile, ...], directory: VirtualDirectory
    ) -> Folder:
        self._stamps[physical] = _stamp(physical)
        if directory.allow_sub_dir_config or path.lower() == directory.path.lower():
            view = directory.view
            spelled = view.listing(physical).get("web.config")
            full = f"{physical}/{spelled}"
            if self.root_config is not None and not path:
                spelled, full = self.root_config.name, str(self.root_config)
                usable = True
            elif spelled is None and f"{physical}/web.config" in self.unsaved:
                spelled, full = "web.config", f"{physical}/web.config"
                usable = True
            else:
                usable = spelled is not None and os.path.isfile(full) and view.contains(full)
            if usable:
                files = (*files, self._load(full, f"{path}/{spelled}", path, directory, files))
        return Folder(path, physical, files, directory)

    def _load(
        self,
        full: str,
        name: str,
        path: str,
        directory: VirtualDirectory,
        above: tuple[ConfigFile, ...],
    ) -> ConfigFile:
        self._stamps[full] = _stamp(full)
        name = name.lstrip("/")
        changed = None
        unsaved = self.unsaved.get(full)
        if self.transforms and not path:
            changed = self._transformed(Path(full), name)
        loaded = config_file.load(
            Path(full),
            name if changed is None else changed.name,
            path,
            policy=self.policy,
            application_root=path.lower() == directory.application.lower(),
            overrides=overrides(above, path, self.site_name),
            content=unsaved if changed is None else changed.data,
        )
        if changed is not None:
            loaded.findings += changed.findings
        return loaded

    def _transformed(self, full: Path, name: str) -> Transformed | None:
        """The root folder's web.config after its transforms; None where it cannot be read."""
        for file in self.transforms:
            self._stamps[str(file)] = _stamp(str(file))
        base = self.unsaved.get(str(full))
        try:
            if base is None:
                base = read_bounded(full, MAX_BYTES + 1)
        except OSError:
            return None
        changed = transformed(base, name, self.transforms)
        self._origins = changed.origins
        return changed

    def as_written(self, finding: Finding) -> Finding:
        """A finding with the place in the file that somebody wrote, where its own is in a
        transformed one.
        """
        span = self._origins.get(finding.span) if finding.span is not None else None
        return finding if span is None else replace(finding, span=span)


def _inherited(file: ConfigFile) -> ConfigFile:
    """What a child application sees of a file above it: not what stands in
    inheritInChildApplications="false".
    """
    if all(section.inherit for section in file.sections):
        return file
    inherited = replace(file, by_path={})
    for section in file.sections:
        if section.inherit:
            inherited.add(section)
    return inherited


def _stamp(path: str) -> int | None:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None
