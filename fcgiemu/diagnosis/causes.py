"""What is likely behind an error text of a worker: the complaints that users of wfastcgi bring, and
their causes.
"""

from __future__ import annotations

import os
import re

from ..applications import Application
from ..programs.requirements import package_of
from ..worker import paths

#: Characters at both ends of a text that are looked at: error texts may be as long as an
#: application likes.
LOOKED_AT = 1 << 14
#: What an error text of a worker holds -> what is likely behind it and what to do; {0} is the first
#: group.
CAUSES: list[tuple[str, str]] = [
    (
        r"WSGI_HANDLER env var must be set",
        (
            "appSettings of the application's own web.config has no WSGI_HANDLER; files above or "
            "below it are not read."
        ),
    ),
    (
        r"WSGI_ALT_VIRTUALENV_HANDLER env var must be set",
        (
            "The proxy script wants WSGI_ALT_VIRTUALENV_HANDLER in "
            "appSettings: the application to load once the environment is active."
        ),
    ),
    (
        r"No module named '?(ptvs_virtualenv_proxy)",
        (
            "The proxy script is not beside web.config; without WSGI_HANDLER naming it, "
            "write the application itself, for example app.app."
        ),
    ),
    (
        r"No module named '?(django\.core\.handlers\.wsgi)",
        (
            "WSGI_HANDLER is of an old Django: write "
            "django.core.wsgi.get_wsgi_application() and set DJANGO_SETTINGS_MODULE."
        ),
    ),
    (
        r"No module named '?([\w.]+)",
        "Python finds no module {0}: is its folder on PYTHONPATH, is its package in env?",
    ),
    (
        r"\"(\w+)\" could not be imported",
        "WSGI_HANDLER needs a dot: module.application, where you wrote {0}.",
    ),
    (
        r"\"([^\"]+\.py)\" could not be imported",
        (
            "WSGI_HANDLER is a dotted name, no file name: for app.py and its app "
            "write app.app, not {0}."
        ),
    ),
    (
        r"FileNotFoundError.*activate_this\.py|No such file or directory: '[^']*activate_this\.py'",
        (
            "python -m venv makes no activate_this.py: use ptvs_virtualenv_proxy.get_venv_handler()"
            " with env\\Scripts\\python.exe, or virtualenv."
        ),
    ),
    (
        r"start_response has not yet been called",
        "The application returned without calling start_response.",
    ),
    (
        r"content must be encoded before sending",
        "The application returned text; WSGI wants bytes: encode it.",
    ),
    (
        r"""(?:<frozen os>|os\.py|UserDict\.py)", line \d+, in __getitem__"""
        r"""[\s\S]{0,999}?KeyError: '(\w+)'""",
        (
            "The environment variable {0} is not set: add it to appSettings, or give it as an app"
            " setting: --azure --app-settings FILE."
        ),
    ),
    (
        r"os\.environ\.update[\s\S]{0,999}?(?:Invalid argument|illegal environment variable name)",
        "A key of appSettings is no name of an environment variable: it is blank, or holds '='.",
    ),
    (
        r'File "([^"]+)", line (\d+)\n(?:.*\n){1,3}(?:Syntax|Indentation|Tab)Error: ',
        "Python cannot read {0}, line {1}.",
    ),
    (
        r"^SystemExit",
        (
            "The module ends the process while it is imported: do that under if __name__ =="
            " '__main__' only."
        ),
    ),
    (
        r"DJANGO_SETTINGS_MODULE|settings are not configured",
        "Set DJANGO_SETTINGS_MODULE in appSettings.",
    ),
    (
        r"Invalid HTTP_HOST header: '(\[[^\]]+\]|[^:']+)",
        "Django's ALLOWED_HOSTS lacks the name you asked by: add '{0}'.",
    ),
    (
        r"<h1>Bad Request \(400\)</h1>",
        (
            "Django answers so, and says no more with DEBUG = False, where ALLOWED_HOSTS lacks the "
            "name you asked by."
        ),
    ),
]
#: The same where the worker itself was at work: it loaded what WSGI_HANDLER names, or called it.
CAUSES_WHILE_LOADING: list[tuple[str, str]] = [
    (
        r"module'? (?:'[\w.]+'|object) has no attribute 'py'",
        (
            "The handler is a dotted name, no file name: for app.py and "
            "its app write app.app, not app.py."
        ),
    ),
    (
        r"takes (?:no arguments|0 positional arguments|exactly 0) (?:\(2 given\)|but 2 were given)",
        "WSGI_HANDLER names a factory: call it, as in app.create_app().",
    ),
    (
        r"missing 2 required positional arguments: '\w*env\w*' and '\w+'",
        "WSGI_HANDLER ends in () and calls the application itself: drop the ().",
    ),
    (
        r"\b(\w+)\(\) missing \d+ required positional argument",
        (
            "WSGI_HANDLER calls {0}, which wants arguments that it cannot give: give them defaults,"
            " or write app = {0}(…) in the module and name app; if {0} is the application, drop"
            " the ()."
        ),
    ),
    (
        r"module '([\w.]+)' has no attribute '(\w+)'",
        "Module {0} has no {1}: mend the end of WSGI_HANDLER.",
    ),
    (
        r"'(\w+)' object is not callable",
        "What WSGI_HANDLER names is no application but of type {0}.",
    ),
    (
        r"in log\n[\s\S]{0,999}?(?:Permission|FileNotFound|IsADirectory|IO|OS)Error: .*'(.+)'",
        "WSGI_LOG names {0}, which cannot be written.",
    ),
    (r"\bre\.(?:error|PatternError): ", "WSGI_RESTART_FILE_REGEX is no regular expression."),
]


