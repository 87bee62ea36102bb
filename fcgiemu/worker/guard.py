"""``guard.py PROGRAM ARGUMENT…``: run a program, and end it and all it has started when the server
wants or goes away.

Our own worker watches for that itself; any other program (php-cgi, the process of httpPlatform) is
run by this one. The server says "at once" by closing the lifeline, as its own end does.
"""

import ctypes
import os
import signal
import sys
import threading
import time

import lifeline

_SET_CHILD_SUBREAPER = 36
#: What the server asks a program to end with, which is passed on to it.
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
#: Seconds for a program to end its children by itself, where the system does not hand them to us.
_GRACE = 0.3


def _adopt():
    """Become the parent of every descendant whose own parent ends, sessions of their own
    notwithstanding (Linux).
    """
    try:
        return ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    except (AttributeError, OSError):
        return False


def _children():
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name, "rb") as stat:
                    parent = stat.read().rpartition(b")")[2].split()[1]
            except OSError:
                continue
            if int(parent) == os.getpid():
                found.append(int(name))
    return found


def _end_children():
    """End and reap all descendants that may be ended: those of a process that has ended become
    children of ours.
    """
    others = set()  # of another user
    while True:
        children = set(_children()) - others
        if not children:
            return
        for child in children:
            try:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
            except PermissionError:
                others.add(child)
            except OSError:
                pass


def main():
    descriptor = lifeline.take()
    if descriptor is None:  # no server to outlive
        os.execvp(sys.argv[1], sys.argv[1:])
    adopts = _adopt()
    # Until there is a handler, none of them may end the guard and leave the program behind.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    child = os.fork()
    if child == 0:
        os.close(descriptor)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
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

    ending = threading.Event()

    def end_at_once():
        ending.set()
        if adopts:
            end(signal.SIGKILL)  # the rest follows below
        else:
            end(signal.SIGTERM)
            time.sleep(_GRACE)
            os.killpg(0, signal.SIGKILL)

    for number in _ENDING:
        signal.signal(number, end)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    lifeline.watch(descriptor, end_at_once)
    for standard in (0, 1, 2):
        os.close(standard)
    ended, status = os.wait()
    while ended != child:  # one that has been adopted
        ended, status = os.wait()
    if adopts:
        _end_children()
    elif ending.is_set():
        os.killpg(0, signal.SIGKILL)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status))


main()
