"""WSGI_HANDLER -> the application, by wfastcgi's rules. Python 2.7 and 3.6 syntax."""

import re
import traceback


def resolve(name):
    """The object that ``pkg.module.factory().app`` names: each part with ``()`` is called.

    Modules are tried from the longest dotted prefix; only an ImportError moves on to a shorter one.
    Raises Exception or ValueError with wfastcgi's words, and whatever the module or a factory
    raises.
    """
    if not name:
        raise Exception("WSGI_HANDLER env var must be set")
    module, tail, reason = str(name), [], ""  # Python 2.7 may have it as unicode
    while True:
        module, _, last = module.rpartition(".")
        called = last.endswith("()")
        tail.insert(0, (last[:-2] if called else last, called))
        if not module:
            break
        try:
            found = _walk(__import__(module, fromlist=[tail[0][0]]), tail)
        except ImportError:
            reason = ": " + traceback.format_exc()
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


def hidden_reason(error):
    """Why a handler ``could not be imported``, where a proxy script has dropped the reason; else
    "".

    Each dotted prefix is imported again; as soon as one can be, there is no hidden reason.
    """
    try:
        found = re.match(r'"(.+)" could not be imported$', str(error))
    except Exception:  # an error that cannot say what it is
        return ""
    module, reason = found.group(1) if found else "", ""
    while "." in module:
        module = module.rpartition(".")[0]
        try:
            __import__(module)
        except ImportError:
            reason = traceback.format_exc()
        except Exception:
            return ""
        else:
            return ""  # it is no import that has failed
    return reason
