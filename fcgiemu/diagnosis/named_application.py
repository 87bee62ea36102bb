"""The application that a server is told to run, ``module:name`` behind httpPlatform or a dotted
name for wfastcgi: whether the site has it, and whether the two speak the same interface.

WSGI servers call an application with environ and start_response, ASGI servers await it; each fails
with the other's at the first request.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ..catalogue import finding
from ..catalogue.findings import Finding, Span
from ..files import text_if_readable
from .handler_names import application_in, near_name

#: Servers that are told an application -> the interface that they speak.
_SERVERS = {
    "uvicorn": "ASGI",
    "hypercorn": "ASGI",
    "daphne": "ASGI",
    "waitress": "WSGI",
    "waitress-serve": "WSGI",
}
#: What makes an application -> its interface; Dash's own object is none, its ``server`` is one.
_MAKERS = (
    (
        r"(?:\w+\.)*(?:FastAPI|Starlette|Quart|Sanic|Litestar|ProtocolTypeRouter|get_asgi_application)",
        "ASGI",
    ),
    (r"(?:\w+\.)*(?:Flask|Bottle|get_wsgi_application)|bottle\.default_app", "WSGI"),
    (r"(?:\w+\.)*Dash", "Dash"),
)


def interface(file: Path, name: str) -> str:
    """The interface of what a module calls ``name``: "WSGI", "ASGI", "Dash"; "" if unknown."""
    text = text_if_readable(file)
    made = re.findall(rf"^{re.escape(name)}\s*(?::[^=\n]+)?=\s*([\w.]+)\(", text, re.MULTILINE)
    kinds = [kind for pattern, kind in _MAKERS if made and re.fullmatch(pattern, made[-1])]
    wrapped = re.search(
        rf"^{re.escape(name)}\s*=\s*\w*(?:WsgiToAsgi|WSGIMiddleware|ASGIMiddleware)\(", text, re.M
    )
    return kinds[0] if kinds and wrapped is None else ""


def behind_platform(folder: Path, arguments: str, span: Span | None) -> Iterator[Finding]:
    """What is wrong with the application that the arguments of <httpPlatform> name."""
    words = [word.strip("\"'") for word in arguments.split()]
    places = [place for place, word in enumerate(words) if _server(word)]
    options = ("--app-dir", "--factory", "--chdir", "--interface")
    if not places or any(word.startswith(options) for word in words):
        return
    server = _server(words[places[0]])
    named = next(
        (
            word
            for word in words[places[0] + 1 :]
            if re.fullmatch(r"(?:[A-Za-z_][\w./\\-]*):[A-Za-z_][\w.]*", word)
        ),
        "",
    )
    if named:
        yield from _named(folder, server, named, span)


def _server(word: str) -> str:
    name = re.split(r"[\\/]", word)[-1].lower().removesuffix(".exe")
    return name if name in _SERVERS else ""


def _named(folder: Path, server: str, named: str, span: Span | None) -> Iterator[Finding]:
    module, _, name = named.partition(":")
    if re.search(r"\.py$|[\\/]", module):
        meant = re.sub(r"[\\/]+", ".", module.removesuffix(".py")).strip(".")
        yield finding("platform-application/file", span, named=named, meant=f"{meant}:{name}")
        return
    place = folder.joinpath(*module.split("."))
    file = next(
        (one for one in (place.with_suffix(".py"), place / "__init__.py") if os.path.isfile(one)),
        None,
    )
    if file is None and module.partition(".")[0] == "django":
        return  # waitress-serve --call django.core.wsgi:get_wsgi_application
    if file is None:
        if any(folder.glob("*.py")) and not os.path.exists(folder / module.partition(".")[0]):
            near = _near_module(folder, name)
            yield finding(
                f"platform-application{'/near' if near else ''}",
                span,
                named=named,
                module=module,
                near=near,
            )
        return
    if (near := near_name(file, name)) and not _defines(file, name):
        yield finding(
            "platform-application/name", span, named=named, name=name, meant=f"{module}:{near}"
        )
        return
    kind = interface(file, name)
    if kind and kind != _SERVERS[server]:
        yield finding(
            f"platform-interface/{kind.lower()}",
            span,
            severity="warning" if kind == "Dash" else "",
            named=named,
            server=server,
            name=name,
            meant=f"{module}:server",
        )


def _defines(file: Path, name: str) -> bool:
    text = text_if_readable(file)
    return re.search(rf"\b{re.escape(name.partition('.')[0])}\b|import \*", text) is not None


def _near_module(folder: Path, name: str) -> str:
    """The module of a folder that has an application of this name, or of another where none has
    it; "" where not just one has.
    """
    found = [
        file
        for file in sorted(folder.glob("*.py"))
        if re.search(rf"^{re.escape(name)}\s*(?::[^=\n]+)?=", text_if_readable(file), re.M)
    ]
    found = found or [file for file in sorted(folder.glob("*.py")) if application_in(file, "")]
    return f"{found[0].stem}:{application_in(found[0])}" if len(found) == 1 else ""


def behind_wfastcgi(file: Path, named: str, span: Span) -> Iterator[Finding]:
    """An application of WSGI_HANDLER, in ``file``, that wfastcgi cannot call."""
    name = named.rpartition(".")[2]
    kind = interface(file, name)
    if kind == "ASGI":
        yield finding("settings-interface/asgi", span, named=named, name=name)
    elif kind == "Dash":
        text = text_if_readable(file)
        has_server = re.search(r"^server\s*=", text, re.MULTILINE)
        meant = f"{named.rpartition('.')[0]}.server" if has_server else f"{named}.server"
        yield finding("settings-interface/dash", span, severity="warning", named=named, meant=meant)
