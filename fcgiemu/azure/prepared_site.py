"""A new site, prepared aside of the one that serves, and the change over to it.

A deployment takes these steps one after the other. Whatever fails before ``change_over`` leaves
the site that serves as it was.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..app_service.home import Home
from ..files import content, find
from . import kudu_sync, programs, virtual_environment
from .failure import DeploymentFailed
from .kudu_sync import IGNORED
from .runtime import Runtime, RuntimeRefused

#: A larger file is refused: it would fill the disk of the service, too.
MAX_FILE_BYTES = 1 << 30
#: Before this version, a new environment has a pip that finds wheels of old kinds only.
OLD_PIP = (3, 7)
#: Characters that a terminal acts on.
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

Say = Callable[[str], None]


@dataclass(slots=True)
class PreparedSite:
    """What a deployment prepares in the folder of ``home`` for work. ``settings`` are App settings,
    which Kudu has in its environment; ``tell`` is given a line of the deployment's log.

    Every step raises DeploymentFailed with its name.
    """

    home: Home
    tell: Say
    settings: Mapping[str, str]
    #: The files of the new site, relative to it.
    files: list[str] = field(default_factory=list)

    @property
    def stage(self) -> Path:
        """The copy of the source that is prepared."""
        return self.home.work / "stage"

    @property
    def env(self) -> Path:
        """The environment that is prepared."""
        return self.home.work / "env"

    @property
    def node_modules(self) -> Path:
        """The packages of Node that are prepared."""
        return self.home.work / "node_modules"

    def copy(self, source: Path) -> None:
        """Take a copy of the source without links, special files and what Kudu leaves out."""
        self.stage.mkdir()
        for relative in self._source_files(source):
            target = self.stage / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / relative, target, follow_symlinks=False)
            self.files.append(relative)

    def _source_files(self, source: Path) -> Iterator[str]:
        for folder, names, files in os.walk(source):
            base = Path(folder).relative_to(source)
            top = base == Path()
            links = [name for name in names if (Path(folder) / name).is_symlink()]
            names[:] = sorted(
                name
                for name in names
                if name not in links
                and name.lower() not in (IGNORED if top else {".git", "__pycache__"})
                and (Path(folder) / name) != self.home.root
            )
            for name in sorted([*links, *files]):
                relative = (base / name).as_posix()
                info = (Path(folder) / name).lstat()
                if top and name.lower() in IGNORED:
                    continue
                if CONTROL.search(relative):
                    self.tell(
                        f"note: {relative} has control characters in its name, and is left out"
                    )
                elif not stat.S_ISREG(info.st_mode):
                    self.tell(f"note: {relative} is a link or no file, and left out")
                elif info.st_size > MAX_FILE_BYTES:
                    raise DeploymentFailed(
                        "copy", f"{relative} is larger than {MAX_FILE_BYTES} bytes."
                    )
                else:
                    yield relative

    def make_environment(self, runtime: Runtime, fresh: bool) -> None:
        """env made new, or a copy of the one that serves, so that pip cannot harm the latter."""
        if not fresh:
            self.home.check_env()
            shutil.copytree(self.home.wwwroot / "env", self.env, symlinks=True)
            return
        try:
            command = virtual_environment.maker(runtime)
        except RuntimeRefused as error:
            raise DeploymentFailed("env", str(error)) from error
        self._call("env", [*command, str(self.env)], self.home.work)
        (self.env / runtime.marker).write_text(f"{runtime.name}\n", "utf-8")

    def install(self, runtime: Runtime) -> None:
        """Have pip install requirements.txt into env."""
        requirements = find(self.stage, "requirements.txt")
        assert requirements is not None
        # By its script, not with -m: that would import a pip.py of the source instead.
        command = [
            str(self.env / "bin" / "python"),
            str(self.env / "bin" / "pip"),
            "install",
            "-r",
            requirements.name,
        ]
        if (self.stage / "wheelhouse").is_dir():
            command += ["--find-links", "wheelhouse"]
        try:
            self._call("pip", command, self.stage)
        except DeploymentFailed as error:
            if runtime.version < OLD_PIP:
                raise DeploymentFailed(
                    "pip",
                    f"{error} The pip of this Python knows few wheels of today: put wheels into "
                    "a folder wheelhouse, or take a newer Python.",
                ) from error
            raise
        # What pip leaves in the folder (the metadata of an editable package), it leaves in wwwroot
        # there.
        made = {
            path.relative_to(self.stage).as_posix()
            for path in self.stage.rglob("*")
            if path.is_file() and not path.is_symlink() and "__pycache__" not in path.parts
        }
        self.files = sorted(made.union(self.files))

    def write(self, relative: str, text: str) -> None:
        """A file that the deployment makes."""
        (self.stage / relative).parent.mkdir(parents=True, exist_ok=True)
        (self.stage / relative).write_text(text, "utf-8")
        self.files = sorted({*self.files, relative})

    def add_line(self, relative: str, line: str) -> None:
        """A line at the end of a file, which is made where there is none."""
        folder, name = (self.stage / relative).parent, Path(relative).name
        text = content(folder, name).decode("utf-8", "replace")
        known = find(folder, name)
        name = known.name if known is not None else name
        before = f"{text.rstrip()}\n" if text.strip() else ""
        self.write((Path(relative).parent / name).as_posix(), f"{before}{line}\n")

    def install_packages(self) -> None:
        """node_modules made new, aside."""
        npm = shutil.which("npm")
        if npm is None:
            raise DeploymentFailed(
                "npm",
                "npm is not installed. Install Node.js with npm, or deploy node_modules with the"
                " source.",
            )
        self._call("npm", [npm, "install", "--omit=dev", "--no-audit", "--no-fund"], self.stage)
        if (self.stage / "node_modules").is_dir():
            os.replace(self.stage / "node_modules", self.node_modules)

    def configure(self, name: str) -> None:
        """Give a web.X.Y.config the place of web.config."""
        for entry in list(self.stage.iterdir()):
            if entry.name.lower() == "web.config":
                entry.unlink()
        shutil.copyfile(self.stage / name, self.stage / "web.config")
        self.files = sorted(
            {*(file for file in self.files if file.lower() != "web.config"), "web.config"}
        )

    def change_over(self, identifier: str) -> None:
        """Change the site over to what is prepared. env names its place, or the site's, in some of
        its files: the final ones then.
        """
        self.home.lock.write_text(identifier, "utf-8")
        try:
            kudu_sync.exchange(self.home, self.stage, self.files)
            if self.env.is_dir():
                final = kudu_sync.exchange_folder(self.home, "env", self.env)
                virtual_environment.moved(final, {self.env: final, self.stage: self.home.wwwroot})
            if self.node_modules.is_dir():
                kudu_sync.exchange_folder(self.home, "node_modules", self.node_modules)
        finally:
            self.home.lock.unlink(missing_ok=True)

    def collect_static(self) -> None:
        """Have Django collect its static files. Kudu does not look at its exit status either: a
        failure is only told.
        """
        env = self.home.wwwroot / "env"
        if not any(env.glob("lib/python*/site-packages/django")):
            self.tell("    env holds no Django: nothing to do")
            return
        self.home.check_site()
        (self.home.wwwroot / "static").mkdir(exist_ok=True)
        try:
            self._call(
                "collectstatic",
                [str(env / "bin" / "python"), "manage.py", "collectstatic", "--noinput", "--clear"],
                self.home.wwwroot,
                self.settings,
            )
        except DeploymentFailed as error:
            self.tell(f"warning: {error}")

    def run_custom(self, command: str) -> None:
        """Run the command of .deployment, which fills the stage."""
        self._call(
            "custom",
            ["sh", "-c", command],
            self.stage,
            {
                **self.settings,
                "DEPLOYMENT_SOURCE": str(self.stage),
                "DEPLOYMENT_TARGET": str(self.home.wwwroot),
            },
        )

    def _call(
        self, step: str, command: list[str], folder: Path, more: Mapping[str, str] | None = None
    ) -> None:
        """Run a program with its output shown; what it needs to write lies in the home folder.
        Raises DeploymentFailed.
        """
        temporary = self.home.work / "tmp"
        temporary.mkdir(exist_ok=True)
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("GIT_", "PYTHON", "VIRTUAL_ENV"))
        }
        environment.update(
            PIP_CACHE_DIR=str(self.home.root / "site" / ".pip-cache"),
            PIP_NO_INPUT="1",
            TMPDIR=str(temporary),
            PIP_DISABLE_PIP_VERSION_CHECK="1",
            PYTHONUNBUFFERED="1",
            VIRTUALENV_OVERRIDE_APP_DATA=str(temporary / "virtualenv"),
            **(more or {}),
        )
        try:
            programs.run(command, folder, environment, self.tell)
        except programs.ProgramFailed as error:
            raise DeploymentFailed(step, str(error)) from error
