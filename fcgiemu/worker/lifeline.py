"""The pipe whose other end the server alone holds: when it closes, the server is gone, however it
went.
"""

import os
import signal
import socket
import threading


def take():
    """The descriptor of the pipe, no longer in the environment; None where no server gave one."""
    descriptor = os.environ.pop("FCGIEMU_LIFELINE", None)
    return None if descriptor is None else int(descriptor)


def _end_group():
    os.killpg(0, signal.SIGKILL)  # the server has started each process as the first of a group


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
