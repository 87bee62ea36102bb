"""An interpreter that stands by: started ahead, with the modules loaded that the site's last worker
had taken from its environment. Python 3.6 syntax.

It must never show anything stale. So it loads ahead only what lies in a site-packages folder that
no .pth file has brought in and that is not watched; never with gevent or eventlet; nothing that
leaves a thread, a child, a descriptor or a changed process behind. When its first request comes,
everything that it has read must still be as it was, and the site must ask for all of it (see
preloaded_modules.py). Where anything is not so, the process starts itself again and answers the
same request as any other worker would: what it had received goes along.
"""

import builtins
import gc
import json
import os
import re
import signal
import sys
import tempfile
import threading
import time

from . import preloaded_modules

#: Modules that change what others do when they are loaded later: nothing is loaded ahead with them.
NEVER = frozenset(("gevent", "eventlet"))
#: Passes in which nothing must fail, before the interpreter stands by without any module.
PASSES = 4
#: Bytes of a list of modules in the environment, where one text can have 128 KiB (Linux).
MAX_LIST = 100000
#: Bytes of a line to the server: a longer one could be cut by what children write.
MAX_LINE = 3000
_PACKAGES = ("site-packages", "dist-packages")
_PACKAGED = re.compile(r"[\\/](?:site|dist)-packages[\\/]")
_LIBRARY = os.path.join(os.path.dirname(os.__file__), "")
_SPOOL = 1 << 20


class StandbyState:
    """What the process knows of its standing by."""

    #: argv and environment to start again with.
    command = ()
    environment = {}
    python = ""
    options = {}
    shelf = None
    settings = None
    signature = {}
    #: What has been received of the first request; None once the site has been loaded.
    received = None
    #: The descriptors of the listening socket and of the connection, for a new start.
    listening = -1
    connection = -1
    started = 0.0
    #: What was loaded before anything of the site.
    base = frozenset()
    mark = ""
    #: Folders that are watched and names of folders that are not, for the report; none is wanted
    #: where there are none.
    folders = {}
    #: What was loaded when the site had been.
    early = ()


def begin(environment, mark):
    """At the very start of a worker. ``environment`` is the one that the process was started
    with.
    """
    StandbyState.environment = environment
    StandbyState.python = sys.executable
    StandbyState.command = (sys.executable,) + tuple(sys.argv)
    StandbyState.started = time.time()
    StandbyState.mark = mark
    StandbyState.base = frozenset(sys.modules)
    StandbyState.folders = json.loads(os.environ.pop("FCGIEMU_REPORTS", "{}"))
    StandbyState.options = {"skip": os.environ.pop("FCGIEMU_SKIPPED", "").split()}
    text = os.environ.pop("FCGIEMU_STANDBY", "")
    if text:
        StandbyState.options = json.loads(text)
        StandbyState.received = tempfile.SpooledTemporaryFile(_SPOOL)
    return [int(number) for number in os.environ.pop("FCGIEMU_RESUMED", "").split()]


def stands_by():
    """Whether this process has been started ahead and has not loaded its site yet."""
    return StandbyState.received is not None


# -- loading ahead ---------------------------------------------------------------------------------


def load_ahead(settings):
    """Load what the options name. ``settings`` are those of web.config, which are in the
    environment meanwhile.
    """
    options = StandbyState.options
    names = [name for name in options["modules"] + options["late"] if not _is_skipped(name)]
    StandbyState.signature = _signature(_files(sys.modules))
    if not names:
        return
    before = dict(os.environ)
    os.environ.update(settings)
    path, sys.path[:] = list(sys.path), options["path"]
    made = preloaded_modules.Shelf(_may_load, start_anew)
    sys.meta_path.insert(0, made)
    try:
        _load_all(made, names)
    finally:
        sys.path[:] = path
        for key in set(os.environ) - set(before):
            del os.environ[key]
        os.environ.update(before)
    made.close()
    if hasattr(gc, "freeze"):  # nothing of it is garbage: collections need not look at it now
        gc.collect()
        gc.freeze()
    StandbyState.shelf, StandbyState.settings = made, settings
    StandbyState.signature.update(_signature(_files(made.modules), StandbyState.started))


def _load_all(made, names):
    """Load all, or start again without those that must not be loaded ahead."""
    unfit = set()
    taken = set(StandbyState.options["taken"])
    process, asked = _process(), made.asks()
    for name in names:
        if name in made.modules or name in sys.modules:
            continue
        made.load(name)
        before, process = process, _process()
        now = made.asks()
        if process != before:  # it, or what it is part of
            unfit.add(name.partition(".")[0] + ".*")
        elif (now - asked) & taken:
            unfit.add(name)
        asked = now
    unfit |= made.failed
    if unfit:
        skip = sorted(unfit.union(StandbyState.options["skip"]))
        passes = StandbyState.options.get("passes", 1) + 1
        if passes > PASSES:
            start_with(dict(StandbyState.options, modules=[], late=[], skip=skip))
        start_with(dict(StandbyState.options, skip=skip, passes=passes))


