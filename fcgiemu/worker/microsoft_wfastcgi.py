"""``python microsoft_wfastcgi.py /path/to/wfastcgi.py``: Microsoft's own file, unmodified, where
there is no Windows.

With FCGIEMU_PROBE (a folder) in the environment, the handler is only loaded by the file's own
function, and described.

Descriptor 0 is the connection. What stands in for Windows: the six functions of kernel32 that the
file asks for, ``Web.config`` by that name whatever the file's case, the site's folder by its name
here, and the Windows paths in its settings. What is added: where a site cannot be loaded, the
failure that another one hides. Changes of files come as lines through a pipe of the server. Python
2.7 and 3.6 syntax.
"""

import ctypes
import json
import os
import posixpath
import runpy
import signal
import struct
import sys
import threading
import traceback
import types
from os import read  # by themselves: a site may patch the modules (gevent)
from select import select
from xml.dom import minidom

#: What the process was started with, to start it again.
_COMMAND, _ENVIRONMENT = [sys.executable] + sys.argv, dict(os.environ)
_HERE = os.path.dirname(os.path.abspath(__file__))
if __name__ == "__main__":
    sys.path[0] = _HERE
    import environments
    import paths
    import resolver

_OVERFLOW = 1022  # ERROR_NOTIFY_ENUM_DIR
_FAILED = 6  # ERROR_INVALID_HANDLE
_LAST_WRITE = 3  # FILE_ACTION_MODIFIED


class Function(object):
    """Takes the place of a ctypes function: its types may be set, and mean nothing."""

    argtypes = None
    restype = None

    def __init__(self, call):
        self._call = call

    def __call__(self, *args):
        return self._call(*args)


