"""``fcgiemu serve`` as process 1, as in a container without an init: somebody must reap what others leave behind."""

from __future__ import annotations

import os
import signal


def reaps_for_server() -> None:
    """Return at once, but in process 1: there a child returns and serves, and this process reaps until that ends.

    Whatever asks this process to end ends the server in good order; the exit code is the server's.
    """
    if os.getpid() != 1:
        return
    server = os.fork()
    if server == 0:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # heard from the first moment, even where it was ignored
        return

    def end(_number: int, _frame: object) -> None:
        os.kill(server, signal.SIGINT)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    while True:
        ended, status = os.wait()
        if ended == server:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)
