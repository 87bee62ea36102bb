"""What ``doctor`` sees of a site of iisnode: which Node runs it, and whether its script listens on
the name in PORT when it is started once.
"""

from __future__ import annotations

import re
import shlex
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from ..applications import Application
from ..catalogue import finding
from ..catalogue.findings import Finding
from ..decision import CallIisnode, Handler
from ..http.request import make_request
from ..modules.iisnode import compiled
from ..programs import iisnode as node_programs
from ..programs import node, trial_requests
from ..programs.interpreters import ProgramMissing
from ..site import Site
from .doctor_steps import DoctorStep
from .iisnode import versions
from .python_applications import program_missing


def examine(
    site: Site, application: Application, handler: Handler, wrong: Collection[str]
) -> Iterator[DoctorStep]:
    """Node and the script that the handler names, started where nothing that is ``wrong`` already
    keeps it from listening.
    """
    yield DoctorStep("handler", "ok", f"{handler.name}: path={handler.path} {handler.origin}")
    action = site.decide(make_request(f"{application.url}/{handler.path.strip('/')}")).action
    if not isinstance(action, CallIisnode):
        return  # check, or the request for the first page, says why
    settings = compiled(action.settings)
    with tempfile.TemporaryDirectory(prefix="fcgiemu-") as folder:
        path = f"{folder}/pipe"
        try:
            found = node.find(settings.command_line, site, application)
            words, environment = node_programs.command_line(site, application, action, path)
        except ProgramMissing as error:
            yield DoctorStep.of("process", program_missing(error))
            return
        version = node.version(found.path)
        yield DoctorStep(
            "process", "ok", f"Node {node.version_name(version)}, {found.path}: {found.why}"
        )
        for known in versions(site, application, settings.command_line, version):
            yield DoctorStep.of("process", known)
        yield DoctorStep("process", "ok", " ".join(words))
        if wrong:
            return
        environment.pop("IISNODE_LOGGINGENABLED", None)  # what it writes is shown
        place = str(node_programs.folder(site, action))
        seconds = settings.connection_tries * settings.connection_delay
        trial = trial_requests.try_pipe(words, environment, place, path, seconds)
    if trial.listens:
        yield DoctorStep("process", "ok", "it listens on PORT")
        return
    last = next(filter(str.strip, reversed(trial.output.splitlines())), "it wrote nothing")
    if trial.code is not None and (missing := _MISSING.search(trial.output)):
        yield DoctorStep.of("process", _not_installed(place, missing[1]))
        return
    command = f"cd {shlex.quote(place)} && PORT=$(mktemp -u) {' '.join(map(shlex.quote, words))}"
    known = finding(
        f"iisnode-not-started/{'silent' if trial.code is None else 'ended'}",
        None,
        code=trial.code,
        seconds=f"{seconds:g}",
        output=_telling(trial.output) or last.strip(),
        command=command,
    )
    yield DoctorStep.of("process", known)


#: Node's words for a package that it does not find; a path is not a package.
_MISSING = re.compile(r"Cannot find (?:module|package) '((?:@[^/']+/)?[^@./'\\][^/'\\:]*)")


def _not_installed(folder: str, package: str) -> Finding:
    """That a package is missing: all of package.json are installed where it is one of them."""
    listed = node.package(Path(folder)).get("dependencies")
    names = () if isinstance(listed, dict) and package in listed else (package,)
    words = " ".join(shlex.quote(word) for word in (folder, *names))
    return finding("iisnode-not-started/package", None, package=package, command=words)


def _telling(output: str) -> str:
    """The line of what Node printed that names the error; "" where none does."""
    lines = [line.strip() for line in output.splitlines()]
    return next((line for line in lines if re.match(r"(?:\w*Error|Error)\b.*:", line)), "")
