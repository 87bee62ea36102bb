"""The site as data: its layout, configuration tree, files and settings. It decides nothing.

``Hosting`` is what the modules of the pipeline, the diagnoses and the server read. The public face
with ``decide`` and ``explain`` is ``site.Site``.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from pathlib import Path

from . import applications
from .app_service.environment import of_worker
from .app_service.home import home_of
from .applications import Application, Layout
from .catalogue.findings import Finding, Span
from .config import file as config_file
from .config.file import ConfigFile, LockPolicy
from .config.tree import ConfigTree, Effective
from .config.xdt import application_host
from .config.xdt.application_host import HostTransforms
from .config.xdt.chain import named as transform_named
from .config.xdt.chain import names_beside as transforms_beside
from .errors import SiteError
from .files import FileEntry, FileView, VirtualDirectory, find
from .pages import secret_masking
from .profiles import AZURE, DEFAULT, PLATFORM_2, PROFILES, Profile
from .settings import OPTIONAL_MODULES, Settings
from .worker import paths

WINDOWS_ROOT = "C:\\inetpub\\wwwroot"
AZURE_ROOT = "D:\\home\\site\\wwwroot"
#: What was asked of the site's files: a folder and a path below it -> what was found there.
Answers = dict[tuple[FileView, str], FileEntry | None]
#: Bytes of a text file that are read for a rule, an error page or a report (a limit of ours).
MAX_TEXT = 1 << 24


@dataclass(slots=True)
class Hosting:
    """An IIS site over a local folder. Raises SiteError where ``path`` is not a folder, or where
    the host configuration cannot be used.
    """

    path: Path
    settings: Settings = field(default_factory=Settings)
    profile: Profile = field(init=False)
    layout: Layout = field(init=False)
    tree: ConfigTree = field(init=False)
    files: SiteFiles = field(init=False)
    #: The server's configuration after applicationHost.xdt; None where there is no such file.
    host_transforms: HostTransforms | None = field(init=False)
    #: (physical folder in lower case, URL path) of every folder of the site, the longest first.
    physical_roots: list[tuple[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        self.path = Path(os.path.abspath(self.path))
        if not self.path.is_dir():
            raise SiteError(
                f"There is no folder {self.path}.", "Name the folder that holds web.config."
            )
        settings = self.settings = _with_modules(self.settings)
        self.profile = _profile(settings)
        host = self._host_config()
        if host is not None and _has_platform_2(host) and PLATFORM_2 not in settings.modules:
            settings = replace(settings, modules=(*settings.modules, PLATFORM_2))
            self.settings = settings
            host = self._host_config()  # its <httpPlatform> has another schema
        shipped = shipped_configuration(self.profile, settings.azure)
        files = (
            shipped
            if host is None
            else (host,)
            if applications.is_complete(host)
            else (*shipped, host)
        )
        self.host_transforms = self._host_transforms(files)
        if self.host_transforms is not None:
            host_only = files[0] is host
            server = config_file.load(
                Path(application_host.NAME) if host_only else self.host_transforms.data,
                application_host.NAME,
                is_host=True,
                content=self.host_transforms.data,
            )
            files = (server, *(file for file in files[len(shipped) :] if host is not files[0]))
            host = server if host is None or host not in files else host
        self.layout = applications.layout(
            self.path,
            AZURE_ROOT if settings.azure else WINDOWS_ROOT,
            settings.site_name,
            host=host,
            beside=settings.host_config.parent if settings.host_config else self.path,
            path_map=self._path_map(),
        )
        self.tree = ConfigTree(
            self.layout.directories,
            (*files, *_optional(settings, self.profile)),
            site_name=self.layout.name,
            providers=settings.providers,
            policy=self._policy(),
            root_config=settings.root_config,
            unsaved=settings.unsaved,
            transforms=self._transforms(),
        )
        self.physical_roots = self._physical_roots()
        self.files = SiteFiles(self)

    def _policy(self) -> LockPolicy:
        settings = self.settings
        return LockPolicy(
            settings.strict_locks,
            settings.strict or settings.strict_locks,
            frozenset(settings.modules),
            self.profile.locked,
        )

    def _physical_roots(self) -> list[tuple[str, str]]:
        roots = [(windows, "") for windows in (WINDOWS_ROOT, AZURE_ROOT, str(self.path))]
        roots += [
            (root, directory.path)
            for directory in self.layout.directories
            for root in (directory.windows, directory.view.root)
        ]
        return sorted(((root.lower(), url) for root, url in roots), key=lambda pair: -len(pair[0]))

    def _host_config(self) -> ConfigFile | None:
        path = self.settings.host_config
        if path is None:
            return None
        loaded = config_file.load(path, path.name, is_host=True, policy=self._policy())
        error = next(
            (finding for finding in loaded.findings if finding.code == "config-unreadable"), None
        )
        if error is not None:
            raise SiteError(f"{path}: {error.message}", error.hint)
        return loaded

    def _host_transforms(self, files: tuple[ConfigFile, ...]) -> HostTransforms | None:
        """What applicationHost.xdt files make of the server's configuration, as App Service applies
        them. ``files`` are the server's own.
        """
        settings = self.settings
        if not settings.azure or self.home is None:
            return None
        given = {setting.name: setting.value for setting in settings.app_settings}
        switch = given.get("WEBSITE_PRIVATE_EXTENSIONS", "1")
        found = application_host.places(self.home, private_extensions=switch != "0")
        if not found:
            return None
        if settings.host_config is not None and applications.is_complete(files[0]):
            base = settings.host_config.read_bytes()
        else:
            base = self.model_of_platform()
        environment = {**os.environ, **of_worker(self.azure_name, settings.app_settings)}
        return application_host.applied(base, found, self.azure_name, environment)

    def model_of_platform(self) -> bytes:
        """An applicationHost.config as App Service would write it for this site."""
        shipped = resources.files("fcgiemu.config")
        return application_host.model(
            shipped.joinpath(self.profile.configuration[0]).read_bytes(),
            shipped.joinpath("azure.config").read_bytes(),
            self.azure_name,
        )

    def _path_map(self) -> tuple[tuple[str, str], ...]:
        """Where Windows paths lead: --map, and D:\\home where the site lies in one."""
        if self.host_transforms is None or self.home is None:
            return self.settings.path_map
        return (*self.settings.path_map, ("D:\\home", str(self.home)))

    def _transforms(self) -> tuple[Path, ...]:
        """The files of Settings.transforms."""
        found = []
        for text in self.settings.transforms:
            path = transform_named(self.path, text)
            if path is None:
                there = ", ".join(transforms_beside(self.path)) or "none"
                raise SiteError(
                    f"There is no transform web.{text}.config in {self.path}, and no file {text}.",
                    f"Name one of those that are there ({there}), or a file.",
                )
            found.append(path.absolute())
        if found and self.settings.root_config is None and find(self.path, "web.config") is None:
            raise SiteError(
                f"There is no web.config in {self.path} to transform.",
                "Name the folder that holds web.config, or leave --transform out.",
            )
        return tuple(found)

    # -- places ------------------------------------------------------------------------------------

    @property
    def root(self) -> Application:
        """The root application."""
        return self.layout.applications[0]

    def directory(self, path: str) -> VirtualDirectory:
        """The virtual directory of a URL path."""
        directories = self.layout.directories
        return directories[0] if len(directories) == 1 else applications.covering(directories, path)

    def application(self, path: str) -> Application:
        """The application of a URL path."""
        found = self.layout.applications
        if len(found) == 1:
            return found[0]
        url = self.directory(path).application
        return next(application for application in found if application.url == url)

    def roots(self) -> list[Path]:
        """The folders that hold everything of the site: those of its directories that lie in no
        other.
        """
        folders = {Path(directory.view.root) for directory in self.layout.directories}
        return [folder for folder in folders if not folders.intersection(folder.parents)]

    def local_path(self, path: str) -> str:
        """The local path that a URL path stands for, whether it exists or not; what exists of it
        has the spelling on disk.
        """
        directory = self.directory(path)
        return directory.view.spelled(path[len(directory.path) :])

    @property
    def azure_name(self) -> str:
        """WEBSITE_SITE_NAME: an app setting of that name, else the folder's name."""
        given = next(
            (
                setting.value
                for setting in self.settings.app_settings
                if setting.name == "WEBSITE_SITE_NAME"
            ),
            "",
        )
        folder = self.home.name if self.home is not None else self.path.name
        return given or re.sub(r"[^a-z0-9-]+", "-", folder.lower()).strip("-") or "site"

    @property
    def home(self) -> Path | None:
        """The local folder of D:\\home, where the site lies in one as site/wwwroot."""
        found = home_of(self.path)
        return found.root if found is not None else None

    def effective(self, path: str) -> Effective:
        """The configuration of a URL path."""
        return self.tree.effective(path)

    def find(self, path: str) -> FileEntry | None:
        """The file or folder that a URL path names."""
        return self.files.find(path)

    def spelled(self, entry: FileEntry) -> str:
        """A file's path relative to the site, in the spelling on disk; virtual directories count as
        folders.
        """
        if len(self.layout.directories) == 1:
            return self.layout.directories[0].view.relative(entry)
        directory = next(
            directory
            for directory in sorted(
                self.layout.directories, key=lambda known: -len(known.view.root)
            )
            if entry.path.startswith(directory.view.root)
        )
        return f"{directory.path}/{directory.view.relative(entry)}".strip("/")

    # -- settings of the worker --------------------------------------------------------------------

    def app_settings(self, application: Application | None = None) -> dict[str, tuple[str, Span]]:
        """appSettings of an application (the root one) as wfastcgi reads them: its web.config's
        <add>s, a later key wins.
        """
        file = self.tree.file_of((application or self.root).url)
        found: dict[str, tuple[str, Span]] = {}
        if file is not None and file.root is not None:
            for settings in file.root.iter("appSettings"):
                for add in settings.iter("add"):
                    if key := add.attributes.get("key", ""):
                        found[key.strip()] = (add.attributes.get("value", ""), add.span)
        return found

    def worker_setting(self, name: str, application: Application | None = None) -> str | None:
        """A setting as the worker finds it: of web.config, or of the App Service."""
        written = self.app_settings(application).get(name)
        portal = next(
            (
                setting.value
                for setting in self.settings.app_settings
                if self.settings.azure and setting.name == name and not setting.kind
            ),
            None,
        )
        if written is None or portal is not None and self.settings.portal_wins:
            return portal
        return written[0]

    def findings(self) -> list[Finding]:
        """Everything said about the configuration files read so far."""
        host = [finding for file in self.tree.host for finding in file.findings]
        if self.host_transforms is not None:
            host += self.host_transforms.findings
        return host + [
            self.tree.as_written(finding) for file in self.tree.files() for finding in file.findings
        ]


