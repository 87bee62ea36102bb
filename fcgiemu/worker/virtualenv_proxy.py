"""Served as ``ptvs_virtualenv_proxy`` to sites without a copy of Microsoft's script: the same two
functions and settings.

Behind the genuine wfastcgi.py it is found by path, beside the resolver. Python 2.7 and 3.6 syntax.
"""

import os
import site
import sys

try:
    from _fcgiemu_worker.application import log
    from _fcgiemu_worker.resolver import resolve
except ImportError:
    from fcgiemu_resolver import resolve

    def log(text):
        """WSGI_LOG is wfastcgi.py's own."""


_ACTIVATE = os.environ.get("WSGI_ALT_VIRTUALENV_ACTIVATE_THIS")
if not _ACTIVATE:
    raise Exception("WSGI_ALT_VIRTUALENV_ACTIVATE_THIS is not set")


def _handler():
    name = os.environ.get("WSGI_ALT_VIRTUALENV_HANDLER")
    if not name:
        raise Exception("WSGI_ALT_VIRTUALENV_HANDLER env var must be set")
    log("Getting handler %s" % name)
    handler = resolve(name)
    log("Got handler: %r" % (handler,))
    return handler


def get_virtualenv_handler():
    """The application, after running the environment's activate_this.py."""
    log("Activating virtualenv with %s" % _ACTIVATE)
    with open(_ACTIVATE) as stream:
        code = compile(stream.read(), _ACTIVATE, "exec")
    exec(code, {"__file__": _ACTIVATE, "__name__": "__main__"})
    return _handler()


def get_venv_handler():
    """The application, with the packages of the environment whose interpreter the setting names."""
    log("Activating venv with executable at %s" % _ACTIVATE)
    sys.executable = _ACTIVATE
    before, sys.path = sys.path, []
    site.main()
    sys.path.insert(0, "")
    sys.path.extend(entry for entry in before if entry not in sys.path)
    return _handler()
