"""What is likely behind an error text of a worker: the complaints that users of wfastcgi bring, and
their causes. What is looked for and what is said stands in the catalogue, error.toml.
"""

from __future__ import annotations

import os
import re
from functools import cache

from .. import catalogue
from ..applications import Application
from ..catalogue.values import Finding
from ..programs.requirements import package_of
from ..worker import paths

#: Characters at both ends of a text that are looked at: error texts may be as long as an
#: application likes.
LOOKED_AT = 1 << 14


def causes(text: str, application: Application) -> list[Finding]:
    """What is likely behind an error text of a worker of ``application``; nothing where the text
    says it all itself.
    """
    text = text.partition("\n\nStdOut: ")[0]  # what the site has printed besides is none of it
    whole = len(text) <= 2 * LOOKED_AT
    text = text if whole else text[:LOOKED_AT] + text[-LOOKED_AT:]
    match = re.search(r"No module named '?(\w+)", text)
    if match and (missing := _missing(application, match[1])):
        return [missing]
    of_worker = _is_of_the_worker(text, whole)
    for code, pattern, worker_only in _patterns():
        if (of_worker or not worker_only) and (found := pattern.search(text)):
            return [catalogue.filled(code, found.groupdict())]
    return []


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
        if (form := kind.forms[""]).pattern
    ]


#: Frames that say nothing of whose code was at work: Python's own, in its library.
_LIBRARY = re.compile(
    r"<frozen|.*[\\/](?:python[\d.]+|Lib)[\\/](?:importlib[\\/].*|re[\\/].*|re\.py|sre_\w+\.py)$"
)
_WORKER = re.compile(
    r"(?:.*[\\/])?(?:wfastcgi\.py|fcgiemu[\\/]worker[\\/]\w+\.py|ptvs_virtualenv_proxy\.py)$"
)


def _is_of_the_worker(text: str, whole: bool) -> bool:
    """Whether the innermost frame of a text's last traceback is the worker's; in a whole text, also
    whether there is none.
    """
    frames = [
        frame for frame in re.findall(r'File "([^"]+)", line', text) if not _LIBRARY.match(frame)
    ]
    return _WORKER.match(frames[-1]) is not None if frames else whole


def _missing(application: Application, module: str) -> Finding | None:
    """Why a module that the site has taken care of is not found; None for any other."""
    packages = paths.site_packages(str(application.path / "env"))
    if packages and any(
        os.path.exists(os.path.join(packages, module + end)) for end in ("", ".py")
    ):
        form = "python2" if "/python2." in packages else "environment"
        return catalogue.finding(f"error-no-module/{form}", None, module=module)
    found = package_of(application.path, module)
    if found is None:
        return None
    file = found.source.name
    return catalogue.finding(
        f"error-no-module/{'no-environment' if packages is None else 'package'}",
        None,
        package=found.name,
        file=file,
        install="env/bin/pip install " + ("." if file == "pyproject.toml" else f"-r {file}"),
    )