def _process():
    """What a module must not change by being loaded."""
    return (
        _entries("/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"),
        _entries("/proc/self/task"),
        threading.active_count(),
        _children(),
        id(sys.modules),
        id(builtins.__import__),
        tuple(map(id, sys.meta_path[:3])),
        tuple(sys.path),
        tuple(map(id, sys.path_hooks)),
        dict(os.environ),
        os.getcwd(),
        id(sys.stdout),
        id(sys.stderr),
        id(sys.excepthook),
        [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)],
    )


def _entries(folder):
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return None


def _children():
    try:
        return os.waitpid(-1, os.WNOHANG)
    except OSError:
        return None


def _is_skipped(name):
    """Whether a module, or as ``package.*`` all of its package, is not to be loaded ahead."""
    skip = StandbyState.options["skip"]
    return name in skip or name.partition(".")[0] + ".*" in skip


def _may_load(name, file):
    """Whether a module may be loaded ahead: of the standard library, or of a folder of packages."""
    if file is None or _is_skipped(name):
        return False
    return (_is_standard(file) and not _is_watched(file)) or _is_package_file(file)


def _is_standard(file):
    return file.startswith(_LIBRARY) and not _PACKAGED.search(file)


def _is_watched(file):
    for root in StandbyState.folders["watched"]:
        folder = os.path.join(root, "")
        if file.startswith(folder):
            parts = file[len(folder) :].split(os.sep)
            if not any(part in StandbyState.folders["ignored"] for part in parts[:-1]):
                return True
    return False


def _is_package_file(file):
    """Whether a file lies in a folder of packages that is on the import path, and neither it nor
    what it stands for is watched. Not what lies in a folder that a .pth file has added.
    """
    real = os.path.realpath(file)
    return (
        _PACKAGED.search(real) is not None
        and not (_is_watched(file) or _is_watched(real))
        and any(_is_packages(entry) and _is_below(file, entry) for entry in sys.path)
        and not any(
            _PACKAGED.search(entry) and not _is_packages(entry) and _is_below(file, entry)
            for entry in sys.path
        )
    )


def _is_packages(entry):
    return os.path.basename(entry.rstrip(os.sep)) in _PACKAGES


def _is_below(file, folder):
    return file.startswith(os.path.join(folder, ""))


def _end_children():
    """End what a module has started by being loaded."""
    for task in _entries("/proc/self/task") or ():
        try:
            with open("/proc/self/task/%s/children" % task) as stream:
                children = [int(child) for child in stream.read().split()]
        except OSError:
            continue
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


# -- signatures ------------------------------------------------------------------------------------


def _files(modules):
    """Files and folders whose change makes a process with these modules stale."""
    found = set()
    for module in list(modules.values()):
        file = getattr(getattr(module, "__spec__", None), "origin", None)
        if file and os.path.isabs(file) and (not _is_standard(file) or _is_watched(file)):
            found.update((file, os.path.dirname(file)))
    for entry in sys.path + StandbyState.options.get("path", []):
        if _is_packages(entry):
            found.add(entry)
            try:
                found.update(
                    os.path.join(entry, name) for name in os.listdir(entry) if name.endswith(".pth")
                )
            except OSError:
                pass
    found.update((os.path.join(sys.prefix, "pyvenv.cfg"), os.path.realpath(StandbyState.python)))
    return found


def _signature(files, newest=None):
    """File -> what changes with it. One that is younger than ``newest`` (seconds since 1970) has
    none that could be trusted.
    """
    return {file: _stamp(file, newest) for file in files}


def _stamp(file, newest=None):
    try:
        status = os.stat(file)
    except OSError:
        return None
    if newest is not None and status.st_mtime > newest and not os.path.isdir(file):
        return ()
    return status.st_mtime_ns, status.st_size, status.st_ino


# -- taking the site up ----------------------------------------------------------------------------


def adopt():
    """The first request is here: start again where anything has changed since."""
    if not stands_by():
        return
    for file, stamp in StandbyState.signature.items():
        if _stamp(file) != stamp:
            start_anew("%s has changed" % file)


def check_settings(settings):
    """The settings that the site has, before it is loaded."""
    if StandbyState.shelf is not None and stands_by() and settings != StandbyState.settings:
        start_anew("web.config has changed")


def failed():
    """The site could not be loaded: whether it can be without a stand-by must be seen."""
    start_anew_with_modules("the site could not be loaded")


