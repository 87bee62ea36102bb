"""WSGI_HANDLER -> the application, by wfastcgi's rules. Python 2.7 and 3.6 syntax."""

import os
import re
import sys
import traceback

#: What stands before the failure that another one hides.
HIDDEN = "The real cause comes first; what it led to follows below."
#: Failures that ``resolve`` has passed over, as texts: one of them may be the real cause.
_passed = []


def resolve(name):
    """The object that ``pkg.module.factory().app`` names: each part with ``()`` is called.

    Modules are tried from the longest dotted prefix; only an ImportError moves on to a shorter one.
    Raises Exception or ValueError with wfastcgi's words, and whatever the module or a factory
    raises.
    """
    if not name:
        raise Exception("WSGI_HANDLER env var must be set")
    module, tail, reason = str(name), [], ""  # Python 2.7 may have it as unicode
    del _passed[:]
    while True:
        module, _, last = module.rpartition(".")
        called = last.endswith("()")
        tail.insert(0, (last[:-2] if called else last, called))
        if not module:
            break
        try:
            found = _walk(__import__(module, fromlist=[tail[0][0]]), tail)
        except ImportError as error:
            reason = ": " + traceback.format_exc()
            pass_over(error, module)
            continue
        if found is None:
            reason = ""
            break
        return found
    raise ValueError('"%s" could not be imported%s' % (name, reason))


def _walk(found, tail):
    for attribute, called in tail:
        found = getattr(found, attribute)
        if called:
            found = found()
    return found


def pass_over(error, module):
    """Remember an ImportError at ``module``, unless it only says that there is no such module."""
    if not _is_absence(error, module):
        _passed.append(traceback.format_exc())


def _is_absence(error, module):
    text = str(error)
    name = getattr(error, "name", None)
    if name is None:  # Python 2.7: only the last part is named
        found = re.match(r"No module named '?([\w.]+)", text)
        return found is not None and module.endswith(found.group(1)) and not _is_there(module)
    # of a module that is none: "No module named 'app.make'; 'app' is not a package"
    return text.startswith("No module named") and (module + ".").startswith(name + ".")


def _is_there(module):
    """Whether the file of a module exists (Python 2.7)."""
    path = os.path.join(*module.split("."))
    return any(
        os.path.exists(os.path.join(folder, path + end))
        for folder in sys.path
        for end in (".py", "/__init__.py")
    )


def hidden_reason(error):
    """The failure behind ``error``, as a text, where another one is the real cause; else "".

    It is what ``resolve`` has passed over. A proxy script drops that: there each dotted prefix of
    the handler is imported again, and Django, which refuses a second attempt ("populate() isn't
    reentrant"), is made to try once more. That may run what has run already; the process ends
    afterwards anyway.
    """
    try:
        text = str(error)
    except Exception:  # an error that cannot say what it is
        return ""
    found = re.match(r'"(.+)" could not be imported($|:)', text)
    if found and found.group(2):  # it says why
        return _passed[0] if _passed and _passed[0].strip() not in text else ""
    if _passed:
        return _passed[0]
    if "populate() isn't reentrant" in text:
        return _of_django(error)
    if found:
        return _of_import(found.group(1), error)
    if isinstance(error, AttributeError) and "has no attribute" in text:
        for key in ("WSGI_ALT_VIRTUALENV_HANDLER", "WSGI_HANDLER"):
            reason = _of_import(os.environ.get(key, ""), error)
            if reason:
                return reason
    return ""


def _of_import(handler, outer):
    """Why a module of a handler's name cannot be imported; "" as soon as one can be."""
    module, reason = handler, ""
    while "." in module:
        module = module.rpartition(".")[0]
        try:
            __import__(module)
        except ImportError as error:
            if not reason and not _is_absence(error, module):
                return _alone(error, outer)
            reason = reason or _alone(error, outer)
        except Exception as error:
            return _of_django(outer) if "populate() isn't reentrant" in str(error) else ""
        else:
            return ""  # it is not an import that has failed
    return reason


def _of_django(outer):
    """Why Django could not be set up the first time."""
    apps = sys.modules.get("django.apps")
    if apps is None:
        return ""
    registry = apps.apps
    try:
        registry.app_configs.clear()
        registry.loading = registry.apps_ready = registry.models_ready = registry.ready = False
        sys.modules["django"].setup()
    except Exception as error:
        return _alone(error, outer)
    return ""


def _alone(error, outer):
    """The traceback of a second attempt, without the failure that is being explained by it."""
    inner = error
    while getattr(inner, "__context__", None) is not None:
        if inner.__context__ is outer or "populate() isn't reentrant" in str(inner.__context__):
            inner.__context__ = None
            break
        inner = inner.__context__
    return traceback.format_exc()
