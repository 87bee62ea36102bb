"""A step-by-step look at what an application needs before its Python can answer: ``fcgiemu
doctor``.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ..app_service.home import last_failure
from ..app_service.versioned_configs import without_config
from ..applications import Application
from ..decision import Handler, Respond
from ..fastcgi.process import StartFailed
from ..http.request import make_request
from ..modules import handlers, http_platform
from ..programs import environments, probing
from ..programs.http_platform import command_line
from ..programs.installing import command, making
from ..programs.interpreters import EXAMPLE, Program, ProgramMissing, because, find_program
from ..programs.launching import Launcher, NotRegistered, PoolOptions
from ..programs.python_choice import activated_folder
from ..programs.pythons import version_name
from ..programs.requirements import source_of
from ..programs.windows_paths import is_ours, known_pairs, path_pairs
from ..site import Site
from ..worker import paths
from .causes import causes
from .settings import unexpanded

#: A frame of the worker's own in a traceback.
_OWN_FRAME = re.compile(
    r'  File "[^"]*[\\/]fcgiemu[\\/]worker[\\/][^"]*", line \d+, in .*\n(?:    .*\n)*'
)
_NO_ENV = "there is no environment: the site's packages have to be those of the interpreter"
_HANGS = (
    "It waits for something while it is imported: move that into a function, or under if __name__"
    " == '__main__'."
)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing doctor looked at. ``status`` is "ok", "note" or "problem"; ``remedy`` says what to
    change.
    """

    name: str
    status: str
    text: str
    remedy: str = ""


def examine(site: Site, application: Application) -> Iterator[Step]:
    """Look at everything that must be right before an application can answer, in the order in which
    IIS needs it.
    """
    file = site.tree.file_of(application.url)
    if file is None:
        lack = without_config(application.path)
        remedy = (
            f"{lack} fcgiemu deploy does so, given a requirements.txt."
            if lack
            else "Create one, or name its folder."
        )
        yield Step(
            "web.config",
            "problem",
            f"there is none in {application.path}",
            last_failure(site.path) or remedy,
        )
        return
    broken = [finding for finding in file.findings if finding.severity == "error"]
    for finding in broken:
        yield Step("web.config", "problem", f"{finding.span}: {finding.message}", finding.hint)
    if broken and file.root is None:
        return
    if not broken:
        yield Step("web.config", "ok", str(application.path / file.name.rpartition("/")[2]))
    chosen: dict[str, Handler] = {}  # the first of each scriptProcessor
    for handler, _ in site.effective(application.url or "/").view(handlers.table).entries:
        if "FastCgiModule" in handler.modules:
            chosen.setdefault(handler.script_processor.lower(), handler)
    if not chosen:
        yield from _platform(site, application)
    for handler in chosen.values():
        yield from _fast_cgi(site, application, handler)
    yield from _first_request(site, application)


def _first_request(site: Site, application: Application) -> Iterator[Step]:
    """What IIS itself answers, before any process is asked: a configuration that is refused, rules
    that cannot be used.
    """
    action = site.decide(make_request(f"{quote(application.url)}/")).action
    if isinstance(action, Respond) and action.status >= 500:
        where = f"{action.finding.span}: " if action.finding is not None else ""
        yield Step(
            "request",
            "problem",
            f"{application.url}/ is answered {action.status}.{action.substatus}:"
            f" {where}{action.message}",
            " ".join(action.hints) or (action.finding.hint if action.finding is not None else ""),
        )


def _fast_cgi(site: Site, application: Application, chosen: Handler) -> Iterator[Step]:
    """What stands behind a handler of FastCgiModule."""
    yield Step("handler", "ok", f"{chosen.name}: path={chosen.path} {chosen.origin}")
    program = yield from _interpreter(site, application, chosen)
    if (
        program is not None
        and program.version is not None
        and not program.is_wfastcgi
        and not program.arguments
    ):
        yield Step(
            "handler",
            "problem",
            f"scriptProcessor is {chosen.script_processor}: Python alone, which answers nothing",
            f"Name what Python is to run as well: {EXAMPLE}",
        )
    if program is None or not program.is_wfastcgi:
        return
    yield from _environment(site, application, program)
    yield from _settings(site, application)
    yield from _python_path(site, application, chosen)
    yield from _handler_name(
        site.worker_setting("WSGI_HANDLER", application), site.app_settings(application)
    )
    yield from _worker_settings(site, application)
    yield from _load(site, application, chosen, program)