def loaded():
    """The site has been loaded: it must have asked for everything, and found it where it was."""
    if stands_by():
        if StandbyState.shelf is not None:
            StandbyState.shelf.check()
            lacking = StandbyState.shelf.lacks(StandbyState.options["modules"])
            if lacking:
                start_anew("the site no longer asks for %s" % lacking[0])
            if not StandbyState.shelf.lacks(StandbyState.shelf.modules):
                sys.meta_path.remove(StandbyState.shelf)
        StandbyState.received = None


def start_anew_with_modules(reason):
    """As ``start_anew``, where anything has been loaded ahead."""
    if StandbyState.shelf is not None:
        start_anew(reason)


def start_anew(reason):
    """Become a worker like any other, and answer what has been received. Does not return."""
    if not stands_by():  # too late: what the site has asked for stays
        return
    _tell("standby given up: %s" % reason)
    received, StandbyState.received = StandbyState.received, None
    descriptors = []
    if StandbyState.connection >= 0:
        spool = tempfile.TemporaryFile()
        received.seek(0)
        for part in iter(lambda: received.read(1 << 16), b""):
            spool.write(part)
        spool.flush()
        spool.seek(0)
        descriptors = [os.dup(StandbyState.connection), os.dup(spool.fileno())]
    more = {
        "FCGIEMU_RESUMED": " ".join(map(str, descriptors)),
        "FCGIEMU_SKIPPED": " ".join(StandbyState.options["skip"]),
    }
    _exec(more, descriptors)


def start_with(options):
    """Stand by once more, with other options. Does not return."""
    StandbyState.options = options
    tell_skipped("skips")
    _end_children()
    _exec({"FCGIEMU_STANDBY": json.dumps(options)}, [])


def _exec(more, descriptors):
    environment = dict(StandbyState.environment)
    environment.pop("FCGIEMU_STANDBY", None)
    environment.pop("FCGIEMU_RESUMED", None)
    environment.update({key: value for key, value in more.items() if value})
    lifeline = environment.get("FCGIEMU_LIFELINE")
    for descriptor in descriptors + ([int(lifeline)] if lifeline else []):
        os.set_inheritable(descriptor, True)
    if StandbyState.listening >= 0:
        os.dup2(StandbyState.listening, 0)
    os.chdir(StandbyState.folders["folder"])
    os.execve(StandbyState.python, StandbyState.command, environment)


# -- what the next one will need -------------------------------------------------------------------


def note_early():
    """The site has been loaded; what its first request loads comes on top of that."""
    if StandbyState.folders:
        StandbyState.early = list(sys.modules)


def report():
    """Tell the server, after the first request, what another interpreter can load ahead."""
    if not StandbyState.early:
        return
    if hasattr(gc, "unfreeze"):
        gc.unfreeze()
    told = {
        "modules": [],
        "late": [],
        "taken": [],
        "path": [],
        "skip": StandbyState.options["skip"],
    }
    if not NEVER.intersection(sys.modules):
        told.update(_found(StandbyState.early))
    StandbyState.early = ()
    text = json.dumps(told)
    for start in range(0, len(text), MAX_LINE):
        _tell("report " + text[start : start + MAX_LINE])
    _tell("reported")


def _found(before):
    fit, taken = set(), set()
    for name, module in list(sys.modules.items()):
        file = getattr(getattr(module, "__spec__", None), "origin", None)
        if name in StandbyState.base or not file or file in ("built-in", "frozen"):
            continue
        if os.path.isabs(file) and _is_package_file(file):
            fit.add(name)
        elif not _is_standard(file) or _is_watched(file):
            taken.add(name.partition(".")[0])
    early = [name for name in before if name in fit]
    packages = {name.partition(".")[0] for name in early}
    late = [
        name
        for name in list(sys.modules)
        if name in fit.difference(early) and name.partition(".")[0] in packages
    ]
    while sum(len(name) + 4 for name in early + late) > MAX_LIST:
        (late or early).pop()
    path = [
        entry
        for entry in sys.path
        if (os.path.join(entry, "") + "x").startswith(_LIBRARY)
        and not _PACKAGED.search(entry + os.sep)
        or _is_packages(entry)
        and not _is_watched(os.path.join(entry, "x"))
    ]
    return {"modules": early, "late": late, "taken": sorted(taken), "path": path}


def tell_skipped(word):
    """Tell the server what had to be left out; "ready" is the word when all else is loaded."""
    names = StandbyState.options["skip"]
    text = " ".join(names)
    while len(text) > MAX_LINE:
        names = names[:-1]
        text = " ".join(names)
    _tell("standby %s %s" % (word, text))


def _tell(text):
    try:
        os.write(2, ("\x1e%s %s\n" % (StandbyState.mark, text)).encode("ascii", "backslashreplace"))
    except OSError:
        pass
