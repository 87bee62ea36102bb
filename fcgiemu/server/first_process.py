"""``fcgiemu serve`` as process 1, as in a container without an init: somebody must reap what others leave behind."""

from __future__ import annotations

import os
import signal


def reaps_for_server() -> None:
    """Return at once, but in process 1: there a child returns and serves, and this process reaps until that ends.

    Signals are passed on; the exit code is the server's.
    """
    if os.getpid() != 1:
        return
    server = os.fork()
    if server == 0:
        return

    def pass_on(number: int, _frame: object) -> None:
        os.kill(server, number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, pass_on)
    while True:
        ended, status = os.wait()
        if ended == server:
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