def _platform(site: Site, application: Application) -> Iterator[Step]:
    """The program of <httpPlatform>, where a handler uses that."""
    effective = site.effective(application.url or "/")
    chosen = next(
        (
            handler
            for handler, _ in effective.view(handlers.table).entries
            if "httpPlatformHandler" in handler.modules
        ),
        None,
    )
    if chosen is None:
        yield Step(
            "handler",
            "problem",
            "no handler uses FastCgiModule or httpPlatformHandler",
            "Add one under <handlers>; see the samples.",
        )
        return
    yield Step("handler", "ok", f"{chosen.name}: path={chosen.path} {chosen.origin}")
    try:
        settings = effective.view(http_platform.compiled)
        command, environment = command_line(site, application, settings, "PORT")
    except ProgramMissing as error:
        yield Step("process", "problem", str(error), error.hint)
        return
    yield Step("process", "ok", " ".join(command))
    if (
        command[1:2] == ("-m",)
        and len(command) > 2
        and re.match(r"python", os.path.basename(command[0]))
    ):
        module = command[2]
        ended = probing.run(
            (command[0], "-c", f"import {module.partition('.')[0]}"), environment, application.path
        )
        if ended.code is None:
            yield Step(
                "process",
                "problem",
                f"importing {module} takes more than {probing.SECONDS:g} seconds",
                _HANGS,
            )
        elif ended.code:
            yield Step(
                "process",
                "problem",
                (ended.output.strip().splitlines() or ["it ends at once"])[-1],
                " ".join(causes(ended.output, application))
                or f"Install {module} for {command[0]}.",
            )
    yield Step("import", "note", "not tried: the process starts with the first request")


def _interpreter(site: Site, application: Application, handler: Handler) -> Any:
    try:
        program = find_program(handler.script_processor, site, application)
    except ProgramMissing as error:
        yield Step("interpreter", "problem", str(error), error.hint)
        return None
    version = f" (Python {program.version[0]}.{program.version[1]})" if program.version else ""
    yield Step("interpreter", "ok", f"{program.path}{version}: {because(program)}")
    for note in program.notes:
        yield Step("interpreter", "note", note)
    if re.search(r"\\Users\\", handler.script_processor, re.IGNORECASE):
        yield Step(
            "interpreter",
            "note",
            "it lies below a user's profile",
            "On IIS the application pool may not read there.",
        )
    return program


def _environment(site: Site, application: Application, program: Program) -> Iterator[Step]:
    """The environment that the application gets, and the one that web.config names for it."""
    named = activated_folder(site, application)
    environment = environments.read(named) if named is not None else program.environment
    source = source_of(application.path)
    if environment is not None:
        words = f"{environment.folder}, made with Python {version_name(environment.version)}"
        if program.version is not None and environment.version != program.version:
            yield Step(
                "env",
                "problem",
                f"{words}, the worker runs on {version_name(program.version)}",
                "Make the environment again with the worker's Python: rm -r "
                f"{shlex.quote(str(environment.folder))} && "
                + making(program.path, environment.folder),
            )
        else:
            yield Step("env", "ok", words)
        return
    lost = [note for note in program.notes if note in _unusable(site, application)]
    if lost or named is not None or source is not None:
        place = named or application.path / "env"
        words = lost[0] if lost else f"there is no environment {place}" if named else _NO_ENV
        yield Step(
            "env",
            "problem" if lost else "note",
            words,
            ("Make it again here: " if lost else "Make one: ")
            + (f"rm -r {shlex.quote(str(place))} && " if lost else "")
            + (
                command(program, application.path, place if lost else named, source)
                if source is not None
                else making(program.path, place)
            ),
        )


