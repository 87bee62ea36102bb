"""The FastCGI server of a worker, on flup, with wfastcgi's semantics. Python 3.6 syntax.

flup keeps the protocol: records, connections, streams. What is overridden here, and why:
sockets are buffered (flup asks ``select`` and ``recv`` for every piece of a record), pairs that
span records are put together, GET_VALUES is answered, output goes out in records of full size.
"""

import json
import os
import signal
import socket
import struct
import sys
from select import POLLIN, poll  # by themselves: a site may patch the module (gevent)

from flup.server import fcgi_base
from flup.server.fcgi_single import WSGIServer

from . import application, environ, lifeline, standby

_HEADER = struct.Struct(">BBHHBx")
_RECORD_LIMIT = 65535
_FLUSH_AT = 1 << 16


class BufferedSocket:
    """What flup needs of a socket, with one system call where it would make many."""

    def __init__(self, sock, received=b""):
        self._sock = sock
        self._input = received
        self._position = 0
        self._output = []
        self._waiting = 0
        self._readable = poll()
        self._readable.register(sock, POLLIN)

    def exactly(self, size):
        """So many bytes; EOFError where the stream ends before."""
        end = self._position + size
        if end <= len(self._input):
            data = self._input[self._position : end]
            self._position = end
            return data
        parts = []
        while size:
            data = self.recv(size)
            if not data:
                raise EOFError
            parts.append(data)
            size -= len(data)
        return b"".join(parts)

    def recv(self, size):
        if self._position >= len(self._input):
            self.flush()
            # who waits in recv instead is woken on Linux, for nothing, when the peer has read as
            # well
            self._readable.poll()
            self._input = self._sock.recv(1 << 16)
            if standby.StandbyState.received is not None:
                standby.StandbyState.received.write(self._input)
            self._position = 0
        data = self._input[self._position : self._position + size]
        self._position += len(data)
        return data

    def send(self, data):
        self._output.append(data)
        self._waiting += len(data)
        if self._waiting >= _FLUSH_AT:
            self.flush()
        return len(data)

    def flush(self):
        if self._output:
            data = self._output[0] if len(self._output) == 1 else b"".join(self._output)
            self._output = []
            self._waiting = 0
            self._sock.sendall(data)

    def fileno(self):
        return self._sock.fileno()

    def shutdown(self, how):
        self.flush()
        self._sock.shutdown(how)

    def close(self):
        self._sock.close()


class Connection(fcgi_base.Connection):
    """flup's connection over a BufferedSocket. ``received`` is what another process has read of
    it.
    """

    def __init__(self, sock, addr, server, timeout, received=b""):
        buffered = BufferedSocket(sock, received)
        fcgi_base.Connection.__init__(self, buffered, addr, server, timeout)
        self._params = {}

    def process_input(self):
        if not self._keepGoing:
            return
        version, kind, number, length, padding = _HEADER.unpack(self._sock.exactly(_HEADER.size))
        if version != 1:
            raise EOFError
        record = fcgi_base.Record(kind, number)
        record.contentLength = length
        record.contentData = self._sock.exactly(length + padding)[:length]
        handle = self._HANDLERS.get(record.type)
        if handle is not None:
            handle(self, record)
        elif record.requestId == fcgi_base.FCGI_NULL_REQUEST_ID:
            self._do_unknown_type(record)

    def writeRecord(self, record):
        content = record.contentData
        self._sock.send(
            struct.pack(">BBHHBx", 1, record.type, record.requestId, len(content), 0) + content
        )

    def end_request(
        self, request, appStatus=0, protocolStatus=fcgi_base.FCGI_REQUEST_COMPLETE, remove=True
    ):
        fcgi_base.Connection.end_request(self, request, appStatus, protocolStatus, remove)
        self._sock.flush()

    def _do_begin_request(self, record):
        if not self._multiplexed:
            # a new BEGIN replaces a request that was given up, as with wfastcgi
            self._requests.clear()
        self._params[record.requestId] = []
        fcgi_base.Connection._do_begin_request(self, record)

    def _do_params(self, record):
        request = self._requests.get(record.requestId)
        if request is None:
            return
        if record.contentLength:
            self._params[record.requestId].append(record.contentData)
            return
        request.environ = environ.decoded(b"".join(self._params.pop(record.requestId, ())))
        self._start_request(request)

    def _do_get_values(self, record):
        answer = fcgi_base.Record(fcgi_base.FCGI_GET_VALUES_RESULT)
        position = 0
        while position < record.contentLength:
            position, (name, _) = fcgi_base.decode_pair(record.contentData, position)
            value = self.server.capability.get(name.decode("latin-1"))
            if value is not None:
                answer.contentData += fcgi_base.encode_pair(name, str(value).encode("latin-1"))
        self.writeRecord(answer)
        self._sock.flush()

    _HANDLERS = {
        fcgi_base.FCGI_BEGIN_REQUEST: _do_begin_request,
        fcgi_base.FCGI_ABORT_REQUEST: fcgi_base.Connection._do_abort_request,
        fcgi_base.FCGI_PARAMS: _do_params,
        fcgi_base.FCGI_STDIN: fcgi_base.Connection._do_stdin,
        fcgi_base.FCGI_DATA: fcgi_base.Connection._do_data,
        fcgi_base.FCGI_GET_VALUES: _do_get_values,
    }