def causes(text: str, application: Application) -> list[str]:
    """What is likely behind an error text of a worker of ``application``; nothing where the text
    says it all itself.
    """
    text = text.partition("\n\nStdOut: ")[0]  # what the site has printed besides is none of it
    whole = len(text) <= 2 * LOOKED_AT
    text = text if whole else text[:LOOKED_AT] + text[-LOOKED_AT:]
    found = []
    for pattern, words in (
        *CAUSES,
        *(CAUSES_WHILE_LOADING if _is_of_the_worker(text, whole) else ()),
    ):
        match = re.search(pattern, text)
        if match:
            found.append(words.format(*match.groups()))
            break
    match = re.search(r"No module named '?(\w+)", text)
    return [missing] if match and (missing := _missing(application, match[1])) else found


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


def _missing(application: Application, module: str) -> str:
    """Why a module that the site has seen to is not found; "" for any other."""
    packages = paths.site_packages(str(application.path / "env"))
    if packages and any(
        os.path.exists(os.path.join(packages, module + end)) for end in ("", ".py")
    ):
        if "/python2." in packages:
            return (
                f"{module} is in env, but the worker does not see env: get_venv_handler() activates"
                " nothing on Python 2.7. Write ptvs_virtualenv_proxy.get_virtualenv_handler() in"
                " WSGI_HANDLER, and the path of env\\Scripts\\activate_this.py in"
                " WSGI_ALT_VIRTUALENV_ACTIVATE_THIS."
            )
        return (
            f"{module} is in env, but the worker does not see env: nothing activates it, or the"
            " path in WSGI_ALT_VIRTUALENV_ACTIVATE_THIS does not lead to it, or it is of another"
            " Python. Write ptvs_virtualenv_proxy.get_venv_handler() in WSGI_HANDLER, the"
            " application in WSGI_ALT_VIRTUALENV_HANDLER, and the path of env\\Scripts\\python.exe"
            " in WSGI_ALT_VIRTUALENV_ACTIVATE_THIS."
        )
    found = package_of(application.path, module)
    if found is None:
        return ""
    name, file = found.name, found.source.name
    install = "env/bin/pip install " + ("." if file == "pyproject.toml" else f"-r {file}")
    if packages is None:
        return f"{name} is in {file}, and there is no env: python -m venv env && {install}."
    return f"{name} is in {file} but not in env: {install}."


#: Why a genuine wfastcgi.py ends with exit code 0 and without a word (its own defects).
SILENT_DEATHS = (
    "wfastcgi.py ends without a word when start_response is never called and the body is empty,"
    " when the error text holds characters beyond Latin-1, when a file that it watches changes, and"
    " when PATH_INFO is missing."
)