def _with_modules(settings: Settings) -> Settings:
    """The settings with what an optional module means for them. Raises SiteError for one that is
    not known.
    """
    for name in settings.modules:
        if name not in OPTIONAL_MODULES:
            raise SiteError(
                f"There is no optional module '{name}'.",
                f"Known are {', '.join(OPTIONAL_MODULES)}.",
            )
    if "ApplicationRequestRouting" in settings.modules and not settings.arr:
        return replace(settings, arr=True)
    return settings


#: The libraries of HttpPlatformHandlerV2, older and newer (seen in its build).
_LIBRARIES = ("httpplatformhandlerv2.dll", "httpbridge.dll")


def _has_platform_2(host: ConfigFile) -> bool:
    """Whether <globalModules> of a host configuration loads the successor of httpPlatformHandler
    1.2.
    """
    adds = host.root.iter("add") if host.root is not None else ()
    return any(add.attributes.get("image", "").lower().endswith(_LIBRARIES) for add in adds)


def _optional(settings: Settings, profile: Profile) -> tuple[ConfigFile, ...]:
    """The entries of optional modules in <modules>, as their installers write them; URL
    authorization comes with the rule that everybody may (inferred).
    """
    extensions = {"CorsModule", "WebDAVModule"}
    added = "".join(
        f'<add name="{name}" />'
        for name in dict.fromkeys(settings.modules)
        if name in extensions or name in profile.lacking
    )
    php = (_shipped("php.config"),) if settings.php else ()
    if not added:
        return php
    rule = ""
    if "UrlAuthorizationModule" in settings.modules and "UrlAuthorizationModule" in profile.lacking:
        rule = '<authorization><add accessType="Allow" users="*" /></authorization>'
        rule = f"<security>{rule}</security>"
    text = f"<system.webServer><modules>{added}</modules>{rule}</system.webServer>"
    return (*php, config_file.load(text.encode(), "applicationHost.config", is_host=True))