class Request(fcgi_base.Request):
    """A request whose handler is the site's application; see application.py."""

    def flush(self):
        """Send what has been written so far."""
        self._conn._sock.flush()

    def run(self):
        fatal = application.run(
            self
        )  # an exit code where the process must end with it; END_REQUEST says so too
        try:
            self.stderr.flush()
            self.stderr.close()
            self.stdout.close()
            self._end(0 if fatal is None else 1)
        except OSError:
            pass
        if fatal is not None:
            sys.exit(fatal)
        standby.report()


class FcgiServer(WSGIServer):
    """One connection at a time from descriptor 0, in this process, without threads."""

    request_class = Request
    maxwrite = _RECORD_LIMIT + fcgi_base.FCGI_HEADER_LEN

    def __init__(self):
        WSGIServer.__init__(self, None)
        self.asked_to_end = False
        #: The lifeline as long as no thread watches it, where the kernel does not.
        self.unwatched = None
        signal.signal(signal.SIGTERM, self._end)

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
        listening = socket.socket(fileno=os.dup(0))
        devnull = os.open(os.devnull, os.O_RDONLY)
        os.dup2(devnull, 0)
        os.close(devnull)
        sys.stdin.detach()  # as wfastcgi leaves it: nothing can be read
        standby.StandbyState.listening = listening.fileno()
        if standby.stands_by():
            end = signal.signal(signal.SIGTERM, signal.SIG_DFL)  # at once, while it loads ahead
            application.load_ahead()
            signal.signal(signal.SIGTERM, end)
        if resumed:
            with os.fdopen(resumed[1], "rb") as received:
                self._serve(socket.socket(fileno=resumed[0]), "", received.read())
        while not self.asked_to_end:
            try:
                sock, address = self._accept(listening)
            except (OSError, EOFError):
                return
            self._serve(sock, address)

    def _accept(self, listening):
        if self.unwatched is not None:
            waiting = poll()
            for descriptor in (listening.fileno(), self.unwatched):
                waiting.register(descriptor, POLLIN)
            waiting.poll()
            lifeline.end_if_closed(self.unwatched)
        return listening.accept()

    def _serve(self, sock, address, received=b""):
        standby.StandbyState.connection = sock.fileno()
        try:
            Connection(sock, address, self, None, received).run()
        except OSError:
            pass
        standby.StandbyState.connection = -1


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


def serve():
    """Run the worker until its server goes away."""
    options = json.loads(os.environ.pop("FCGIEMU_WORKER", "{}"))
    resumed = standby.begin(sys.modules["__main__"].STARTED_WITH, options.get("mark", ""))
    server = FcgiServer()
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
