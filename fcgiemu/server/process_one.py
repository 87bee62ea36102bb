"""``fcgiemu serve`` as process 1, as in a container without an init: somebody must reap what others
leave behind.
"""

from __future__ import annotations

import os
import signal
import sys


def reap_as_process_1() -> None:
    """Return at once, but in process 1: there a child returns and serves, and this process reaps
    until the child ends.

    Whatever asks this process to end ends the server in good order; the exit code is the server's.
    """
    if sys.platform == "win32" or os.getpid() != 1:
        return
    ending = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    # Blocked and waited for, none can slip in between a look for signals and a wait for children.
    awaited = ending | {signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    server = os.fork()
    if server == 0:
        signal.signal(
            signal.SIGINT, signal.default_int_handler
        )  # heard from the first moment, even where it was ignored
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    while True:
        if signal.sigwait(awaited) in ending:
            os.kill(server, signal.SIGINT)
        _reap(server)


def _reap(server: int) -> None:
    """Reap all who have ended; end with the server."""
    if sys.platform == "win32":
        return
    ended, status = os.waitpid(-1, os.WNOHANG)
    while ended:
        if ended == server:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)
        ended, status = os.waitpid(-1, os.WNOHANG)
