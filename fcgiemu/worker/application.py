"""One request of a worker: initialisation at the first, environ, the application, errors. Python
3.6 syntax.

Follows wfastcgi 3.0.0; deliberate differences are listed in docs/fastcgi.md.
"""

import datetime
import importlib.util
import io
import os
import re
import sys
import traceback

from . import environ as wsgi
from . import environments, paths, resolver, settings, standby

VERSION = "3.0.0"
_HERE = os.path.dirname(os.path.abspath(__file__))


class _Site:
    """What the process knows of its site after the first request."""

    options = {}
    pairs = ()
    handler = None
    environment = {}
    encoded = ()
    #: Encoded names of what the environment may say about SCRIPT_NAME.
    named = ()
    initialized = False
    console = None
    requests = 0
    busy = False
    #: The request that the server believes to be printing; 0 is none.
    announced = 0
    #: Whether the last output has not ended its line.
    amid_line = False
    #: Where the first request's output goes, where a stand-by has made that before the request.
    first = None
    #: Output that waits for the site to be loaded.
    held = ""
    #: What is called when the site has been loaded.
    loaded = ()


def configure(options, resumed=False):
    """Options of the server: ``map`` (Windows prefix, local path pairs), ``strict``, ``mark``,
    ``portal``.

    The last names app settings that come before web.config.
    """
    _Site.options = options
    _Site.pairs = tuple(tuple(pair) for pair in options.get("map", ()))
    _Site.console = sys.stderr
    if not resumed:
        log("wfastcgi.py %s started" % VERSION)
        log("Python version: %s" % sys.version)


def when_loaded(call):
    """Have ``call`` called when the site has been loaded."""
    _Site.loaded = _Site.loaded + (call,)


def load_ahead():
    """Load what the site will ask for, in the site's environment: the process stands by."""
    _Site.first = _capture()
    found = {}
    try:
        found = settings.read(os.getcwd(), _Site.pairs, _Site.options.get("portal", ()))
        _adapt_virtual_environment(found)
    except Exception:  # the first request says so
        standby.StandbyState.options.update(modules=[], late=[])
    try:
        standby.load_ahead(found)
    except ValueError:  # settings that no environment can hold
        standby.start_with(dict(standby.StandbyState.options, modules=[], late=[]))
    os.environ.pop("FCGIEMU_ENV", None)
    standby.tell_skipped("ready")


def log(text):
    """A line of WSGI_LOG, where that is set. Raises OSError where the file cannot be written."""
    name = os.environ.get("WSGI_LOG")
    if name:
        with open(name, "a+", encoding="utf-8") as stream:
            text = text.replace("\r\n", "\n")
            stream.write(
                "%s: %s" % (datetime.datetime.now(), text if text.endswith("\n") else text + "\n")
            )


def maybe_log(text):
    """As log, but a file that cannot be written does not matter."""
    try:
        log(text)
    except Exception:
        pass


def is_busy():
    """Whether a request is being answered."""
    return _Site.busy


def close():
    """The last lines of the log, at an end in good order and after a failed initialisation."""
    maybe_log("Running on_exit tasks")
    maybe_log("wfastcgi.py %s closed" % VERSION)


class Tee(io.StringIO):
    """Captured output, as wfastcgi keeps it, that is also shown on the console at once.

    A line with the request's number precedes its first output, so that the server can name the
    request: that of the moment, also where a site keeps the stream of its first one (``logging``
    set up at import). Else it is to a site what it is behind wfastcgi: an io.StringIO, by its name,
    its copies and its error texts.
    """

    _stream = None

    @classmethod
    def of(cls, stream):
        """A new one, for the output of a request."""
        made = cls()
        made._stream = stream
        return made

    def __repr__(self):
        return "<_io.StringIO object at %#x>" % id(self)

    def __reduce_ex__(self, protocol):
        return io.StringIO, (), (self.getvalue(), "\n", self.tell(), None)

    def __getattr__(self, name):
        error = AttributeError("'_io.StringIO' object has no attribute %r" % name)
        if hasattr(error, "name"):
            error.name, error.obj = name, self
        raise error

    def write(self, text):
        written = io.StringIO.write(self, text)
        if self._stream is None:  # made by a site
            return written
        try:
            _show(self._stream, text)
        except (OSError, ValueError):
            pass
        return written


def _show(stream, text):
    if standby.stands_by():  # it may all be said again
        _Site.held = _Site.held + text
        return
    announce(stream, _Site.requests if _Site.busy else 0)
    _Site.amid_line = not text.endswith("\n") if text else _Site.amid_line
    stream.write(text)
    stream.flush()


def announce(stream, number):
    """Tell the server whose output follows, where that is another request's."""
    if _Site.announced != number:
        _Site.announced = number
        before = "\n" if _Site.amid_line else ""
        _Site.amid_line = False
        stream.write("%s\x1e%s %d\n" % (before, _Site.options.get("mark", ""), number))
        stream.flush()