def _unusable(site: Site, application: Application) -> list[str]:
    """What is said of the environments of an application that cannot be used."""
    folders = (activated_folder(site, application), application.path / environments.AZURE_NAME)
    return [environments.why_unusable(folder) for folder in folders if folder is not None]


def _settings(site: Site, application: Application) -> Iterator[Step]:
    found = site.app_settings(application)
    yield Step("appSettings", "ok" if found else "note", ", ".join(found) or "none")
    for name, (value, span) in found.items():
        if name.lower() == "pythonpath":
            continue
        unknown = unexpanded(value)
        if unknown and unknown != ["HOME"]:
            yield Step(
                name,
                "note",
                f"%{unknown[0]}% stays as it is: only PYTHONPATH is expanded ({span})",
                "Write the value itself.",
            )
        if paths.is_windows(value) and paths.map_path(value, known_pairs(site)) is None:
            yield Step(
                name,
                "note",
                f"{value} leads nowhere on this machine ({span}); here it is"
                f" {paths.map_path(value, path_pairs(site))}",
                f"--map '{value}=/path/here'",
            )


def _python_path(site: Site, application: Application, handler: Handler) -> Iterator[Step]:
    setting = next(
        (
            value
            for name, value in site.app_settings(application).items()
            if name.lower() == "pythonpath"
        ),
        None,
    )
    if setting is None:
        return
    launcher = Launcher(site, PoolOptions())
    known = {
        **launcher.environment(application, launcher.limits(handler.script_processor, application)),
        "HOME": "D:\\home",
    }
    for part in setting[0].split(";"):
        if not part:
            continue
        if part != part.strip():
            yield Step(
                "PYTHONPATH",
                "problem",
                f"'{part}' has blanks around it, which stay part of the folder's name",
                "Remove the blanks beside the semicolons.",
            )
        unknown = [name for name in re.findall(r"%(\w+)%", part) if name not in known]
        if unknown:
            yield Step(
                "PYTHONPATH",
                "note",
                f"%{unknown[0]}% is not set here and becomes nothing in '{part}'",
            )
            continue
        text = paths.expand(part.strip(), known)
        local = paths.below(str(application.path), text)
        if paths.is_windows(text):
            local = paths.map_path(text, known_pairs(site))
        if local is None:
            remedy = f"--map '{text}=/path/here'"
            if "%SystemDrive%" in part and not site.settings.azure:
                remedy = "On App Service the drive is D: there; say --azure."
            yield Step("PYTHONPATH", "note", f"{part} leads nowhere on this machine", remedy)
        elif not os.path.isdir(local):
            yield Step("PYTHONPATH", "note", f"{part} -> {local}, which is no folder")
        else:
            yield Step("PYTHONPATH", "ok", f"{part} -> {local}")


def _worker_settings(site: Site, application: Application) -> Iterator[Step]:
    """Settings that end the worker before it has loaded anything."""
    pattern, _ = site.app_settings(application).get(
        "WSGI_RESTART_FILE_REGEX", ("", None)
    )  # of web.config only
    try:
        re.compile(pattern)
    except re.error as error:
        yield Step(
            "restarts",
            "problem",
            f"WSGI_RESTART_FILE_REGEX is '{pattern}', no regular expression: {error}",
            r"Write one, such as .*((\.py)|(\.config))$, or nothing.",
        )
    log = site.worker_setting("WSGI_LOG", application)
    if log:
        local = os.path.join(
            application.path,
            paths.map_setting("WSGI_LOG", log, path_pairs(site), str(application.path)),
        )
        folder = os.path.dirname(local)
        made = is_ours(site, local)
        if (
            os.path.isdir(local)
            or not made
            and not os.access(local if os.path.exists(local) else folder, os.W_OK)
        ):
            yield Step(
                "WSGI_LOG",
                "problem",
                f"{log} -> {local}, which cannot be written: wfastcgi ends at its first line",
                "Name a file in a folder that exists.",
            )


