"""What the Python of an application needs of this machine: programs, its environment, folders, and
that the application can be loaded.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from ..applications import Application
from ..catalogue import finding
from ..catalogue.findings import Finding
from ..decision import Handler
from ..fastcgi.process import StartFailed
from ..programs import environments, interpreter_probe
from ..programs.fastcgi_launch import Launcher, NotRegistered, PoolOptions
from ..programs.install_commands import command, making
from ..programs.installed_pythons import version_name
from ..programs.interpreters import (
    Program,
    ProgramMissing,
    because,
    find_program,
    split_processor,
)
from ..programs.python_choice import activated_folder
from ..programs.requirements import remedy_of, source_of, windows_only
from ..programs.windows_paths import is_ours, known_pairs, path_pairs
from ..site import Site
from ..worker import paths
from .causes import causes, in_words
from .doctor_steps import DoctorStep
from .import_time import server_at_import
from .windows_variables import without_variables

#: Kinds of applications that speak ASGI.
_ASGI = frozenset({"FastAPI", "Starlette", "ASGIHandler", "Quart", "Litestar", "Sanic"})
#: A frame of the worker's own in a traceback.
_OWN_FRAME = re.compile(
    r'  File "[^"]*[\\/]fcgiemu[\\/]worker[\\/][^"]*", line \d+, in .*\n(?:    .*\n)*'
)


def fast_cgi(
    site: Site, application: Application, chosen: Handler, wrong: Collection[str]
) -> Iterator[DoctorStep]:
    """What stands behind a handler of FastCgiModule. ``wrong`` are the places of which something is
    said already.
    """
    if chosen.origin not in wrong:
        yield DoctorStep("handler", "ok", f"{chosen.name}: path={chosen.path} {chosen.origin}")
    try:
        program = find_program(chosen.script_processor, site, application)
    except ProgramMissing as error:
        if split_processor(chosen.script_processor)[0]:  # else check has said so
            yield DoctorStep.of("interpreter", program_missing(error))
        return
    yield from chosen_program(program)
    if not program.is_wfastcgi:
        return
    yield from _environment(site, application, program)
    for requirement in windows_only(application.path):
        windows = finding(
            "python-windows-requirement",
            None,
            package=requirement.name,
            file=requirement.source.name,
            remedy=remedy_of(requirement),
        )
        yield DoctorStep.of("requirements", windows)
    yield from _settings(site, application, wrong)
    yield from _python_path(site, application, chosen)
    if not _is_dotted(site.worker_setting("WSGI_HANDLER", application)):
        return  # a name that cannot be used: check has said so
    at_import = server_at_import(site, application)
    if at_import is not None:
        yield DoctorStep.of("import", at_import)
    else:
        yield from _load(site, application, chosen, program)


def chosen_program(program: Program) -> Iterator[DoctorStep]:
    """Which program runs the site and why, and what was passed over."""
    version = f" (Python {version_name(program.version)})" if program.version else ""
    why = f": {because(program)}" if program.why else ""
    yield DoctorStep("interpreter", "ok", f"{program.path}{version}{why}")
    for note in program.notes:
        yield DoctorStep("interpreter", "note", note)


def _is_dotted(name: str | None) -> bool:
    """Whether wfastcgi can use a handler's name."""
    return (
        name is not None
        and re.fullmatch(r"\S*[^\s\\/:]\.[^\s\\/:]+", name) is not None
        and (not re.search(r"[\\/:]|\.py$", name))
    )


def program_missing(error: ProgramMissing) -> Finding:
    """That no program of this machine stands for one of the configuration."""
    return finding("python-no-program", None, reason=error, remedy=error.hint)


def timeout(what: str) -> Finding:
    """That something does not come to its end in time."""
    return finding("python-load-timeout", None, what=what, seconds=f"{interpreter_probe.SECONDS:g}")