class Kernel32(object):
    """The functions that wfastcgi.py takes from kernel32."""

    def __init__(self, changes, terminated):
        self._changes = changes
        self._error = 0
        self.CreateFileW = Function(self._watch)
        self.CloseHandle = Function(lambda handle: 1)
        self.GetLastError = Function(lambda: self._error)
        self.ExitProcess = Function(os._exit)
        self.WaitForSingleObject = Function(lambda handle, timeout: terminated.wait() and 0)
        self.ReadDirectoryChangesW = Function(self._read_changes)

    def _watch(self, *args):
        """A handle sees what changes from now on: what the pipe holds already is old."""
        if self._changes is not None:
            while select([self._changes], [], [], 0)[0] and self._changes.readline():
                pass
        return 1

    def _read_changes(self, handle, buffer, size, subtree, kind, returned, overlapped, routine):
        """Wait for a change and write it as a FILE_NOTIFY_INFORMATION; its caller counts two bytes
        a character.
        """
        line = self._changes.readline() if self._changes is not None else ""
        if not line:
            self._error = _FAILED
            return 0
        name = line.rstrip("\n")
        wide = 4 if ctypes.sizeof(ctypes.c_wchar) == 4 else 2
        data = name.encode("utf-32-le" if wide == 4 else "utf-16-le")
        record = struct.pack("<III", 0, _LAST_WRITE, len(data) // wide * 2) + data
        if len(record) + wide > size:
            self._error = _OVERFLOW
            return 0
        ctypes.memmove(ctypes.addressof(buffer), record, len(record))
        return 1


class Changes(object):
    """The server's pipe, read a byte at a time so that ``select`` sees what has not been read."""

    def __init__(self, descriptor):
        self._descriptor = descriptor

    def fileno(self):
        return self._descriptor

    def readline(self):
        """The next changed file; "" when the server has gone."""
        line = b""
        while not line.endswith(b"\n"):
            data = read(self._descriptor, 1)
            if not data:
                return ""
            line += data
        return line.decode("utf-8")


def _local_name(path):
    """APPL_PHYSICAL_PATH as wfastcgi.py has decoded it (Latin-1) -> the name of the folder here."""
    if not isinstance(path, str) or sys.version_info[0] < 3 or os.access(path, os.F_OK):
        return path
    try:
        return os.fsdecode(path.encode("latin-1"))
    except UnicodeEncodeError:
        return path


def _accept_any_folder():
    """Until wfastcgi.py has gone to the site's folder: that folder by its name here."""
    chdir = os.chdir

    def to_site(path):
        os.chdir = chdir
        chdir(_local_name(path))

    os.chdir = to_site


def _explain_failures(file):
    """Until a handler has been loaded, the failure that wfastcgi.py hides behind another one stands
    before it in its error text. Other code that formats a traceback gets Python's own text.
    """
    format_exc, format_exception = traceback.format_exc, traceback.format_exception

    def is_for_worker():
        return sys._getframe(2).f_code.co_filename == file

    def format_passed_over(*args, **more):
        text = format_exc(*args, **more)
        frame = sys._getframe(1)
        if is_for_worker() and frame.f_code.co_name == "get_wsgi_handler":
            tried = frame.f_locals["module_name"]
            name = frame.f_locals["callable_name"]
            called = "()" if frame.f_locals["should_call"] else ""
            resolver.pass_over(
                sys.exc_info()[1], "%s.%s%s" % (tried, name, called) if tried else name
            )
        return text

    def format_with_reason(*args, **more):
        lines = format_exception(*args, **more)
        frame = sys._getframe(1)
        if is_for_worker() and getattr(frame.f_locals.get("self"), "fatal_errors", False):
            hidden = resolver.hidden_reason(args[1])
            if hidden:
                lines.insert(0, "%s\n\n%s\n\n" % (resolver.HIDDEN, hidden))
        return lines

    traceback.format_exc, traceback.format_exception = format_passed_over, format_with_reason


class _WinDll(object):
    def __init__(self, kernel32):
        self.kernel32 = kernel32


def _changes():
    descriptor = os.environ.pop("FCGIEMU_CHANGES", None)
    if descriptor is None:
        return None
    return Changes(int(descriptor))


def _adapted(key, value, pairs):
    """A setting with its Windows paths mapped; ours stands in for an activate_this.py that does not
    exist.
    """
    value = paths.map_setting(key, value, pairs)
    if (
        key.strip() == "WSGI_ALT_VIRTUALENV_ACTIVATE_THIS"
        and pairs
        and value.lower().endswith("activate_this.py")
    ):
        if not os.path.exists(value):
            folder = os.path.dirname(os.path.dirname(value))
            os.environ["FCGIEMU_ENV"] = folder if os.path.isdir(folder) else ""
            return os.path.join(_HERE, "activate_this.py")
    return value


class _Proxy(object):
    """Finds our ptvs_virtualenv_proxy for sites that have no copy of the script.

    Python 3 asks it last; Python 2 asks it before it looks at sys.path itself.
    """

    @staticmethod
    def find_module(name, path=None):
        import imp

        if name != "ptvs_virtualenv_proxy":
            return None
        try:
            stream = imp.find_module(name)[0]
        except ImportError:
            return _Proxy
        if stream is not None:
            stream.close()
        return None

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "ptvs_virtualenv_proxy":
            return None
        from importlib.util import spec_from_file_location

        return spec_from_file_location(name, os.path.join(_HERE, "virtualenv_proxy.py"))

    @staticmethod
    def load_module(name):
        import imp

        return imp.load_source(name, os.path.join(_HERE, "virtualenv_proxy.py"))


def _show_web_config(pairs, portal):
    """Until wfastcgi.py has read it: the file of any case under the name it asks for, with its
    Windows paths mapped.

    Settings called as one of ``portal`` are not shown: those of the process environment stay.
    """
    exists, parse = posixpath.exists, minidom.parse

    def spelled(path):
        path = _local_name(path)
        folder, name = posixpath.split(path)
        if name != "Web.config" or exists(path) or not exists(folder):
            return path
        found = sorted(entry for entry in os.listdir(folder) if entry.lower() == "web.config")
        return posixpath.join(folder, found[0]) if found else path

    def exists_spelled(path):
        return exists(spelled(path) if isinstance(path, str) else path)

    def parse_mapped(path, *args, **more):
        posixpath.exists, minidom.parse = exists, parse
        document = parse(spelled(path), *args, **more)
        for add in document.getElementsByTagName("add"):
            if add.getAttribute("key").strip() in portal:
                add.parentNode.removeChild(add)
                continue
            add.setAttribute(
                "value", _adapted(add.getAttribute("key"), add.getAttribute("value"), pairs)
            )
        return document

    posixpath.exists, minidom.parse = exists_spelled, parse_mapped


def _stand_by():
    """Wait for the first request. What the interpreter has loaded by itself (.pth files may import)
    must be as it was then; else the process starts again.
    """

    def stamps():
        found = {}
        for module in list(sys.modules.values()):
            name = getattr(module, "__file__", None)
            if name and not name.startswith(
                (_HERE, os.path.dirname(os.__file__) + os.sep + "lib-")
            ):
                try:
                    status = os.stat(name[:-1] if name.endswith(".pyc") else name)
                    found[name] = (status.st_mtime, status.st_size, status.st_ino)
                except OSError:
                    found[name] = None
        return found

    before = stamps()
    select([0], [], [])
    if stamps() != before:
        _ENVIRONMENT.pop("FCGIEMU_STANDBY")
        os.execve(_COMMAND[0], _COMMAND, _ENVIRONMENT)


def main():
    """Run the file."""
    if os.environ.pop("FCGIEMU_STANDBY", None) is not None:
        _stand_by()
    options = json.loads(os.environ.pop("FCGIEMU_WORKER", "{}"))
    terminated = threading.Event()
    if os.environ.get("_FCGI_SHUTDOWN_EVENT_"):
        signal.signal(signal.SIGTERM, lambda number, frame: terminated.set())
    ctypes.windll = _WinDll(Kernel32(_changes(), terminated))
    _show_web_config([tuple(pair) for pair in options.get("map", ())], options.get("portal", ()))
    environments.restore_venv_detection()
    del sys.modules["environments"], sys.modules["paths"], sys.modules["resolver"]
    sys.modules["fcgiemu_resolver"] = resolver
    sys.meta_path.append(_Proxy)
    sys.argv = sys.argv[1:]
    sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
    folder = os.environ.pop("FCGIEMU_PROBE", None)
    if folder is None:
        if sys.version_info[0] > 2:  # where processes are forked, they have what they need
            sys.meta_path.insert(0, _Spawning)
        _accept_any_folder()
        _explain_failures(sys.argv[0])
        runpy.run_path(sys.argv[0], run_name="__main__")
    else:
        _probe(folder)


def _probe(folder):
    """Print as JSON what the handler is, or why it cannot be loaded; the keys are those of
    probe.py.
    """
    real, sys.stdout = sys.stdout, sys.stderr
    found = {"version": list(sys.version_info[:3]), "hidden": ""}
    try:
        os.chdir(folder)
        module = sys.modules["wfastcgi"] = types.ModuleType("wfastcgi")
        module.__file__ = sys.argv[0]
        with open(sys.argv[0], "rb") as stream:
            exec(compile(stream.read(), sys.argv[0], "exec"), module.__dict__)
        sys.path[0] = "."
        handler = module.read_wsgi_handler(folder)[1]
        found.update(
            kind=type(handler).__name__, callable=callable(handler), takes_two=None, factory=False
        )
    except BaseException as error:
        found["error"] = "".join(traceback.format_exception_only(type(error), error)).strip()
        found["traceback"] = traceback.format_exc()
    real.write("\n\x1e" + json.dumps(found) + "\n")
    real.flush()
    os._exit(0)


class _Spawning(object):
    """Lets the processes that multiprocessing spawns find kernel32 as well: they load the main file
    of their parent, and come here first.
    """

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "multiprocessing.spawn" or target is not None:
            return None
        sys.meta_path.remove(_Spawning)
        from importlib.util import find_spec

        spec = find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(module):
            del spec.loader.exec_module
            execute(module)
            prepare = module.get_preparation_data

            def get_preparation_data(name):
                data = prepare(name)
                if data.get("init_main_from_path") == os.path.abspath(
                    sys.modules["__main__"].__file__
                ):
                    data["init_main_from_path"] = os.path.join(_HERE, "microsoft_wfastcgi.py")
                return data

            module.get_preparation_data = get_preparation_data

        spec.loader.exec_module = exec_module
        return spec


def _spawned():
    """In a process that a site's own has spawned: load wfastcgi.py as Windows would, for what is
    pickled from it.
    """
    script = sys.argv[0] if sys.argv else ""
    if os.path.basename(script) == "wfastcgi.py":
        ctypes.windll = _WinDll(Kernel32(None, threading.Event()))
        globals().update(runpy.run_path(script, run_name="__mp_main__"))


if __name__ == "__main__":
    main()
else:
    _spawned()
