"""Our worker and Microsoft's wfastcgi.py, asked the same: same environ, status, headers, body and
error text.

Deliberate differences are the table DIFFERENCES; docs/fastcgi.md says the same to users.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from fcgiemu.programs.installed_pythons import installed
from fcgiemu.worker import resolver

from ..sites import PROCESSOR, python_handler, web_config, write
from .server import Answer, LiveServer

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("wfastcgi") is None,
    reason="wfastcgi is not installed: pip install -e .[wfastcgi]",
)

#: Interpreters to compare on; those that are not installed are skipped.
VERSIONS = [(3, 8), (3, 11), (3, 12), (3, 13), (3, 14)]

APP = r"""
import sys

def dump(environ, start_response):
    body = environ["wsgi.input"].read()
    lines = []
    for name in sorted(environ):
        value = environ[name]
        if name in ("wsgi.input", "wsgi.errors"):
            value = sorted(set(dir(value)) & {"read", "readline", "readlines", "write", "writelines", "flush", "seek"})
        lines.append("%s = %s %r" % (name, type(environ[name]).__name__ if not name.startswith("wsgi.e") else "", value))
    lines.append("body %d %r" % (len(body), body[:50]))
    lines.append("path %r argv %r" % (sys.path[0], [part.replace("\\", "/").rpartition("/")[2] for part in sys.argv]))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["\n".join(lines).encode("utf-8", "backslashreplace")]

def no_reason(environ, start_response):
    start_response("404", [("X-One", "1"), ("X-One", "2")])
    return [b"four"]

def parts(environ, start_response):
    write = start_response("201 Made", [("Content-Type", "text/plain; charset=latin-1")])
    write(b"first ")
    yield b""
    yield b"second "
    yield b"third"

def generator(environ, start_response):
    start_response("200 OK", [("X-Kind", "generator")])
    yield b"a" * 70000
    yield b"b"

def empty(environ, start_response):
    start_response("204 No Content", [])
    return []

def raises(environ, start_response):
    print("said before")
    sys.stderr.write("complained\n")
    raise ValueError("on purpose")

def late(environ, start_response):
    start_response("200 OK", [])
    yield b"begun"
    raise KeyError("late")

def exits(environ, start_response):
    sys.exit(3)

def text(environ, start_response):
    start_response("200 OK", [])
    return ["text"]

def never(environ, start_response):
    return [b"no start"]

def twice(environ, start_response):
    start_response("200 OK", [("X-A", "1")])
    start_response("200 OK", [("X-A", "2")])
    return [b"twice"]

def replaced(environ, start_response):
    start_response("200 OK", [("X-A", "1")])
    try:
        raise ValueError("x")
    except ValueError:
        start_response("500 Sorry", [("X-A", "2")], sys.exc_info())
    return [b"sorry"]

def none(environ, start_response):
    start_response("200 OK", [])
    return None

def bad_header(environ, start_response):
    start_response("200 OK", [("X-A", 1)])
    return [b"x"]

def prints(environ, start_response):
    print("nobody sees this")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"printed"]

class Closes(object):
    closed = []
    def __iter__(self):
        return iter([b"closed before: %d" % len(self.closed)])
    def close(self):
        self.closed.append(1)

