"""``guard.py PROGRAM ARGUMENT…``: run a program and end it when the server that started it goes away.

Our own worker watches for that itself; any other program (php-cgi, the process of httpPlatform) is run by this one.
"""

import os
import signal
import sys

import lifeline


def main():
    descriptor = lifeline.take()
    if descriptor is None:  # no server to outlive
        os.execvp(sys.argv[1], sys.argv[1:])
    child = os.fork()
    if child == 0:
        os.close(descriptor)
        try:
            os.execvp(sys.argv[1], sys.argv[1:])
        except OSError as error:
            sys.stderr.write("%s: %s\n" % (sys.argv[1], error.strerror))
            os._exit(127)

    def end(number, _frame=None):
        try:
            os.kill(child, number)
        except OSError:
            pass

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)

    lifeline.watch(descriptor)
    for standard in (0, 1, 2):
        os.close(standard)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.WEXITSTATUS(status))


main()
