"""debugpy in a worker: loaded by path, before the site, so that an editor can attach. Python 3.6
syntax.
"""

import os
import socket
import sys
import threading
import time

#: Seconds for the process before this one to give its port up.
_PATIENCE = 5.0
#: Seconds between two looks at whether a debugger is attached.
_LOOK = 0.1


def _listen(listen, port):
    """Try until the adapter of the process before this one, which outlives it for a moment, has
    left the port.
    """
    end = time.time() + _PATIENCE
    while True:
        try:
            # asks at less cost than an adapter that finds the port taken
            with socket.socket() as trial:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                trial.bind(("127.0.0.1", port))
            listen(("127.0.0.1", port))
            return
        except (OSError, RuntimeError):
            if time.time() > end:
                raise
            time.sleep(0.05)


def _tell(is_attached, mark):
    """Tell the server whenever a debugger has come or gone: it holds its timeouts meanwhile."""
    before = False
    while True:
        now = bool(is_attached())
        if now != before:
            before = now
            os.write(
                2,
                ("\x1e%s debugger %s\n" % (mark, "attached" if now else "detached")).encode(
                    "ascii"
                ),
            )
        time.sleep(_LOOK)


def _watch(is_attached, mark):
    """Look from a thread that the debugger leaves alone: it runs on at a breakpoint."""
    thread = threading.Thread(target=_tell, args=(is_attached, mark), daemon=True)
    thread.pydev_do_not_trace = thread.is_pydev_daemon_thread = True
    thread.start()


def listen(folder, port, mark):
    """Listen for a debugger on loopback; ``folder`` is that of the package. Says so on standard
    error, as editors expect.

    ``mark`` begins the lines by which the server knows whether one is attached.
    """
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    sys.path.insert(0, os.path.dirname(folder))
    try:
        import debugpy

        _listen(debugpy.listen, port)
        _watch(debugpy.is_client_connected, mark)
        sys.stderr.write("Debugger listening on 127.0.0.1:%d\n" % port)
    except Exception as error:
        sys.stderr.write("The debugger cannot listen on 127.0.0.1:%d: %s\n" % (port, error))
    finally:
        sys.path.remove(os.path.dirname(folder))
        sys.stderr.flush()
