"""``scriptProcessor`` of a handler with FastCgiModule: what the program is, what it runs, and
whether that speaks FastCGI.
"""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterator
from html import escape

from ..applications import Application
from ..catalogue import finding
from ..catalogue.findings import Finding, Span
from ..config.merge import Node
from ..files import text_if_readable
from ..hosting import Hosting
from ..modules.handlers import SECTION
from ..programs.interpreters import EXAMPLE, EXAMPLE_PHP, split_processor, wfastcgi_for
from .condition_remedies import attributes

_PYTHON = r"(?i)(?:^|[\\/])pythonw?[\d.]*(?:\.exe)?\"?$"
#: Programs that are web servers, or start one: they speak HTTP.
_SPEAK_HTTP = frozenset(
    """daphne django-admin dotnet flask granian gunicorn hypercorn java node npm streamlit uvicorn
    waitress-serve""".split()
)
#: Modules that speak FastCGI, as sources name them.
_FASTCGI = re.compile(r"(?i)fastcgi|fcgi|flup")


#: Programs by their name alone, or by a path from somewhere on.
_RELATIVE = re.compile(
    r"(?i)(?:\.{1,2}[\\/])?(?:[\w. -]+[\\/])*(?:pythonw?[\d.]*|py|php(?:-cgi)?|perl|ruby"
    r"|[\w-]+\.exe)(?:\.exe)?"
)


def module_for(processor: str) -> str:
    """The module that a scriptProcessor is for: %s stands for the script of CGI, and .dll is the
    suffix of ISAPI.
    """
    program, arguments = split_processor(processor)
    if re.search(r"%[sS]\b", processor):
        return "CgiModule"
    is_isapi = not arguments and program.lower().endswith(".dll")
    return "IsapiModule" if is_isapi else "FastCgiModule"


def other_module(item: Node) -> Finding | None:
    """That a scriptProcessor is for another of the three modules than the one that is named."""
    module, processor = item.text("modules").strip(), item.text("scriptProcessor")
    meant = module_for(processor)
    is_fast = meant == "FastCgiModule"
    if module not in ("FastCgiModule", "CgiModule", "IsapiModule") or meant == module:
        return None
    if not processor or is_fast and not re.search(r"(?i)\||wfastcgi|php-cgi", processor):
        return None  # CGI without %s, and DLLs behind variables
    return finding(
        "handler-other-module",
        item.span,
        handler=item.text("name"),
        module=module,
        processor=processor,
        meant=meant,
    )


def _run_by(program: str) -> str:
    """The scriptProcessor that runs a wfastcgi.py with the Python that it is of."""
    folder = re.match(r"(?i)(.+?)\\(?:Lib\\site-packages|Scripts)\\wfastcgi\.py$", program)
    return f"{folder[1]}\\python.exe|{program}" if folder else EXAMPLE.split('"')[1]


def lacks(item: Node, misspelt: Container[Span | None]) -> Iterator[Finding]:
    """What a scriptProcessor lacks by its text; of one that is ``misspelt`` that has been said."""
    name, processor = item.text("name"), item.text("scriptProcessor")
    program, arguments = split_processor(processor)
    if not program and item.span in misspelt:
        return
    if not program:
        yield finding("handler-no-processor", item.span, handler=name, example=EXAMPLE)
    elif not arguments and re.search(r"(?i)^(?!.*\.exe\b).*\.pyw?$", program):
        meant = _run_by(program)
        yield finding("handler-script-alone", item.span, handler=name, program=program, meant=meant)
    elif _RELATIVE.fullmatch(program):
        example = EXAMPLE_PHP if "php" in program.lower() else EXAMPLE
        yield finding(
            "handler-relative-program",
            item.span,
            handler=name,
            program=program,
            example=example,
        )
    elif processor.startswith('"') and '"' not in processor.partition("|")[0][1:]:
        quoted = f'"{arguments.strip(chr(34))}"' if " " in arguments else arguments.strip('"')
        meant = f"{program}|{quoted}" if arguments else program
        yield finding(
            "handler-quoted-program",
            item.span,
            handler=name,
            meant=meant,
            attribute=attributes(scriptProcessor=meant),
        )
    elif not arguments and re.search(_PYTHON, program):
        yield finding(
            "handler-python-alone",
            item.span,
            handler=name,
            processor=processor,
            meant=wfastcgi_for(program),
        )
    elif program.startswith("/") or re.match(r"(?i)/(?:usr|home|opt|var)/", arguments):
        yield finding(
            "handler-unix-program",
            item.span,
            handler=name,
            processor=processor,
            example=EXAMPLE,
        )
    elif _speaks_http(program, arguments):
        element = _behind_platform(program, arguments)
        yield finding(
            "handler-no-fastcgi/server",
            item.span,
            handler=name,
            processor=processor,
            element=element,
        )
    if re.search(r"\s\||\|\s|\|\|", processor):
        meant = re.sub(r"\s*\|[\s|]*", "|", processor)
        yield finding("handler-no-bar/blank", item.span, meant=meant)
    if re.search(r"(?i)\\Users\\", processor):
        yield finding("handler-user-profile", item.span, handler=name, processor=processor)


def _behind_platform(program: str, arguments: str) -> str:
    """The <httpPlatform> that runs a web server."""
    port = "%HTTP_PLATFORM_PORT%"
    made = re.sub(r"(--?p(?:ort)?[= ]|:)\d{2,5}\b", rf"\g<1>{port}", arguments.strip())
    if port not in made:
        is_runserver = re.search(r"\brunserver$", made)
        made += f" 127.0.0.1:{port}" if is_runserver else f" --port {port}"
    path = escape(program.strip().strip('"'))
    return f'<httpPlatform processPath="{path}" arguments="{escape(made)}" />'


def _speaks_http(program: str, arguments: str) -> bool:
    """Whether a program or the module that Python runs is a web server."""
    module = re.match(r"-m\s+([\w.-]+)", arguments.strip())
    words = re.split(r"[\\/]", program.strip('"'))[-1].lower().removesuffix(".exe")
    if re.search(r"(?i)\bmanage\.py\"?\s+runserver\b", arguments):
        return True
    return words in _SPEAK_HTTP or (
        module is not None
        and (module[1] in _SPEAK_HTTP or module[1] in ("waitress", "http.server"))
    )


def scripts(site: Hosting, application: Application) -> Iterator[Finding]:
    """Scripts of an application that a Python is to run, and that speak no FastCGI."""
    for item in site.effective(application.url or "/").section(SECTION).items:
        program, arguments = split_processor(item.text("scriptProcessor"))
        script = re.match(r"\"?([^\"|]*?([\w.-]+\.py))\"?(?:\s|$)", arguments)
        if (
            "FastCgiModule" not in item.text("modules")
            or item.span is None
            or script is None
            or not re.search(_PYTHON, program)
            or _FASTCGI.search(arguments)
        ):
            continue
        file = next(iter(sorted(application.path.glob(script[2]))), None)
        text = text_if_readable(file) if file is not None and os.path.isfile(file) else None
        if text is not None and not _FASTCGI.search(text) and not _speaks_http(program, arguments):
            module = script[2].removesuffix(".py")
            yield finding(
                "handler-no-fastcgi",
                item.span,
                handler=item.text("name"),
                script=script[2],
                meant=wfastcgi_for(program),
                module=module,
            )
