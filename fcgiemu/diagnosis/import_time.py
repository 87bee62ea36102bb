"""A module that starts a server of its own while it is imported: the import would never end."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

from ..applications import Application
from ..catalogue import finding
from ..catalogue.findings import Finding
from ..files import read_bounded
from ..site import Site
from .handler_names import module_file

#: What starts a server, or waits for ever, where a module calls it while it is imported.
_SERVES = re.compile(
    r"(?:uvicorn|hypercorn|bottle|web|eel|waitress|wsgiref|ioloop|cherrypy)\.(?:run|run_app|serve|start)"
    r"|(?:.*\.)?(?:run_server|run_simple|run_app|quickstart|serve_forever|run_forever)"
    r"|serve|.*\bengine\.block|.*IOLoop\.(?:current|instance)\(\)\.start"
)
#: What makes an object whose run() serves.
_APPLICATIONS = frozenset(
    {"Flask", "Bottle", "Dash", "Quart", "Sanic", "SocketIO", "App", "Application"}
)
_FACTORIES = re.compile(r"(?:.*\.)?(?:create|make|get|default)_app|.*application")


def server_at_import(site: Site, application: Application) -> Finding | None:
    """What would never end when the handler's module is imported."""
    proxied = site.worker_setting("WSGI_ALT_VIRTUALENV_HANDLER", application)
    name = proxied or site.worker_setting("WSGI_HANDLER", application) or ""
    file = module_file(name, application.path)
    line = line_that_serves(file) if file is not None else None
    if file is None or line is None:
        return None
    relative = os.path.relpath(file, application.path)
    return finding("python-server-at-import", None, file=relative, line=line)


def line_that_serves(file: Path) -> int | None:
    """The line in which a module starts a server while it is imported; None where none does."""
    try:
        module = ast.parse(read_bounded(file))
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None
    made = {
        target.id: ast.unparse(node.value.func)
        for node in module.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in module.body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            owner, _, name = (called := ast.unparse(node.value.func)).rpartition(".")
            maker = made.get(owner, "")
            is_application = maker.rpartition(".")[2] in _APPLICATIONS or _FACTORIES.fullmatch(
                maker
            )
            if _SERVES.fullmatch(called) or name == "run" and is_application:
                return node.lineno
    return None