def _environment(site: Site, application: Application, program: Program) -> Iterator[DoctorStep]:
    """The environment that the application gets, and the one that web.config names for it."""
    named = activated_folder(site, application)
    environment = environments.read(named) if named is not None else program.environment
    if environment is None:
        yield from _no_environment(site, application, program, named)
        return
    what = f"{environment.folder}, made with Python {version_name(environment.version)}"
    if program.version is None or environment.version == program.version:
        yield DoctorStep("env", "ok", what)
        return
    made = making(program.path, environment.folder)
    other = finding(
        "python-other-environment",
        None,
        what=what,
        running=version_name(program.version),
        remedy=f"rm -r {shlex.quote(str(environment.folder))} && {made}",
    )
    yield DoctorStep.of("env", other)


def _no_environment(
    site: Site, application: Application, program: Program, named: Path | None
) -> Iterator[DoctorStep]:
    """That an environment is not there or cannot be used, where one is needed."""
    source = source_of(application.path)
    place = named or program.place or application.path / environments.AZURE_NAME
    lost = environments.why_unusable(place)
    made = (
        command(program, application.path, named, source)
        if source is not None
        else making(program.path, place)
    )
    if lost:
        yield DoctorStep.of("env", finding("python-lost-environment", None, what=lost, remedy=made))
    elif named is not None or source is not None:
        form = "/named" if named is not None else ""
        code = f"python-no-environment{form}"
        yield DoctorStep.of("env", finding(code, None, place=place, remedy=made))


def _settings(site: Site, application: Application, wrong: Collection[str]) -> Iterator[DoctorStep]:
    found = site.app_settings(application)
    yield DoctorStep("appSettings", "ok" if found else "note", ", ".join(found) or "none")
    name = site.worker_setting("WSGI_HANDLER", application)
    if name and str(found.get("WSGI_HANDLER", ("", ""))[1]) not in wrong:
        yield DoctorStep("WSGI_HANDLER", "ok", name)
    for other, (_, span) in found.items():
        if not name and other != "WSGI_HANDLER" and other.upper() == "WSGI_HANDLER":
            yield DoctorStep.of(other, finding("python-setting-case", span, other=other))
    for key, (value, span) in found.items():
        is_path = key.lower() != "pythonpath" and paths.is_windows(value)
        if is_path and paths.map_path(value, known_pairs(site)) is None:
            local = paths.map_path(value, path_pairs(site))
            absent = finding("python-path-not-here", span, name=key, value=value, local=local)
            yield DoctorStep.of(key, absent)
    yield from _log(site, application)


def _log(site: Site, application: Application) -> Iterator[DoctorStep]:
    """That the worker's log cannot be written, which ends it before it has loaded anything."""
    log = site.worker_setting("WSGI_LOG", application)
    if not log:
        return
    mapped = paths.map_setting("WSGI_LOG", log, path_pairs(site), str(application.path))
    local = os.path.join(application.path, mapped)
    place = local if os.path.exists(local) else os.path.dirname(local)
    if os.path.isdir(local) or not is_ours(site, local) and not os.access(place, os.W_OK):
        form = "/variable" if "%" in log else "" if os.path.exists(place) else "/folder"
        command = f"mkdir -p {shlex.quote(place)}"
        found = finding(
            f"python-log-file{form}",
            None,
            log=log,
            local=local,
            command=command,
            meant=without_variables(log),
        )
        yield DoctorStep.of("WSGI_LOG", found)


def _python_path(site: Site, application: Application, handler: Handler) -> Iterator[DoctorStep]:
    """Where the parts of PYTHONPATH lie on this machine."""
    written = {name.lower(): value for name, value in site.app_settings(application).items()}
    setting = written.get("pythonpath")
    if setting is None:
        return
    launcher = Launcher(site, PoolOptions())
    limits = launcher.limits(handler.script_processor, application)
    known = {**launcher.environment(application, limits), "HOME": "D:\\home"}
    for part in filter(None, setting[0].split(";")):
        unknown = [name for name in re.findall(r"%(\w+)%", part) if name not in known]
        if unknown:
            wrong = finding("python-path-variable", setting[1], variable=unknown[0], part=part)
            yield DoctorStep.of("PYTHONPATH", wrong)
            continue
        text = paths.expand(part.strip(), known)
        local: str | None = paths.below(str(application.path), text)
        if paths.is_windows(text):
            local = paths.map_path(text, known_pairs(site))
        if local is None:
            drive = "%SystemDrive%" in part and not site.settings.azure
            code = f"python-path-not-here{'/drive' if drive else '/part'}"
            absent = finding(code, setting[1], name="PYTHONPATH", value=text)
            yield DoctorStep.of("PYTHONPATH", absent)
        elif not os.path.isdir(local):
            wrong = finding("python-path-no-folder", setting[1], part=part, local=local)
            yield DoctorStep.of("PYTHONPATH", wrong)
        else:
            yield DoctorStep("PYTHONPATH", "ok", f"{part} -> {local}")


