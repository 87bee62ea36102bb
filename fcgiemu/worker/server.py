"""The FastCGI server of a worker, flup's: one connection at a time from the socket at descriptor 0,
in this process, without threads; or one connection to an address, where no socket could be passed
on (Windows). See connection.py for the protocol. Python 3.6 syntax.
"""

import json
import os
import signal
import socket
import sys

from flup.server.fcgi_single import WSGIServer

from . import application, lifeline, standby
from .connection import POLLIN, Connection, poll


class FcgiServer(WSGIServer):
    """Serves the site's application until it is asked to end. ``address`` = (host, port), None =
    descriptor 0.
    """

    def __init__(self, address=None):
        WSGIServer.__init__(self, None)
        self.address = address
        self.asked_to_end = False
        #: The lifeline as long as no thread watches it, where the kernel does not.
        self.unwatched = None
        signal.signal(signal.SIGTERM, self._end)
        if hasattr(signal, "SIGBREAK"):
            signal.signal(signal.SIGBREAK, self._end)

    def watch_later(self, descriptor):
        """Watch the lifeline with a thread, once the site has been loaded."""
        self.unwatched = descriptor

        def watch():
            self.unwatched = None
            lifeline.watch(descriptor)

        application.when_loaded(watch)

    def _end(self, number, frame):
        """Asked to end: between requests in good order, within one at once."""
        if application.is_busy():
            os._exit(0)
        self.asked_to_end = True
        raise EOFError

    def run(self, resumed=()):
        """Serve. ``resumed`` are descriptors of the connection that a stand-by has given up, and of
        what it had received.
        """
        listening = self._listening()
        sys.stdin.detach()  # as wfastcgi leaves it: nothing can be read
        standby.StandbyState.listening = listening.fileno()
        if standby.stands_by():
            end = signal.signal(signal.SIGTERM, signal.SIG_DFL)  # at once, while it loads ahead
            application.load_ahead()
            signal.signal(signal.SIGTERM, end)
        if resumed:
            with os.fdopen(resumed[1], "rb") as received:
                self._serve(socket.socket(fileno=resumed[0]), received.read())
        while not self.asked_to_end:
            try:
                sock, _ = self._accept(listening)
            except (OSError, EOFError):
                return
            self._serve(sock)
            if self.address is not None:  # a signal would not wake us on Windows
                return

    def _listening(self):
        if self.address is not None:
            listening = socket.socket()
            if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
            listening.bind(self.address)
            listening.listen(1)
            return listening
        listening = socket.socket(fileno=os.dup(0))
        devnull = os.open(os.devnull, os.O_RDONLY)
        os.dup2(devnull, 0)
        os.close(devnull)
        return listening

    def _accept(self, listening):
        if self.unwatched is not None:
            waiting = poll()
            for descriptor in (listening.fileno(), self.unwatched):
                waiting.register(descriptor, POLLIN)
            waiting.poll()
            lifeline.end_if_closed(self.unwatched)
        return listening.accept()

    def _serve(self, sock, received=b""):
        standby.StandbyState.connection = sock.fileno()
        try:
            Connection(sock, self, received).run()
        except OSError:
            pass
        standby.StandbyState.connection = -1

    def handler(self, request):
        """Have the application answer, and end the process where it must end with that."""
        # an exit code then, which END_REQUEST says too
        fatal = application.run(request)
        try:
            request.end(0 if fatal is None else 1)
        except OSError:
            pass
        if fatal is not None:
            sys.exit(fatal)
        standby.report()


def _open_breakpoints(options):
    """Have pdb loaded by the first ``breakpoint()``: until then a site may bring modules that are
    called as those it loads.
    """
    console = sys.stderr

    def hook(*args, **more):
        from . import terminal

        terminal.install(options["terminal"], options["site"], options["mark"], console)
        return sys.breakpointhook.at(sys._getframe(1), *args, **more)

    sys.breakpointhook = hook


def _address(words):
    """The (host, port) that the command line tells to listen on; None = descriptor 0 does."""
    if not words:
        return None
    host, _, port = words[0].rpartition(":")
    return host, int(port)


def serve():
    """Run the worker until its server goes away."""
    options = json.loads(os.environ.pop("FCGIEMU_WORKER", "{}"))
    resumed = standby.begin(sys.modules["__main__"].STARTED_WITH, options.get("mark", ""))
    server = FcgiServer(_address(sys.argv[1:]))
    descriptor = lifeline.take()
    if descriptor is not None and not lifeline.hold(descriptor):
        server.watch_later(descriptor)
    if "debugpy" in options:
        from . import debugger

        debugger.listen(options["debugpy"]["folder"], options["debugpy"]["port"], options["mark"])
    elif "terminal" in options and hasattr(sys, "breakpointhook"):
        _open_breakpoints(options)
    application.configure(options, bool(resumed))
    sys.argv = [options.get("argv0", "wfastcgi.py")]
    try:
        server.run(resumed)
    finally:
        application.close()
