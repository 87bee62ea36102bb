"""What an application behind httpPlatform needs before it can answer: a program that starts, and
listens on the port that IIS gives it.

``suspicions`` reads the configuration and the site's files: ``check`` says the same.
``of_failed_start`` is about a start that failed, in ``doctor`` as in ``serve``.
"""

from __future__ import annotations

import ast
import difflib
import itertools
import os
import re
import shlex
from collections.abc import Iterator
from html import escape
from pathlib import Path

from ..applications import Application
from ..catalogue import finding
from ..catalogue.findings import Finding, Span
from ..files import read_text, text_if_readable
from ..modules.http_platform import PORT_VARIABLE, HttpPlatform
from ..programs.interpreters import ON_SERVER, Program
from ..programs.process_command import log_file
from ..programs.windows_paths import inferred, is_ours, path_pairs
from ..site import Site
from ..worker import paths
from . import named_application
from .causes import causes
from .configuration_files import holds_files
from .handler_names import likely_handler
from .remedies import folder_of_the_site
from .windows_variables import undefined

#: Servers that need fork, which Windows does not have.
_FORKING = ("gunicorn", "uwsgi", "circusd", "chaussette")
#: A port that arguments fix: --port 5000, -p 80, --bind=0.0.0.0:8000, localhost:8000.
_FIXED = re.compile(
    r"(?:--?(?:port|p|P)[ =]|--(?:bind|listen|http|host-port)[ =][^ ]*:|-b [^ ]*:|"
    r"\b(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\*):)(\d{2,5})\b"
)
#: Variables that servers take their port from.
_PORT_NAME = re.compile(
    r"(?i)(?:(?:APP|SERVER|HTTP|NODE|WEB|FLASK(?:_RUN)?|UVICORN)_)?PORT|ASPNETCORE_HTTP_PORTS"
)
#: The port as shells name it: $HTTP_PLATFORM_PORT, ${HTTP_PLATFORM_PORT}, $env:HTTP_PLATFORM_PORT.
_OF_SHELLS = re.compile(
    rf"\$(?:env:)?\{{?{PORT_VARIABLE}\}}?|(?<!%)\{{{PORT_VARIABLE}\}}", re.IGNORECASE
)


