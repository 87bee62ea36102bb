"""The smallest site: one WSGI callable, no packages."""

import sys


def app(environ, start_response):
    version = ".".join(map(str, sys.version_info[:2]))
    body = f"Hello from Python {version} behind IIS, at {environ['PATH_INFO']}\n"
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [body.encode()]
