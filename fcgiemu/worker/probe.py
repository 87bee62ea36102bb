"""``python probe.py``: load a site's handler as the worker would, and say as JSON what it is.
Python 3.6 syntax.
"""

import inspect
import io
import json
import os
import sys
import traceback

from . import application, resolver


def _takes_two(handler):
    """Whether the handler can be called with environ and start_response; None where that cannot be
    told.
    """
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind({}, None)
    except TypeError:
        return False
    return True


def _bare(handler):
    """Whether the handler can be called with nothing, as a factory is."""
    try:
        inspect.signature(handler).bind()
    except (TypeError, ValueError):
        return False
    return True


def _is_asgi(handler):
    """Whether the handler wants scope, receive and send, as ASGI applications do."""
    try:
        names = list(inspect.signature(handler).parameters)
    except (TypeError, ValueError):
        return False
    call = handler if inspect.isfunction(handler) else type(handler).__call__
    return names[:3] == ["scope", "receive", "send"] or inspect.iscoroutinefunction(call)


def probe():
    """Print one JSON object: ``error`` and ``hidden`` (texts), or what the handler is; ``path`` is
    sys.path.
    """
    application.configure(json.loads(os.environ.pop("FCGIEMU_WORKER", "{}")))
    real, sys.stdout = sys.stdout, io.StringIO()
    found = {"version": list(sys.version_info[:3])}
    try:
        handler = application.load(os.environ.pop("FCGIEMU_PROBE"))
        found.update(
            kind=type(handler).__name__,
            callable=callable(handler),
            takes_two=_takes_two(handler),
            factory=callable(handler) and _bare(handler),
            asgi=callable(handler) and _is_asgi(handler),
        )
    except BaseException as error:
        found["error"] = "".join(traceback.format_exception_only(type(error), error)).strip()
        found["traceback"] = traceback.format_exc()
        found["hidden"] = resolver.hidden_reason(error)
    found["path"] = sys.path
    found["prefix"] = sys.prefix
    real.write("\n\x1e" + json.dumps(found) + "\n")
    real.flush()
    os._exit(0)