def _server(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?i)(?:-m |[\\/\"]|^){name}(?:\.exe)?(?=[\s\"]|$)")


#: Servers that listen on a port of their own unless they are told another: pattern of the command
#: line, name, port, and the words that tell it.
_SERVERS = (
    (_server("uvicorn"), "uvicorn", 8000, "--port PORT"),
    (_server("hypercorn"), "hypercorn", 8000, "--bind 127.0.0.1:PORT"),
    (_server("waitress(?:-serve)?"), "waitress", 8080, "--port PORT"),
    (_server("daphne"), "daphne", 8000, "-p PORT"),
    (_server("streamlit"), "streamlit", 8501, "--server.port PORT"),
    (_server('flask(?:\\.exe"?)? (?:.* )?run'), "flask", 5000, "--port PORT"),
    (_server("http\\.server"), "http.server", 8000, "PORT"),
    (re.compile(r"manage\.py\"? runserver(?!\S)"), "runserver", 8000, "127.0.0.1:PORT"),
)
#: Words that stand for a part of a path, in instructions that were copied.
_STANDS_FOR = re.compile(r"[<>\[\]{}]|(?i:\bpath[\\/ _-]?to\b|\byour[-_ ])")
_SUFFIX = re.compile(r"\.\w{1,4}$")
#: What Windows lacks, where a script names it.
_NO_FORK = re.compile(r"os\.fork\(|^import (?:fcntl|pwd|grp|resource|termios)\b", re.MULTILINE)


def by_hand(
    application: Application,
    command: tuple[str, ...],
    port: int | str,
    variable: str = PORT_VARIABLE,
) -> str:
    """The command that starts a process as IIS does, which tells it the port in ``variable``."""
    parts = " ".join(map(shlex.quote, command))
    return f"cd {shlex.quote(str(application.path))} && {variable}={port} {parts}"


def of_failed_start(
    settings: HttpPlatform,
    application: Application,
    program: Program | None,
    output: str,
    ports: tuple[int, ...],
) -> list[Finding]:
    """What is likely behind a process that ended, or does not listen where it should: ``ports`` are
    those that it listens on.
    """
    if ports:
        return [finding("platform-port/other", None, port=ports[0])]
    if likely := causes(output, application, program):
        return likely
    if match := re.search(r"can't open file '([^']+)'", output):
        return [finding("platform-script-not-found", None, file=match[1])]
    if not output.strip() and PORT_VARIABLE not in settings.arguments:
        return [finding("platform-port/none", None)]
    return []


# -- what the configuration and the files tell -----------------------------------------------------


def suspicions(
    site: Site, application: Application, settings: HttpPlatform, span: Span | None
) -> Iterator[Finding]:
    """What is wrong with <httpPlatform>, by its attributes and the files of the site."""
    if not settings.process_path:
        named = likely_handler(application.path).rpartition(".")
        arguments = f"-m waitress --port=%{PORT_VARIABLE}% {named[0]}:{named[2]}"
        form = "/attribute" if settings.arguments else ""
        yield finding(f"platform-no-process{form}", span, arguments=arguments)
        return
    if _STANDS_FOR.search(settings.process_path):
        yield finding("platform-no-process/words", span, path=settings.process_path)
    texts = [settings.process_path, settings.arguments]
    texts += [value for _, value in settings.environment]
    for name in dict.fromkeys(name for text in texts for name in undefined(site, text)):
        near = difflib.get_close_matches(name.upper(), [PORT_VARIABLE, "HOME", "TEMP"], 1, 0.75)
        near = [PORT_VARIABLE] if re.search(r"(?i)(?:^|_)PORT$", name) else near
        yield finding(
            f"platform-unknown-variable/{'near' if near else 'none'}",
            span,
            severity="" if near else "info",  # the machine may define it, as JAVA_HOME
            name=name,
            near="".join(near),
        )
    if match := _OF_SHELLS.search(settings.arguments):
        text = match[0]
        yield finding("platform-unknown-variable/shell", span, text=text, near=PORT_VARIABLE)
    if path := _unquoted(settings.arguments):
        yield finding("platform-unquoted-blank", span, path=path)
    if settings.forwards_token:
        yield finding("platform-windows-token", span)
    yield from _program(settings, span)
    yield from _script(application, settings, span)
    yield from named_application.behind_platform(application.path, settings.arguments, span)
    yield from _reloader(application, settings, span)
    yield from _fixed_port(settings, span)
    yield from _deaf(site, application, settings, span)
    yield from _forks(application, settings, span)
    if re.search(r"(?i)\bwfastcgi\b", settings.arguments):
        module, _, name = likely_handler(application.path).rpartition(".")
        yield finding("platform-wfastcgi", span, application=f"{module}:{name}")
    yield from _log_folder(site, application, settings, span)


def _program(settings: HttpPlatform, span: Span | None) -> Iterator[Finding]:
    """A program that no Windows has, or whose arguments stand behind it."""
    path = settings.process_path.strip().strip('"')
    words = re.fullmatch(r"(?i)(.*?\.exe\"?)\s+(\S.*)", path)
    if path.startswith("/") or re.search(r"(?i)(?:^|/)\.?v?env/bin/", path.replace("\\", "/")):
        form = "" if path.startswith("/") else "/venv"
        meant = re.sub(r"(?i)[\\/]bin[\\/](python)[\d.]*$", r"\\Scripts\\\1.exe", path)
        meant = meant.replace("/", "\\")
        yield finding(f"platform-unix-program{form}", span, path=path, meant=meant)
    elif words is not None:
        yield finding("platform-program", span, path=path, program=words[1], rest=words[2])
    elif runner := next((run for end, run in _RUNNERS if path.lower().endswith(end)), ""):
        rest = f"{path} {settings.arguments}".strip()
        yield finding("platform-program/script", span, path=path, program=runner, rest=rest)


#: Scripts, which Windows does not start as it does programs -> what runs them.
_RUNNERS = (
    (".py", ON_SERVER + "\\python.exe"),
    (".js", "node.exe"),
    (".mjs", "node.exe"),
    (".ps1", "powershell.exe"),
)


#: What has a server watch its files: a second process that IIS does not know.
_RELOADS = re.compile(
    r"(?:^|\s)--reload(?!\S)|(?<!\S)runserver(?!\S)(?!.*--noreload)"
    r"|\bflask\b(?!.*--no-reload).*--debug(?!\S)"
)


def _reloader(
    application: Application, settings: HttpPlatform, span: Span | None
) -> Iterator[Finding]:
    """A server that starts itself again when its files change."""
    if match := _RELOADS.search(settings.arguments):
        word = "runserver" if "runserver" in match[0] else match[0].split()[-1]
        form = "/runserver" if word == "runserver" else ""
        plain = (
            re.sub(r"(?<!\S)runserver(?!\S)", "runserver --noreload", settings.arguments)
            if form
            else re.sub(rf"\s*{re.escape(word)}(?!\S)", "", settings.arguments, count=1).strip()
        )
        meant = escape(plain)
        yield finding(f"platform-reloader{form}", span, word=word, meant=meant, plain=plain)
        return
    script = (_words(settings.arguments) or [""])[0]
    file = Path(paths.below(str(application.path), script)) if script.endswith(".py") else None
    if file is not None and os.path.isfile(file):
        if word := _reloads(text_if_readable(file)):
            yield finding("platform-reloader/script", span, word=word, script=script)


def _reloads(code: str) -> str:
    """The argument with which a script has its server watch files; "" where none does."""
    try:
        nodes = ast.walk(ast.parse(code))
    except (SyntaxError, ValueError, RecursionError):
        return ""
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            given = {part.arg: ast.unparse(part.value) for part in node.keywords}
            words = [name for name in ("debug", "reload") if given.get(name) == "True"]
            if node.func.attr == "run" and words and given.get("use_reloader") != "False":
                return f"{words[0]}=True"
    return ""


def _words(text: str) -> list[str]:
    return [word.replace('"', "") for word in re.findall(r'(?:"[^"]*"|\S)+', text)]


def _unquoted(arguments: str) -> str:
    """A path with blanks in it and no quotes around it; "" where there is none. It ends with the
    first word that has a suffix, else with the last that has a backslash.
    """
    words = re.findall(r'(?:"[^"]*"|\S)+', arguments)
    for start, word in enumerate(words):
        first = re.search(r"(?:^|=)([A-Za-z]:\\.*[^\\])$", word)
        if first is None or _SUFFIX.search(word):
            continue
        after = list(itertools.takewhile(_goes_on, words[start + 1 :]))
        ends = [place for place, one in enumerate(after, 1) if _SUFFIX.search(one)][:1]
        ends = ends or [place for place, one in enumerate(after, 1) if "\\" in one][-1:]
        if ends and any("\\" in one for one in after[: ends[0]]):
            return " ".join((first[1], *after[: ends[0]]))
    return ""


def _goes_on(word: str) -> bool:
    """Whether a word may be a further part of a path with blanks."""
    return word[0] not in '-"' and not paths.is_windows(word)


def _script(
    application: Application, settings: HttpPlatform, span: Span | None
) -> Iterator[Finding]:
    """The script that the arguments begin with, where there is no such file."""
    script = (_words(settings.arguments) or [""])[0]
    if not script.lower().endswith((".py", ".js")) or paths.is_windows(script):
        return
    if "%" in script or os.path.exists(paths.below(str(application.path), script)):
        return
    if not holds_files(application.path):
        return  # the configuration alone is here, and not the site
    names = [entry.name for entry in application.path.glob("*.py")]
    near = difflib.get_close_matches(script, names, 1, 0.75)
    yield finding(
        f"platform-missing-script/{'near' if near else 'none'}",
        span,
        script=script,
        near="".join(near),
    )


def _fixed_port(settings: HttpPlatform, span: Span | None) -> Iterator[Finding]:
    values = [settings.arguments, *(value for _, value in settings.environment)]
    match = _FIXED.search(settings.arguments)
    if any("PLATFORM" in value.upper() and "PORT" in value.upper() for value in values):
        return
    if match:
        said = match[0].replace(match[1], f"%{PORT_VARIABLE}%")
        plain = settings.arguments.replace(match[0], said)
        yield finding("platform-fixed-port", span, port=match[1], meant=escape(plain), plain=plain)
        return
    for name, value in settings.environment:
        if _PORT_NAME.fullmatch(name) and value.strip().isdecimal():
            yield finding(
                "platform-fixed-port/variable",
                span,
                severity="warning",
                name=name,
                port=value.strip(),
            )
            return
    line = f"{settings.process_path} {settings.arguments}"
    for pattern, name, port, option in _SERVERS:
        if pattern.search(line):
            option = option.replace("PORT", f"%{PORT_VARIABLE}%")
            plain = _with_option(settings.arguments, name, option)
            yield finding(
                "platform-no-port", span, server=name, port=port, meant=escape(plain), plain=plain
            )
            return


def _with_option(arguments: str, server: str, option: str) -> str:
    """Arguments with an option more: waitress takes those before the name of the application."""
    if server != "waitress":
        return f"{arguments} {option}"
    own = re.match(r"\s*-m\s+waitress\b", arguments)
    return f"{own[0]} {option}{arguments[own.end() :]}" if own else f"{option} {arguments}"


#: Calls that start a server in a script, and what a script reads its port by.
_LISTENS = re.compile(
    r"\b(?:app|application)\.run\(|\buvicorn\.run\(|\bserve\(\s*\w+|\brun_simple\("
)
_READS = re.compile(r"PORT\b|environ|getenv|argv|argparse|click|typer|\bport\s*=\s*[A-Za-z_]")


def _deaf(
    site: Site, application: Application, settings: HttpPlatform, span: Span | None
) -> Iterator[Finding]:
    """A script that starts a server and reads its port from nowhere."""
    script = (_words(settings.arguments) or [""])[0]
    local = paths.map_path(script, path_pairs(site)) if paths.is_windows(script) else ""
    path = Path(local or paths.below(str(application.path), script))
    if not script.endswith(".py") or not os.path.isfile(path):
        return
    code = read_text(path)
    if _LISTENS.search(code) and not _READS.search(code):
        yield finding("platform-no-port/script", span, script=script)
    elif _LISTENS.search(code) and (name := _unset_port(code, settings)):
        yield finding("platform-no-port/variable", span, script=script, name=name)


#: A variable that a script reads.
_VARIABLE = re.compile(r"(?:environ(?:\.get)?|getenv)\s*[\[(]\s*['\"](\w+)['\"]")


def _unset_port(code: str, settings: HttpPlatform) -> str:
    """The variable that a script reads its port from, where nothing sets it; "" where the port may
    come otherwise.
    """
    names = {name.upper() for name in _VARIABLE.findall(code)}
    asked = [name for name in sorted(names) if _PORT_NAME.fullmatch(name)]
    given = {name.upper() for name, _ in settings.environment}
    told = PORT_VARIABLE in settings.arguments.upper() or PORT_VARIABLE in code
    is_known = told or given & set(asked) or re.search(r"argv|argparse|click|typer", code)
    return "" if is_known or not asked else asked[0]


def _forks(
    application: Application, settings: HttpPlatform, span: Span | None
) -> Iterator[Finding]:
    """Servers and calls that need fork."""
    parts = [settings.process_path, *_words(settings.arguments)]
    names = [re.split(r"[\\/]", word)[-1].lower().removesuffix(".exe") for word in parts]
    server = next((name for name in _FORKING if name in names), "")
    if server:
        meant = _without_fork(settings, server)
        yield finding("platform-fork/server", span, name=server, meant=meant)
        return
    for word in parts[1:2]:
        script = Path(paths.below(str(application.path), word))
        text = read_text(script) if word.endswith(".py") and os.path.isfile(script) else ""
        if match := _NO_FORK.search(text):
            yield finding("platform-fork/script", span, script=word, name=match[0])


def _without_fork(settings: HttpPlatform, server: str) -> str:
    """The attributes with which waitress, or uvicorn, runs what a server that forks is to run."""
    words = _words(settings.arguments)
    named = next((word for word in words if re.fullmatch(r"[A-Za-z_][\w.]*:[\w.]+", word)), "")
    is_asgi = "uvicorn" in settings.arguments.lower()
    port = f"%{PORT_VARIABLE}%"
    module = "uvicorn" if is_asgi else "waitress"
    rest = (
        f"{named or 'app:app'} --port {port}" if is_asgi else f"--port={port} {named or 'app:app'}"
    )
    program = settings.process_path
    if re.split(r"[\\/]", program)[-1].lower().startswith("python"):
        return f'arguments="-m {module} {escape(rest)}"'
    other = "uvicorn" if is_asgi else "waitress-serve"
    program = re.sub(rf"(?i){re.escape(server)}(?=(?:\.exe)?\"?$)", other, program)
    return f'processPath="{escape(program)}" arguments="{escape(rest)}"'


def _log_folder(
    site: Site, application: Application, settings: HttpPlatform, span: Span | None
) -> Iterator[Finding]:
    """A folder of stdoutLogFile that is not there: it is made here, and not on the server; its
    successor makes it.
    """
    local = log_file(site, application, settings, "") if not settings.is_second else ""
    folder = os.path.dirname(local)
    guessed = inferred(site)
    is_guessed = guessed is not None and (settings.stdout_log or "").lower().startswith(
        guessed.windows.lower()
    )
    if re.search(r"__[A-Z]\w*__", settings.stdout_log or ""):
        return  # a script writes the path when the site is published
    if re.match(r"/\w", settings.stdout_log or "") and not Path(folder).is_relative_to(site.path):
        if local:
            yield finding("platform-log-folder/unix", span, name=settings.stdout_log)
        return
    if (
        local
        and _holds_only(folder, os.path.basename(local))
        and not is_ours(site, local)
        and not is_guessed
    ):
        yield finding(
            "platform-log-folder",
            span,
            severity="info" if os.path.isdir(folder) else "",
            name=settings.stdout_log,
            folder=folder,
            command=folder_of_the_site(folder),
        )


def _holds_only(folder: str, log: str) -> bool:
    """Whether a folder is not there, or has nothing but the logs that were written here."""
    try:
        return all(name.lower().startswith(log.lower()) for name in os.listdir(folder))
    except FileNotFoundError:
        return True
    except OSError:
        return False
