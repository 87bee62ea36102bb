"""``breakpoint()`` in a site: pdb in the terminal that the server runs in. Python 3.6 syntax.

The worker has no terminal of its own; it opens the server's by name. One worker at a time has it.
"""

import fcntl
import os
import pdb
import shlex
import sys


def install(terminal, site, mark, console):
    """Set ``sys.breakpointhook`` (Python 3.7). ``terminal`` is the name of the device, "" where
    there is none; ``mark`` begins a line to the server, which holds its timeouts meanwhile.
    """

    def at(frame, *args, **more):
        if os.environ.get("PYTHONBREAKPOINT"):
            return sys.__breakpointhook__(*args, **more)
        try:
            debugger = _Debugger(terminal, mark)
        except OSError:
            where = "%s, line %d" % (frame.f_code.co_filename, frame.f_lineno)
            console.write(
                "breakpoint() in %s: there is no terminal to open pdb in. Attach an editor instead:"
                " fcgiemu serve %s --debugpy 5678\n" % (where, shlex.quote(site))
            )
            console.flush()
            return None
        debugger.set_trace(frame)
        return None

    def hook(*args, **more):
        return at(sys._getframe(1), *args, **more)

    hook.at = at
    sys.breakpointhook = hook


class _Debugger(pdb.Pdb):
    """pdb on a terminal, which it has from its first stop until it goes on for good."""

    def __init__(self, terminal, mark):
        descriptor = os.open(terminal, os.O_RDWR | os.O_NOCTTY)
        self._mark = mark
        self._holds = False
        pdb.Pdb.__init__(
            self,
            stdin=os.fdopen(descriptor, "r", closefd=False),
            stdout=os.fdopen(descriptor, "w", closefd=True),
            nosigint=True,
        )

    def interaction(self, *args, **more):
        if not self._holds:
            fcntl.flock(self.stdin, fcntl.LOCK_EX)
            self._holds = True
            self._tell("attached")
        pdb.Pdb.interaction(self, *args, **more)

    def set_continue(self):
        self._let_go()
        pdb.Pdb.set_continue(self)

    def set_quit(self):
        self._let_go()
        pdb.Pdb.set_quit(self)

    def _let_go(self):
        if self._holds:
            self._holds = False
            fcntl.flock(self.stdin, fcntl.LOCK_UN)
            self._tell("detached")

    def _tell(self, what):
        os.write(2, ("\x1e%s debugger %s\n" % (self._mark, what)).encode("ascii"))
