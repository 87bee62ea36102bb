"""The pipe whose other end the server alone holds: when it closes, the server is gone, however it
went.

``hold`` needs no thread: the kernel itself ends the group of processes. A thread that runs while a
site is imported would break what the site does there (gevent's ``monkey.patch_all``). ``watch`` is
for guards, and for systems whose kernel cannot (macOS): there the site is loaded first.
"""

import os
import select
import signal
import socket
import sys
import threading

_SET_SIGNAL = 10  # F_SETSIG of Linux, which Python 3.6 does not name


def take():
    """The descriptor of the pipe, no longer in the environment; None where no server gave one."""
    descriptor = os.environ.pop("FCGIEMU_LIFELINE", None)
    return None if descriptor is None else int(descriptor)


def _end_group():
    os.killpg(0, signal.SIGKILL)  # the server has started each process as the first of a group


def hold(descriptor):
    """Let the kernel end this process and its group when the pipe closes. False where it cannot."""
    if not sys.platform.startswith("linux"):
        return False
    import fcntl

    try:
        fcntl.fcntl(descriptor, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(descriptor, _SET_SIGNAL, int(signal.SIGKILL))
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_ASYNC)
    except (OSError, AttributeError):
        return False
    end_if_closed(descriptor)
    return True


def end_if_closed(descriptor, end=_end_group):
    """``end`` where the server has gone already."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    if poll.poll(0):
        end()


def watch(descriptor, end=_end_group):
    """From now on, ``end`` this process and all it has started with the server, and remove the
    socket at descriptor 0.
    """
    threading.Thread(
        target=_end_with_server,
        name="lifeline",
        args=(descriptor, _socket_path(), end),
        daemon=True,
    ).start()


def _socket_path():
    try:
        with socket.socket(socket.AF_UNIX, fileno=os.dup(0)) as listening:
            return listening.getsockname()
    except OSError:
        return ""


def _end_with_server(descriptor, path, end):
    try:
        os.read(descriptor, 1)
        if path:
            os.unlink(path)
            os.rmdir(os.path.dirname(path))
    except OSError:
        pass
    finally:
        end()
