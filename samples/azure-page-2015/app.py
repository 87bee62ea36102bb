"""The smallest site: one WSGI callable, no packages."""

import sys


def wsgi_app(environ, start_response):
    body = "Hello from Python {}.{} behind IIS, at {}\n".format(
        sys.version_info[0], sys.version_info[1], environ["PATH_INFO"]
    )
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [body.encode("utf-8")]