def _show_held():
    """What a stand-by has held back until its site had been loaded."""
    held, _Site.held = _Site.held, ""
    if held:
        try:
            _show(_Site.console, held)
        except (OSError, ValueError):
            pass


Tee.__name__ = Tee.__qualname__ = "StringIO"
Tee.__module__ = "_io"


class handle_response:
    """What an application says through start_response and its parts; headers go out with the first
    of them.

    Called as in wfastcgi, like the methods and arguments that a site calls: Python names them where
    a call is wrong.
    """

    def __init__(self, request):
        self._request = request
        self.headers = None
        self.sent = False

    def start(self, status, headers, exc_info=None):
        """``start_response``."""
        if exc_info:
            try:
                if self.sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self.headers:
            raise Exception("start_response has already been called")
        text = "Status: %s\r\n" % _text(status)
        if headers:
            for entry in headers:
                text += "%s: %s\r\n" % self._decode_header(*entry)
        self.headers = (text + "\r\n").encode("latin-1")
        return lambda content: self.write(content)

    @staticmethod
    def _decode_header(key, value):
        return _text(key), _text(value)

    def write(self, data):
        """Send a part of the body, the headers before it, at once."""
        self.put(data)
        self._request.flush()

    def put(self, data):
        """As write, but it may wait for what follows."""
        self.send_headers()
        if not isinstance(data, bytes):
            raise TypeError("content must be encoded before sending: %r" % data)
        self._request.write(data)

    def send_headers(self):
        if not self.sent:
            if not self.headers:
                raise Exception("start_response has not yet been called")
            self.sent = True
            self._request.write(self.headers)
            self.headers = None

    def fail(self, text):
        """End with an error: status 500 where nothing has been sent, and the text on STDERR."""
        if not self.sent:
            self.headers = b"Status: 500 Internal Server Error\r\n"
            self.send_headers()
        self._request.write_error(text.encode("latin-1", "backslashreplace"))
        maybe_log(text)


def _text(value):
    return value if isinstance(value, str) else value.decode("latin-1")


def _capture():
    """Output and errors of a request: new streams, which are everybody's from now on."""
    output = sys.stdout = sys.__stdout__ = Tee.of(_Site.console)
    errors = sys.stderr = sys.__stderr__ = Tee.of(_Site.console)
    return output, errors


def run(request):
    """Answer one request. Returns an exit code where the process must end with it, else None."""
    standby.adopt()
    _Site.requests += 1
    _Site.busy = True
    if _Site.announced:  # what comes past the streams belongs to this request as well
        announce(_Site.console, _Site.requests)
    output, errors = _Site.first or _capture()
    _Site.first = None
    response = handle_response(request)
    message = ""
    fatal = False
    try:
        environ = _environ(request, errors)
        if not _Site.initialized:
            log("wfastcgi.py %s initializing" % VERSION)
            fatal = True
            message = "Error occurred while reading WSGI handler"
            _initialize(environ)
            message = "Error occurred starting file watcher"
            _announce_restarts(_folder(environ))
            fatal = False
            message = ""
            if "log" in _Site.options:
                log(_Site.options["log"])
            log("wfastcgi.py %s initialized" % VERSION)
            _Site.initialized = True
            _show_held()
        _set_environment()
        _set_script_name(environ)
        _call(environ, response)
    except BaseException as error:
        if fatal:
            standby.failed()
        _show_held()
        printed = _printed(output, errors)
        response.fail(
            "%s:\n\n%s\n\nStdOut: %s\n\nStdErr: %s"
            % (message or "Error occurred", _explain(error), *printed)
        )
        if fatal:
            maybe_log("Unhandled exception in wfastcgi.py: " + traceback.format_exc())
            code = error.code if isinstance(error, SystemExit) else 0
            return code & 0xFF if isinstance(code, int) else 1 if code else 0
    finally:
        _Site.busy = False
    return None


def _initialize(environ):
    _Site.handler = load(_folder(environ))
    standby.loaded()
    standby.note_early()
    calls, _Site.loaded = _Site.loaded, ()
    for call in calls:
        call()


def _folder(environ):
    """APPL_PHYSICAL_PATH, whose bytes are those of a file name here."""
    path = environ.get("APPL_PHYSICAL_PATH")
    return _HERE if path is None else os.fsdecode(path.encode("latin-1"))


def _printed(*streams):
    """What the site has printed. Where it has closed a stream, the process ends without a word, as
    wfastcgi.py does.
    """
    try:
        return [stream.getvalue() for stream in streams]
    except ValueError:
        maybe_log("Unhandled exception in wfastcgi.py: " + traceback.format_exc())
        close()
        os._exit(0)


def _set_environment():
    """The settings are put into the environment before every request, where a request before has
    changed them.
    """
    current = _current()
    for key, value in _Site.encoded:
        if current.get(key) != value:
            os.environ.update(_Site.environment)
            return


def _current():
    """The environment, by encoded names: there an absent one costs no exception."""
    return getattr(os.environ, "_data", {})  # a site may have put another mapping there