def closes(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Closes()

def wide_header(environ, start_response):
    start_response("200 OK", [("X-A", "1", "2")])
    return []

def narrow_header(environ, start_response):
    start_response("200 OK", "text")
    return []

def keyword(environ, start_response):
    start_response("200 OK", [])(content=b"by keyword")
    return []

def arity(environ, start_response):
    start_response("200 OK")

def tuple_part(environ, start_response):
    start_response("200 OK", [])
    return [(1, 2)]

class Mute(Exception):
    def __str__(self):
        raise ValueError("no words")

def mute(environ, start_response):
    raise Mute()

def lengthy(environ, start_response):
    print("said before")
    raise ValueError("x" * 200000)

def seen(environ, start_response):
    import builtins
    import ctypes
    start_response("200 OK", [])
    try:
        read = repr(sys.stdin.read())
    except ValueError as error:
        read = str(error)
    return [repr((type(environ["wsgi.errors"]).__name__, read, builtins.__import__.__module__, PATCHED.__name__,
                  sys.modules["selectors"].SITE, hasattr(ctypes, "SITE"))).encode()]

import builtins
import selectors
genuine_import = builtins.__import__
def PATCHED(*args, **kwargs):
    return genuine_import(*args, **kwargs)
builtins.__import__ = PATCHED

def settings(environ, start_response):
    import os
    start_response("200 OK", [])
    names = ("MY_SETTING", "WITH_BLANKS", "EMPTY", "Mixed_Case", "LAST", "IN_LOCATION", "PYTHONPATH")
    found = [(name, os.environ.get(name)) for name in names]
    os.environ["MY_SETTING"] = "changed by the application"
    return [repr(found + [os.getcwd() == os.path.realpath(environ["APPL_PHYSICAL_PATH"].rstrip("/")),
                          [part for part in sys.path if "extra" in part or "other" in part], __name__]).encode()]

def copies(environ, start_response):
    import copy, io, pickle
    copied = copy.deepcopy({key: value for key, value in environ.items() if key != "wsgi.input"})
    sys.stdout.write("printed")
    start_response("200 OK", [])
    return [repr((copied["wsgi.errors"], pickle.loads(pickle.dumps(sys.stdout)).getvalue(), isinstance(sys.stdout, io.StringIO),
                  type(sys.stdout)("abc").read(), type(sys.stdout).__name__, type(sys.stdout).__module__)).encode()]

def reconfigures(environ, start_response):
    sys.stdout.reconfigure(encoding="utf-8")

def threads(environ, start_response):
    import threading
    def fails():
        raise ValueError("in a thread")
    thread = threading.Thread(target=fails)
    thread.start()
    thread.join()
    raise KeyError(thread.name)

def no_temporary(environ, start_response):
    import tempfile
    tempfile.tempdir = "nowhere"
    start_response("200 OK", [])
    return [b"%d" % len(environ["wsgi.input"].read())]

def with_temporary(environ, start_response):
    import tempfile
    tempfile.tempdir = None
    start_response("200 OK", [])
    return []

def application(environ, start_response):
    name = environ["PATH_INFO"].strip("/").partition("/")[0]
    return globals().get(name, dump)(environ, start_response)

def factory():
    return application

class Holder(object):
    app = staticmethod(application)
    def make(self):
        return application
holder = Holder()
def makes_nothing():
    print("asked for an application")
not_callable = 3
nothing = None
def needs(argument):
    return application
"""
SETTINGS = {
    "MY_SETTING": "value",
    "WITH_BLANKS": "  two words ",
    "EMPTY": "",
    "Mixed_Case": "1",
    " LAST ": "stripped",
    "PYTHONPATH": "extra;;%MY_SETTING%other;%NO_SUCH_NAME%",
}

#: Method, target, headers, body.
REQUESTS: list[tuple[str, str, dict[str, str], bytes | None]] = [
    ("GET", "/", {}, None),
    ("GET", "/a/b?x=1&y=%20", {}, None),
    ("GET", "/a%20b/%C3%A9", {}, None),
    ("GET", "/a//b", {}, None),
    ("GET", "/x?", {}, None),
    ("GET", "/x?a?b", {}, None),
    ("HEAD", "/dump", {}, None),
    ("POST", "/dump", {"Content-Type": "text/plain"}, b"hello"),
    ("POST", "/dump", {"Content-Type": "application/octet-stream"}, bytes(range(256)) * 300),
    ("POST", "/dump", {}, b""),
    ("PUT", "/dump", {"X-Custom-Header": "caf\xe9", "x-lower": "1", "Cookie": "a=1; b=2"}, b"put"),
    ("DELETE", "/dump", {}, None),
    ("PATCH", "/dump", {}, b"{}"),
    ("GET", "/dump", {"X-Original-URL": "/chosen%20by/the?client=1"}, None),
    ("GET", "/dump", {"Proxy": "http://evil"}, None),
    ("GET", "/dump", {"Accept": "a", "User-Agent": "test/1.0"}, None),
    *[
        ("GET", f"/{name}", {}, None)
        for name in (
            "no_reason",
            "parts",
            "generator",
            "empty",
            "raises",
            "late",
            "exits",
            "text",
            "never",
            "twice",
            "replaced",
            "none",
            "bad_header",
            "prints",
            "closes",
            "closes",
            "settings",
            "settings",
            "wide_header",
            "narrow_header",
            "keyword",
            "arity",
            "tuple_part",
            "mute",
            "lengthy",
            "seen",
            "copies",
            "reconfigures",
            "threads",
            "no_temporary",
        )
    ],
    ("POST", "/no_temporary", {}, b"x" * ((1 << 20) + 1)),
    ("GET", "/with_temporary", {}, None),
    ("HEAD", "/parts", {}, None),
    ("GET", "/rewritten/x?q=1", {}, None),
    ("GET", "/rewritten/%7Etilde", {}, None),
]
#: Handlers that are resolved, or fail to be, in the same words.
HANDLERS = [
    "app.application",
    "app.factory()",
    "app.holder.app",
    "app.holder.make()",
    "package.inner.application",
    "app.missing",
    "missing.application",
    "broken.application",
    "raises.application",
    "leaves.application",
    "syntax.application",
    "app.nothing",
    "app.not_callable",
    "app",
    "",
    "app.needs()",
    "app.makes_nothing()",
    "app.holder.make()()",
    "app.py",
    "application",
]
#: WSGI_HANDLER, and settings beside it.
SITES: list[tuple[str, dict[str, str]]] = [
    *((handler, {}) for handler in HANDLERS),
    ("app.application", {" ": "x"}),
    ("app.application", {"": "x"}),
    ("app.application", {"a=b": "x"}),
    ("app.application", {"WSGI_LOG": "nofolder/w.log", "WSGI_RESTART_FILE_REGEX": ""}),
]
MODULES = {
    "app.py": APP,
    "selectors.py": "SITE = 'the site has one of its own'\n",
    "ctypes.py": "SITE = 'as wfastcgi has loaded it already'\n",
    "package/__init__.py": "",
    "package/inner.py": "from app import application\n",
    "broken.py": "import does_not_exist_anywhere\n",
    "raises.py": "raise RuntimeError('at import')\n",
    "leaves.py": "import sys\nsys.exit(0)\n",
    "syntax.py": "def (:\n",
    "extra/": "",
}
RULE = (
    '<rewrite><rules><rule name="r"><match url="^rewritten/(.*)" /><action type="Rewrite" url="dump/{R:1}" /></rule></rules>'
    "</rewrite>"
)

#: What differs on purpose -> how an answer is made comparable.
DIFFERENCES: list[tuple[str, Callable[[str], str]]] = [
    (
        "a body is a BytesIO, or a temporary file where it is very large",
        lambda text: re.sub(r"(wsgi\.input = )\w+", r"\1*", text),
    ),
    (
        "wfastcgi has a raw copy of the body as wsgi.data",
        lambda text: re.sub(r"wsgi\.data = .*\n", "", text),
    ),
    (
        "a failure that is hidden is shown before wfastcgi's own text, by both workers",
        lambda text: re.sub(
            re.escape(resolver.HIDDEN) + r"\n\n(.|\n)*?\n\n\n(?=Traceback )", "", text
        ),
    ),
    ("tracebacks name the worker's own files and lines", lambda text: _without_own_frames(text)),
    ("a process number", lambda text: re.sub(r"0x[0-9a-f]+", "0x*", text)),
]


def _without_own_frames(text: str) -> str:
    """A traceback without the frames of the worker itself, and without 3.11's markers below
    lines.
    """
    own = r'  File "[^"]*(?:wfastcgi\.py|/fcgiemu/worker/\w+\.py|importlib/__init__\.py|<frozen [\w.]+>)", line \d+, in .*\n(?:    .*\n)*'
    text = re.sub(own, "", text)
    text = re.sub(r'  File "<frozen [^"]*>", line \d+, in .*\n(?:    .*\n)*', "", text)
    return re.sub(r"^ +[~^]+\n", "", text, flags=re.MULTILINE)


def comparable(answer: Answer, server: LiveServer) -> tuple[int, str, dict[str, str], str]:
    headers = {
        name: value
        for name, value in answer.headers.items()
        if name not in ("date", "content-length")
    }
    text = re.sub(r"REMOTE_PORT = .*", "REMOTE_PORT", answer.body.decode("utf-8", "replace"))
    text = text.replace(str(server.port), "PORT").replace(str(server.folder.parent), "FOLDER")
    for _, change in DIFFERENCES:
        text = change(text)
    return answer.status, answer.reason, headers, text


@pytest.fixture(
    scope="module", params=VERSIONS, ids=[f"{major}.{minor}" for major, minor in VERSIONS]
)
def python(request: pytest.FixtureRequest) -> str:
    found = installed(request.param)
    if found is None:
        pytest.skip(f"Python {request.param[0]}.{request.param[1]} is not installed here")
    return found


def make_site(
    folder: Path, python: str, handler: str = "app.application", more: Mapping[str, str] = {}
) -> Path:
    config = web_config(
        python_handler().replace(PROCESSOR, f"{python}|wfastcgi.py") + RULE,
        {"WSGI_HANDLER": handler, **SETTINGS, **more},
    )
    located = '<location path="elsewhere"><appSettings><add key="IN_LOCATION" value="seen" /></appSettings></location></configuration>'
    return write(folder, {**MODULES, "web.config": config.replace("</configuration>", located)})


@pytest.fixture(scope="module")
def servers(
    python: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[LiveServer, LiveServer]]:
    folder = tmp_path_factory.mktemp("both")
    with (
        LiveServer(make_site(folder / "ours" / "site", python), ["--workers", "1"]) as ours,
        LiveServer(
            make_site(folder / "genuine" / "site", python),
            ["--workers", "1", "--worker", "wfastcgi"],
        ) as genuine,
    ):
        yield ours, genuine


@pytest.mark.parametrize(
    ("method", "target", "headers", "body"),
    REQUESTS,
    ids=[f"{number}-{row[0]}-{row[1]}" for number, row in enumerate(REQUESTS)],
)
def test_the_same_answer(
    servers: tuple[LiveServer, LiveServer],
    method: str,
    target: str,
    headers: dict[str, str],
    body: bytes | None,
) -> None:
    ours, genuine = (
        comparable(server.request(method, target, body, headers), server) for server in servers
    )
    assert ours == genuine


def many_applications(folder: Path, python: str) -> list[str]:
    """One site with an application for each of SITES; the options that serve it."""
    applications = []
    for number, (handler, more) in enumerate(SITES):
        make_site(folder / f"h{number}", python, handler, more)
        applications.append(
            f'<application path="/h{number}"><virtualDirectory path="/" physicalPath="h{number}" /></application>'
        )
    write(
        folder,
        {
            "root/": "",
            "host.config": '<configuration><system.applicationHost><sites><site name="s"><application path="/"><virtualDirectory path="/" '
            f'physicalPath="root" /></application>{"".join(applications)}</site></sites></system.applicationHost></configuration>',
        },
    )
    return ["--host-config", str(folder / "host.config"), "--no-reload", "--workers", "1"]


def test_handlers_are_resolved_or_fail_in_the_same_words(
    python: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("handlers")
    answers: dict[str, list[object]] = {}
    for kind in ("fcgiemu", "wfastcgi"):
        options = many_applications(folder / kind, python)
        with LiveServer(folder / kind / "root", [*options, "--worker", kind]) as server:
            answers[kind] = [
                comparable(server.get(f"/h{number}/parts"), server)
                for number in range(len(SITES))
                for _ in range(2)
            ]
    asked = [(*site, time) for site in SITES for time in ("first", "second")]
    for site, ours, genuine in zip(asked, *answers.values(), strict=True):
        assert ours == genuine, site