def _load(
    site: Site, application: Application, handler: Handler, program: Program
) -> Iterator[DoctorStep]:
    """Load the handler in the worker's own environment and look at what it is."""
    launcher = Launcher(site, PoolOptions())
    try:
        launch = launcher.launch(
            program, application, launcher.limits(handler.script_processor, application)
        )
        found, ended = interpreter_probe.probe(launch, f"{application.path}/")
    except (StartFailed, NotRegistered, OSError) as error:
        reason = f"the handler could not be loaded: {error}"
        yield DoctorStep.of("import", finding("python-load-error", None, reason=reason, remedy=""))
        return
    if found is None and ended.code is None:
        yield DoctorStep.of("import", timeout("the handler"))
    elif found is None:
        module = (site.worker_setting("WSGI_HANDLER", application) or "").rpartition(".")[0]
        yield DoctorStep.of("import", _exit(application, ended, program, module))
    elif "error" in found:
        yield DoctorStep.of("import", _error(site, application, found, program))
    elif found["kind"] in _ASGI or found.get("asgi"):
        called = f"{found['kind']}() missing 1 required positional argument: 'send'"
        remedy = _remedy(causes(called, application, program))
        yield DoctorStep.of(
            "import", finding("python-asgi", None, type=found["kind"], remedy=remedy)
        )
    elif found["kind"] == "Dash" and not found["callable"]:
        yield from (
            DoctorStep.of("import", known)
            for known in causes("'Dash' object is not callable", application, program)
        )
    elif not found["callable"]:
        yield DoctorStep.of("import", finding("python-not-callable", None, type=found["kind"]))
    elif found["takes_two"] is False:
        form = "/factory" if found["factory"] else ""
        yield DoctorStep.of("import", finding(f"python-wrong-arguments{form}", None))
    else:
        version = ".".join(map(str, found["version"]))
        yield DoctorStep("import", "ok", f"loaded on Python {version}, of type {found['kind']}")


def _exit(
    application: Application, ended: interpreter_probe.Ended, program: Program, module: str
) -> Finding:
    """That the interpreter ended while the application was loaded."""
    remedy = _remedy(causes(ended.output, application, program))
    return finding(
        f"python-load-exit{'/known' if remedy else ''}",
        None,
        status=ended.code,
        output=ended.output[-500:].strip(),
        folder=shlex.quote(str(application.path)),
        python=shlex.quote(program.path),
        module=module,
        remedy=remedy,
    )


def _remedy(found: list[Finding]) -> str:
    return " ".join(map(in_words, found))


def _error(
    site: Site, application: Application, found: dict[str, Any], program: Program
) -> Finding:
    """That loading the application raised an error."""
    lines = found["error"].splitlines() or [""]
    behind = (
        lines[1:] or found["hidden"].strip().splitlines()
    )  # a proxy script may have dropped the reason
    reason = lines[0].partition(": Traceback")[0] + (f"; behind it: {behind[-1]}" if behind else "")
    text = "\n".join([*behind, found["error"], found["traceback"]])
    likely = causes(text, application, program)
    remedy = _remedy(likely)
    proxied = site.worker_setting("WSGI_ALT_VIRTUALENV_HANDLER", application) is not None
    is_proxied = proxied and 'virtualenv_proxy.py"' in text
    name = "WSGI_ALT_VIRTUALENV_HANDLER" if is_proxied else "WSGI_HANDLER"
    is_name = any(known.code.startswith("error-no-attribute") for known in likely)
    span = site.app_settings(application).get(name, ("", None))[1] if is_name else None
    shown = "Its traceback:\n" + _OWN_FRAME.sub("", found["traceback"])
    return finding("python-load-error", span, reason=reason, remedy=remedy or shown)
