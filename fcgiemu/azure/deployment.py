"""A deployment as Kudu's Python script does it: which steps it takes, why, and what comes of them.
The steps themselves are those of a PreparedSite: one that fails leaves the last deployment serving.

Only pip, Django's collectstatic and, when told, the command of ``.deployment`` are run. Links are
not deployed, and nothing outside the home folder is written.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from .. import posix, project
from ..app_service.environment import AppSetting, read, variables
from ..app_service.home import Home, LeadsOut
from ..app_service.versioned_configs import nearest_config, versioned_configs
from ..diagnosis import configuration_files
from ..diagnosis.causes import in_words
from ..files import content, find
from ..init import node_site
from ..programs.requirements import remedy_of, windows_only
from . import dot_deployment
from .failure import FAILED, DeploymentFailed
from .prepared_site import CONTROL, PreparedSite, Say
from .runtime import Runtime, RuntimeRefused, choose

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class DeploymentStep:
    """One step of a plan: its name, why it is taken, and what does it."""

    name: str
    why: str
    run: Callable[[], None]


@dataclass(slots=True, kw_only=True)
class Deployment:
    """One deployment of ``source`` to ``home``. ``custom`` runs the command of .deployment;
    ``python`` is that of --python.
    """

    source: Path
    home: Home
    say: Say
    python: str | None = None
    custom: bool = False
    #: Whether the web.X.Y.config of the nearest version stands for one that is not there.
    nearest: bool = False
    #: App settings, which Kudu has in its environment: collectstatic may need them.
    settings: tuple[AppSetting, ...] = ()
    #: Told of each step as it begins: its number, how many there are, its name.
    progress: Progress = lambda number, count, name: None
    identifier: str = ""
    runtime: Runtime | None = None
    #: The source as given; ``source`` is the project in it that .deployment names.
    _root: Path = field(init=False)
    _log: list[str] = field(default_factory=list)
    _prepared: PreparedSite = field(init=False)

    def __post_init__(self) -> None:
        self.source = self._root = self.source.resolve()
        self._prepared = PreparedSite(self.home, self._tell, variables(self.settings))
        self.identifier = self.identifier or datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")

    # -- the plan ----------------------------------------------------------------------------------

    def plan(self) -> list[DeploymentStep]:
        """The steps in order. Raises DeploymentFailed where no Python can be chosen."""
        if not self.source.is_dir():
            raise DeploymentFailed("source", f"There is no folder {self.source}.")
        self.source = dot_deployment.project_folder(self._root)
        command, prepared = self.custom_command(), self._prepared
        copy = DeploymentStep("copy", "every deployment", lambda: prepared.copy(self.source))
        sync = DeploymentStep(
            "sync",
            "what has changed goes to site/wwwroot",
            lambda: prepared.change_over(self.identifier),
        )
        if command and self.custom:
            return [
                copy,
                DeploymentStep(
                    "custom", f".deployment: {command}", lambda: prepared.run_custom(command)
                ),
                sync,
            ]
        if not self.is_python():
            return [copy, *self._node_steps(), sync]
        try:
            self.runtime = runtime = choose(self.source, self.python)
        except RuntimeRefused as error:
            raise DeploymentFailed("python", str(error)) from error
        fresh = not (self.home.wwwroot / "env" / runtime.marker).exists()
        steps = [
            copy,
            DeploymentStep(
                "env",
                f"{runtime.name} by {runtime.why}: "
                + ("made new" if fresh else "kept from the last deployment"),
                lambda: prepared.make_environment(runtime, fresh),
            ),
        ]
        steps.append(
            DeploymentStep(
                "pip", "requirements.txt, every deployment", lambda: prepared.install(runtime)
            )
        )
        config = self._versioned(runtime)
        if config is not None:
            steps.append(
                DeploymentStep(
                    "web.config",
                    f"{config.name} takes its place",
                    lambda: prepared.configure(config.name),
                )
            )
        steps.append(sync)
        if find(self.source, "manage.py") and not find(self.source, ".skipDjango"):
            steps.append(
                DeploymentStep(
                    "collectstatic",
                    "manage.py is there; done if env holds Django",
                    prepared.collect_static,
                )
            )
        return steps

    def _is_node(self) -> bool:
        """Whether this is deployed as a Node site: Python comes first."""
        own = self.custom and self.custom_command()
        return self.runtime is None and not own and node_site.is_node(self.source)

    def _node_steps(self) -> list[DeploymentStep]:
        """What Kudu does for a Node site between the copying and the exchange."""
        if not self._is_node():
            return []
        steps, prepared = [], self._prepared
        start = node_site.start_file(self.source)
        if start and find(self.source, "web.config") is None:
            text = node_site.web_config(start)
            steps.append(
                DeploymentStep(
                    "web.config",
                    f"there is none: {start} answers by iisnode",
                    lambda: prepared.write("web.config", text),
                )
            )
        if start and (line := node_site.yml_line(self.source, start)):
            name = (Path(start).parent / "iisnode.yml").as_posix()
            why = "engines.node of package.json names a Node"
            steps.append(DeploymentStep("iisnode.yml", why, lambda: prepared.add_line(name, line)))
        if node_site.has_dependencies(self.source) and not (self.source / "node_modules").is_dir():
            steps.append(
                DeploymentStep("npm", "package.json, every deployment", prepared.install_packages)
            )
        return steps

    def _versioned(self, runtime: Runtime) -> Path | None:
        """The web.X.Y.config that takes the place of web.config."""
        exact = versioned_configs(self.source).get(runtime.version)
        if exact is None and self.nearest:
            return nearest_config(self.source, runtime.version)
        return exact

    def is_python(self) -> bool:
        """Kudu's test: requirements.txt, and a Python file in the root or a runtime.txt that says
        python.
        """
        return not self.why_not_python()

    def why_not_python(self) -> str:
        """What the source lacks for a Python site; "" where it is one."""
        if find(self.source, "requirements.txt") is None:
            return "there is no requirements.txt in its root"
        if find(self.source, ".skipPythonDeployment") is not None:
            return "there is a .skipPythonDeployment"
        if any(entry.name.lower().endswith(".py") for entry in self.source.iterdir()) or (
            b"python" in content(self.source, "runtime.txt").replace(b"\0", b"").lower()
        ):
            return ""
        return "there is no .py file in its root and no runtime.txt"

    def custom_command(self) -> str:
        """The command of .deployment, "" where there is none."""
        return dot_deployment.value(self._root, "command")

    # -- running -----------------------------------------------------------------------------------

    def run(self) -> None:
        """Take every step. Raises DeploymentFailed; then the last deployment goes on serving. The
        log is kept either way.
        """
        try:
            if self.home.root.resolve() == self._root:
                raise DeploymentFailed(
                    "target", "The target is the source itself: name another folder with --to."
                )
            self.home.create()
        except (LeadsOut, DeploymentFailed) as error:
            self._tell(str(error))
            self._tell(FAILED)
            raise DeploymentFailed("target", str(error)) from error
        with self._alone():
            self._run()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until no other deployment to this home runs."""
        descriptor = os.open(
            self.home.busy, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644
        )
        try:
            try:
                posix.lock(descriptor, wait=False)
            except BlockingIOError:
                self._tell("note: another deployment is running; this one waits for its end")
                posix.lock(descriptor, wait=True)
            yield
        finally:
            os.close(descriptor)

    def _run(self) -> None:
        shutil.rmtree(self.home.work, ignore_errors=True)
        self.home.work.mkdir()
        steps: list[DeploymentStep] = []
        try:
            command = self.custom_command()
            steps = self.plan()
            if command and not self.custom:
                self._tell(
                    "note: .deployment names a command, which is not run without --run-custom:"
                    f" {command}"
                )
            self._tell_notes()
            for number, step in enumerate(steps, 1):
                self.progress(number, len(steps), step.name)
                self._tell(f"[{number}/{len(steps)}] {step.name}: {step.why}")
                try:
                    step.run()
                except LeadsOut as error:
                    raise DeploymentFailed(step.name, str(error)) from error
                except OSError as error:
                    raise DeploymentFailed(step.name, f"{error}.") from error
        except DeploymentFailed as error:
            self._tell(f"{error.step} failed: {error}")
            self._tell(FAILED)
            self._record("failed")
            raise
        finally:
            shutil.rmtree(self.home.work, ignore_errors=True)
        self._tell("Finished successfully.")
        self._record("success")
        self._restart()

    def _tell(self, text: str) -> None:
        # Names of files may hold what a terminal would act on, or no text at all.
        text = (
            CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
            .encode("utf-8", "backslashreplace")
            .decode()
        )
        self._log.append(text)
        self.say(text)

    def _tell_notes(self) -> None:
        """What is not as the user may think it is."""
        if self.runtime is not None and self.runtime.note:
            self._tell(f"warning: {self.runtime.note}")
        if self._is_node():
            self._tell(f"note: a Node site for Kudu ({self.why_not_python()} for a Python site)")
        elif self.runtime is None and not (self.custom and self.custom_command()):
            self._tell(
                f"note: not a Python site for Kudu ({self.why_not_python()}): files are copied,"
                " nothing is installed"
            )
        if (self.source / "env").is_dir():
            self._tell("note: the env of the source is left out; a deployment makes its own")
        if lack := self._without_config():
            self._tell(f"warning: {lack}")
        for requirement in windows_only(self.source) if self.runtime is not None else ():
            self._tell(
                f"warning: {requirement.source.name} requires {requirement.name}, which can be"
                f" installed on Windows only: {remedy_of(requirement)}"
            )

    def _without_config(self) -> str:
        """What to say where no web.config will be there, or one for another version."""
        version = self.runtime.version if self.runtime is not None else None
        missing = configuration_files.missing(self.source)
        if self._is_node():
            if missing is None or node_site.start_file(self.source):
                return ""
            return (
                "Kudu writes no web.config: package.json has no scripts.start of the form"
                " 'node FILE', and there is no server.js or app.js."
            )
        is_copied = version in versioned_configs(self.source)
        lack = "" if missing is None or is_copied else in_words(missing)
        nearest = nearest_config(self.source, version) if version is not None else None
        if not lack or nearest is None:
            return f"{lack} Without web.config nothing reaches Python." if lack else ""
        if self.nearest:
            return f"{lack} {nearest.name}, the nearest, is copied, which Azure would not do."
        return (
            f"{lack} Without web.config nothing reaches Python. The nearest is {nearest.name}:"
            " --nearest-config copies it."
        )

    def _record(self, status: str) -> None:
        folder = self.home.deployments / self.identifier
        self.home.check(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "log.log").write_text("\n".join(self._log) + "\n", "utf-8")
        (folder / "manifest").write_text(
            "".join(f"{name}\n" for name in self._prepared.files), "utf-8", "surrogateescape"
        )
        (folder / "status.json").write_text(
            json.dumps(
                {
                    "id": self.identifier,
                    "status": status,
                    "source": str(self.source),
                    "end_time": datetime.now(UTC).isoformat(),
                    "runtime": self.runtime.name if self.runtime else None,
                },
                indent=1,
            )
            + "\n",
            "utf-8",
        )
        if status == "success":
            (self.home.deployments / "active").write_text(self.identifier + "\n", "utf-8")

    def _restart(self) -> None:
        """A new time stamp of web.config, once all is in place: a running ``serve`` takes the new
        deployment then.
        """
        config = self.home.wwwroot / "web.config"
        if config.is_file() and not config.is_symlink():
            config.write_bytes(config.read_bytes())


def of_home(
    source: Path,
    home: Home,
    say: Say,
    *,
    python: str | None = None,
    custom: bool = False,
    nearest: bool | None = None,
    identifier: str = "",
    progress: Progress = lambda number, count, name: None,
) -> Deployment:
    """A deployment with the settings that the home remembers, and those that the source keeps with
    itself.

    Raises DeploymentFailed and SiteError.
    """
    kept = home.remembered()
    settings = tuple(project.inline_app_settings(source)) if source.is_dir() else ()
    if "app_settings" in kept:
        settings += tuple(read(Path(kept["app_settings"])))
    return Deployment(
        source=source,
        home=home,
        say=say,
        python=python or kept.get("python"),
        custom=custom,
        nearest=nearest if nearest is not None else kept.get("nearest_config") == "true",
        settings=settings,
        progress=progress,
        identifier=identifier,
    )