def _handler_name(name: str | None, settings: Iterable[str]) -> Iterator[Step]:
    other = next(
        (key for key in settings if key != "WSGI_HANDLER" and key.upper() == "WSGI_HANDLER"), None
    )
    if not name and other:
        yield Step(
            "WSGI_HANDLER",
            "problem",
            f"it is called {other}, which only Windows takes for it",
            "Write it in capitals.",
        )
    elif not name:
        yield Step(
            "WSGI_HANDLER",
            "problem",
            "it is not set",
            'Add <add key="WSGI_HANDLER" value="module.application" />.',
        )
    elif name != name.strip():
        yield Step(
            "WSGI_HANDLER",
            "problem",
            f"'{name}' has blanks around it, which stay part of the name",
            f"Write '{name.strip()}'.",
        )
    elif ":" in name and not re.search(r"[\\/]", name):
        yield Step(
            "WSGI_HANDLER",
            "problem",
            f"{name} has a colon",
            f"wfastcgi wants a dot there: {name.replace(':', '.')}.",
        )
    elif re.search(r"[\\/]|\.py$", name):
        module = re.sub(r"\.py$", "", re.split(r"[\\/]", name)[-1])
        what = "get_venv_handler()" if module == "ptvs_virtualenv_proxy" else "app"
        yield Step(
            "WSGI_HANDLER",
            "problem",
            f"{name} is a file name",
            f"Write a dotted name: {module}.{what}, say.",
        )
    elif "." not in name:
        yield Step(
            "WSGI_HANDLER",
            "problem",
            f"{name} has no dot",
            f"Write the module and the application: {name}.app, say.",
        )
    else:
        yield Step("WSGI_HANDLER", "ok", name)


def _load(
    site: Site, application: Application, handler: Handler, program: Program
) -> Iterator[Step]:
    """Load the handler in the worker's own environment and look at what it is."""
    launcher = Launcher(site, PoolOptions())
    try:
        launch = launcher.launch(
            program, application, launcher.limits(handler.script_processor, application)
        )
        found, ended = probing.probe(launch, f"{application.path}/")
    except (StartFailed, NotRegistered, OSError) as error:
        yield Step("import", "problem", f"the handler could not be loaded: {error}")
        return
    if found is None and ended.code is None:
        yield Step(
            "import",
            "problem",
            f"loading the handler takes more than {probing.SECONDS:g} seconds",
            _HANGS,
        )
    elif found is None:
        module = (site.worker_setting("WSGI_HANDLER", application) or "").rpartition(".")[0]
        yield Step(
            "import",
            "problem",
            "the interpreter ended while the handler was loaded, with exit code "
            f"{ended.code}: {ended.output[-500:].strip()}",
            " ".join(causes(ended.output, application))
            or "Something that is imported ends the process: see where with "
            f"{program.path} -X faulthandler -c 'import {module}'.",
        )
    elif "error" in found:
        lines = found["error"].splitlines() or [""]
        behind = (
            lines[1:] or found["hidden"].strip().splitlines()
        )  # a proxy script may have dropped the reason
        why = lines[0].partition(": Traceback")[0] + (
            f"; behind it: {behind[-1]}" if behind else ""
        )
        remedies = causes("\n".join([*behind, found["error"], found["traceback"]]), application)
        yield Step(
            "import",
            "problem",
            why,
            " ".join(remedies) or "Its traceback:\n" + _OWN_FRAME.sub("", found["traceback"]),
        )
    elif not found["callable"]:
        yield Step(
            "import",
            "problem",
            f"it is of type {found['kind']}, which cannot be called",
            "Name the application itself.",
        )
    elif found["takes_two"] is False:
        yield Step(
            "import",
            "problem",
            "it cannot be called with environ and start_response",
            (
                "It is a factory: write () behind it."
                if found["factory"]
                else (
                    "Name the application itself; where a function with arguments makes it, write"
                    " app = function(…) in the module and name app."
                )
            ),
        )
    else:
        yield Step(
            "import",
            "ok",
            f"loaded on Python {'.'.join(map(str, found['version']))}, of type {found['kind']}",
        )
