"""What is likely behind an error text of a worker: what users of wfastcgi complain about, and the
causes. What is looked for and what is said is in catalogue/error.toml; what depends on the site's
own files, in import_errors.py.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from functools import cache

from .. import catalogue
from ..applications import Application
from ..catalogue.findings import Finding
from ..programs import install_commands
from ..programs.interpreters import Program
from ..programs.requirements import package_named, package_of
from ..worker import paths
from .handler_names import likely_handler, meant, settings_module
from .import_errors import elsewhere, hidden_module, misnamed, misspelled, shadowed

#: Characters at both ends of a text that are looked at: error texts may be as long as an
#: application likes.
LOOKED_AT = 1 << 14


_MISSING = re.compile(r"No module named '?([\w.]+)")


def causes(text: str, application: Application, program: Program | None = None) -> list[Finding]:
    """What is likely behind an error text of a process of ``application``, which ``program`` runs;
    nothing where the text says it all itself.
    """
    text = text.partition("\n\nStdOut: ")[0]  # what the site has printed besides is none of it
    is_complete = len(text) <= 2 * LOOKED_AT
    text = text if is_complete else text[:LOOKED_AT] + text[-LOOKED_AT:]
    found = next(_causes(text, _is_of_the_worker(text, is_complete), application, program), None)
    return [found] if found is not None else []


def _causes(
    text: str, of_worker: bool, application: Application, program: Program | None
) -> Iterator[Finding]:
    """The causes of a text, the likeliest first: what depends on the site's own files comes
    before what the catalogue says of the text.
    """
    missing = _MISSING.search(text)
    # A proxy script loads the application of a setting of its own.
    is_proxied = re.search(r'File "[^"]*virtualenv_proxy\.py"', text) is not None
    setting = "WSGI_ALT_VIRTUALENV_HANDLER" if is_proxied else "WSGI_HANDLER"
    yield from shadowed(text, of_worker, application)
    if missing and (known := _missing(application, missing[1].partition(".")[0], program)):
        yield known
    for code, pattern, worker_only in _patterns():
        if (of_worker or not worker_only) and (found := pattern.search(text)):
            values = found.groupdict()
            if code == "error-no-module" and missing:
                yield from elsewhere(application, missing[1])
                yield from _unlisted(application, missing[1], program)
            elif code == "error-no-attribute":
                yield from hidden_module(application, values["module"], values["name"], program)
                yield from misspelled(application, values["module"], values["name"])
            elif code.startswith("error-server-"):
                yield from misnamed(application, values["module"], values.get("name", ""))
            elif code == "error-no-handler-setting":
                likely = likely_handler(application.path)
                yield catalogue.finding("error-no-handler-setting/likely", None, likely=likely)
            elif code == "error-handler-path":
                name = meant(values["name"] or values["whole"], application.path)
                yield catalogue.finding("error-handler-path/meant", None, meant=name)
            elif code == "error-log-file" and "%" in (file := values["file"]):
                yield catalogue.finding("error-log-file/variable", None, file=file)
            elif code == "error-django-settings" and (named := settings_module(application.path)):
                yield catalogue.finding("error-django-settings/named", None, settings=named)
            yield catalogue.filled(
                code,
                {**values, "install": _install(code, application, program), "setting": setting},
            )


def _install(code: str, application: Application, program: Program | None) -> str:
    """The command that installs what a kind of error needs."""
    packages = catalogue.kind(code).install.split()
    if program is None or not packages:
        return f"pip install {' '.join(map(shlex.quote, packages))}"
    return install_commands.packages(program, application.path, *packages)


def in_words(finding: Finding) -> str:
    """A finding as one text: what is wrong, and what to do."""
    return f"{finding.message}. {finding.hint}" if finding.hint else f"{finding.message}."


@cache
def _patterns() -> list[tuple[str, re.Pattern[str], bool]]:
    """(code, pattern of the texts that it fits, whether only where the worker itself was at work),
    in the order in which they are tried.
    """
    return [
        (kind.code, re.compile(form.pattern), kind.of_worker)
        for kind in catalogue.topic("error").kinds.values()
        if (form := kind.forms.get("")) is not None and form.pattern
    ]


#: Frames that say nothing of whose code was at work: Python's own, in its library.
_LIBRARY = re.compile(
    r"<frozen|.*[\\/](?:python[\d.]+|Lib)[\\/](?:importlib[\\/].*|re[\\/].*|re\.py|sre_\w+\.py)$"
)
_WORKER = re.compile(
    r"(?:.*[\\/])?(?:wfastcgi\.py|fcgiemu[\\/]worker[\\/]\w+\.py|ptvs_virtualenv_proxy\.py)$"
)


def _is_of_the_worker(text: str, is_complete: bool) -> bool:
    """Whether the innermost frame of a text's last traceback is the worker's; in a whole text, also
    whether there is none.
    """
    frames = [
        frame for frame in re.findall(r'File "([^"]+)", line', text) if not _LIBRARY.match(frame)
    ]
    return _WORKER.match(frames[-1]) is not None if frames else is_complete


def _missing(application: Application, module: str, program: Program | None) -> Finding | None:
    """Why a module that the site has taken care of is not found; None for any other."""
    packages = paths.site_packages(str(application.path / "env"))
    is_seen = program is not None and program.environment is not None
    if (
        packages
        and ("/python2." in packages or not is_seen)
        and any(os.path.exists(os.path.join(packages, module + end)) for end in ("", ".py"))
    ):
        form = "python2" if "/python2." in packages else "environment"
        return catalogue.finding(f"error-no-module/{form}", None, module=module)
    found = package_of(application.path, module)
    if found is None:
        return None
    environment = program.environment if program is not None else None
    hidden = program is not None and program.place is None
    return catalogue.finding(
        f"error-no-module/{'package' if environment else 'strict' if hidden else 'missing'}",
        None,
        package=found.name,
        file=found.source.name,
        place=environment.folder if environment is not None else "",
        install=install_commands.command(program, application.path, None, found.source)
        if program is not None
        else f"pip install {' '.join(found.source.arguments)}",
    )


def _unlisted(application: Application, module: str, program: Program | None) -> Iterator[Finding]:
    """A package that everybody knows and no file of the site requires."""
    package = package_named(module)
    for file in sorted(application.path.glob("*/requirements.txt")) if program else ():
        if program is not None and (known := package_of(file.parent, module)) is not None:
            yield catalogue.finding(
                "error-no-module/below",
                None,
                package=known.name,
                file=file.relative_to(application.path).as_posix(),
                install=install_commands.packages(program, application.path, "-r", str(file)),
            )
    if package is not None and program is not None:
        yield catalogue.finding(
            "error-no-module/unlisted",
            None,
            package=package,
            install=install_commands.packages(program, application.path, package),
        )