def _set_script_name(environ):
    current = _current()
    named = not current or any(key in current for key in _Site.named)
    wsgi.script_name(environ, os.environ if named else {})


def _announce_restarts(folder):
    """The server watches the files; a pattern that cannot be used ends the process all the same."""
    pattern = _Site.environment.get("WSGI_RESTART_FILE_REGEX", r".*((\.py)|(\.config))$")
    if pattern:
        log("wfastcgi.py will restart when files in %s are changed: %s" % (folder, pattern))
        re.compile(pattern)


def _explain(error):
    """The traceback, with one frame of ours as wfastcgi has; before it the failure that it hides,
    where a site could not be loaded.
    """
    text = "".join(
        traceback.format_exception(
            type(error), error, error.__traceback__.tb_next or error.__traceback__
        )
    )
    hidden = "" if _Site.initialized else resolver.hidden_reason(error)
    return "%s\n\n%s\n\n%s" % (resolver.HIDDEN, hidden, text) if hidden else text


def _call(environ, response):
    result = _Site.handler(environ, response.start)
    # Parts that are all there already may leave together with the end of the response.
    send = response.put if isinstance(result, (list, tuple)) else response.write
    try:
        for part in result:
            if part:
                send(part)
    finally:
        if hasattr(result, "close"):
            result.close()
    response.send_headers()


def _environ(request, errors):
    environ = request.environ
    environ["wsgi.input"] = request.body
    environ["wsgi.errors"] = errors
    environ["wsgi.version"] = (1, 0)
    environ["wsgi.url_scheme"] = "https" if environ.get("HTTPS", "").lower() == "on" else "http"
    environ["wsgi.multiprocess"] = True
    environ["wsgi.multithread"] = False
    environ["wsgi.run_once"] = False
    wsgi.original_url(environ)
    return environ


def load(folder):
    """The handler of the site in ``folder``, in the environment that its settings describe.

    Anything raised here ends the process.
    """
    os.chdir(folder)
    for name in _THEIRS.intersection(entry.partition(".")[0] for entry in os.listdir(folder)):
        __import__(name)
    sys.path[0] = "."
    _Site.environment = settings.read(folder, _Site.pairs, _Site.options.get("portal", ()))
    _adapt_virtual_environment(_Site.environment)
    standby.check_settings(_Site.environment)
    os.environ.update(_Site.environment)
    sys.path.extend(settings.python_path(_Site.environment, _Site.pairs, os.environ))
    sys.meta_path.append(_ProxyFinder)
    environments.restore_venv_detection()
    _Site.encoded = [
        (os.environ.encodekey(key), os.environ.encodevalue(value))
        for key, value in _Site.environment.items()
    ]
    _Site.named = [os.environ.encodekey(key) for key in wsgi.ABOUT_SCRIPT_NAME]
    _show_modules_of(folder)
    return resolver.resolve(os.environ.get("WSGI_HANDLER"))


#: Modules of the standard library that wfastcgi.py has loaded and this worker has not: a site
#: cannot bring its own.
_THEIRS = frozenset(("__future__", "ctypes"))
#: Modules of the standard library that this worker has loaded and wfastcgi.py has not.
_OURS = frozenset(
    "array bisect bz2 errno fcntl fnmatch grp hashlib lzma math pwd random resource selectors"
    " shutil socket tempfile zlib".split()
)


def _show_modules_of(folder):
    """Let the site's own modules be found that are called as one that only this worker has
    loaded.
    """
    ours = _OURS.difference(getattr(sys.modules["__main__"], "BEFORE", ()))
    for entry in os.listdir(folder):
        name = entry[:-3] if entry.endswith(".py") else entry
        if name in ours and name in sys.modules:
            standby.start_anew_with_modules("the site has a module %s of its own" % name)
            for loaded in [key for key in sys.modules if key == name or key.startswith(name + ".")]:
                del sys.modules[loaded]


class _ProxyFinder:
    """Our equivalent of ptvs_virtualenv_proxy, for sites that have no copy of the script."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "ptvs_virtualenv_proxy" or path is not None:
            return None
        return importlib.util.spec_from_file_location(
            name, os.path.join(_HERE, "virtualenv_proxy.py")
        )


def _adapt_virtual_environment(environment):
    """WSGI_ALT_VIRTUALENV_ACTIVATE_THIS where the script it names does not exist here: ours stands
    in for it.

    ``python -m venv`` makes no activate_this.py, and a site may not have an environment at all.
    """
    key = "WSGI_ALT_VIRTUALENV_ACTIVATE_THIS"
    value = environment.get(key, os.environ.get(key, ""))
    if (
        not value.lower().endswith("activate_this.py")
        or os.path.exists(value)
        or _Site.options.get("strict")
    ):
        return
    local = os.path.dirname(os.path.dirname(value)) if not paths.is_windows(value) else ""
    os.environ["FCGIEMU_ENV"] = local if os.path.isdir(local) else ""
    environment[key] = os.path.join(_HERE, "activate_this.py")
