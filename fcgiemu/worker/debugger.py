"""debugpy in a worker: loaded by path, before the site, so that an editor can attach. Python 3.6 syntax."""

import os
import socket
import sys
import time

#: Seconds for the process before this one to give its port up.
_PATIENCE = 5.0


def _wait_until_free(port):
    end = time.time() + _PATIENCE
    while time.time() < end:
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(("127.0.0.1", port))
                return
            except OSError:
                time.sleep(0.02)


def listen(folder, port):
    """Listen for a debugger on loopback; ``folder`` is that of the package. Says so on standard error, as editors expect."""
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    sys.path.insert(0, os.path.dirname(folder))
    try:
        import debugpy

        _wait_until_free(port)
        debugpy.listen(("127.0.0.1", port))
        sys.stderr.write("Debugger listening on 127.0.0.1:%d\n" % port)
    except Exception as error:
        sys.stderr.write("The debugger cannot listen on 127.0.0.1:%d: %s\n" % (port, error))
    finally:
        sys.path.remove(os.path.dirname(folder))
        sys.stderr.flush()
