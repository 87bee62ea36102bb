"""WSGI_HANDLER -> the application, by wfastcgi's rules. Python 2.7 and 3.6 syntax."""

import contextlib
import traceback

try:
    import builtins
except ImportError:  # Python 2.7, behind the genuine file
    import __builtin__ as builtins


def resolve(name):
    """The object that ``pkg.module.factory().app`` names: each part with ``()`` is called.

    Modules are tried from the longest dotted prefix; only an ImportError moves on to a shorter one.
    Raises Exception or ValueError with wfastcgi's words, and whatever the module or a factory raises.
    """
    if not name:
        raise Exception("WSGI_HANDLER env var must be set")
    module, tail, reason = name, [], ""
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


#: Modules that ``site`` tries to import and does without.
_OPTIONAL = ("sitecustomize", "usercustomize")


class ImportWitness:
    """Sees the ImportErrors that leave an import statement, so that one a proxy script swallows can be shown."""

    def __init__(self):
        self.last = None
        self._depth = 0

    @contextlib.contextmanager
    def watching(self):
        """Watch while the handler is resolved."""
        genuine = builtins.__import__

        def watched(*args, **kwargs):
            self._depth += 1
            try:
                return genuine(*args, **kwargs)
            except ImportError as error:
                if self._depth == 1 and getattr(error, "name", None) not in _OPTIONAL:
                    self.last = "".join(traceback.format_exception(type(error), error, error.__traceback__))
                raise
            finally:
                self._depth -= 1

        builtins.__import__ = watched
        try:
            yield
        finally:
            builtins.__import__ = genuine