def _profile(settings: Settings) -> Profile:
    """The profile that the settings name; --azure means azure-windows where they name none."""
    name = AZURE if settings.azure and settings.profile == DEFAULT else settings.profile
    try:
        return PROFILES[name]
    except KeyError:
        raise SiteError(
            f"There is no server profile '{name}'.", f"Known are {', '.join(PROFILES)}."
        ) from None


@cache
def _shipped(name: str) -> ConfigFile:
    data = resources.files("fcgiemu.config").joinpath(name).read_bytes()
    shown = "applicationHost.config" if name == PROFILES[DEFAULT].configuration[0] else name
    loaded = config_file.load(data, shown, is_host=True)
    assert not loaded.findings, loaded.findings
    return loaded


def shipped_configuration(profile: Profile, azure: bool = False) -> tuple[ConfigFile, ...]:
    """The configuration of the server before a site says anything, read once."""
    names = profile.configuration
    if azure and "azure.config" not in names:
        names = (*names, "azure.config")
    return tuple(map(_shipped, names))


class SiteFiles:
    """The site's files as one request sees them: by URL path, and by Windows path as rules ask.

    With ``answers`` every look-up is noted there, so that the grounds of a decision are known.
    """

    __slots__ = ("_hosting", "answers")

    def __init__(self, hosting: Hosting, answers: Answers | None = None) -> None:
        self._hosting = hosting
        self.answers = answers

    def find(self, path: str) -> FileEntry | None:
        """The file or folder that a URL path names."""
        directory = self._hosting.directory(path)
        relative = path[len(directory.path) :]
        found = directory.view.find(relative)
        if self.answers is not None:
            self.answers[directory.view, relative] = found
        return found

    def read(self, path: str, limit: int = MAX_TEXT) -> bytes | None:
        """The content of the file that a URL path names; None where there is none, it cannot be
        read or it is longer than ``limit`` bytes.
        """
        entry = self.find(path)
        if entry is None or entry.is_directory:
            return None
        return self._hosting.directory(path).view.read(entry, limit)

    def physical_path(self, url_path: str) -> str:
        """The Windows path of a URL path."""
        directory = self._hosting.directory(url_path)
        return directory.windows + url_path[len(directory.path) :].replace("/", "\\")

    def is_file(self, physical: str) -> bool:
        """Whether a Windows path names a file of the site."""
        entry = self._at(physical)
        return entry is not None and entry.is_file and not physical.endswith(("/", "\\"))

    def is_directory(self, physical: str) -> bool:
        """Whether a Windows path names a folder of the site."""
        entry = self._at(physical)
        return entry is not None and entry.is_directory

    def read_text(self, physical: str) -> str | None:
        """The text of the file that a Windows path names; None where there is none."""
        path = self._url_path(physical)
        data = None if path is None else self.read(path)
        return None if data is None else data.decode("utf-8", "replace")

    def configuration(self, name: str) -> str | None:
        """The text of a configuration file, by the name that traces and findings have for it,
        without secrets; None where it is not one of the site's.
        """
        root = self._hosting.settings.root_config
        try:
            data = root.read_bytes() if root and root.name == name else self.read("/" + name)
        except OSError:
            return None
        return None if data is None else secret_masking.text(data.decode("utf-8-sig", "replace"))

    def read_physical(self, physical: str, limit: int = MAX_TEXT) -> bytes | None:
        """The content of the file that a Windows path names: one of the site, or one below a folder
        of ``--map``.
        """
        path = self._url_path(physical)
        if path is not None:
            return self.read(path, limit)
        local = paths.map_path(physical, self._hosting.settings.path_map)
        if local is None:
            return None
        view = FileView(os.path.dirname(local))
        entry = view.find(os.path.basename(local))
        return view.read(entry, limit) if entry is not None and entry.is_file else None

    def _at(self, physical: str) -> FileEntry | None:
        path = self._url_path(physical)
        return None if path is None else self.find(path)

    def _url_path(self, physical: str) -> str | None:
        """The site's URL path for a Windows path; None outside the site."""
        folded = physical.lower()
        for root, url in self._hosting.physical_roots:
            if folded.startswith(root) and folded[len(root) : len(root) + 1] in ("", "/", "\\"):
                return url + re.sub(r"[/\\]+", "/", physical[len(root) :])
        return None
