"""A connection of a worker: FastCGI requests one after another, with wfastcgi's semantics. Python
3.6 syntax.

flup has the server, the loop and the end of a connection, and the numbers and pairs of the
protocol. What every request passes is ours, because flup makes an object of each record, asks
``select`` and ``recv`` for every piece of one, and cannot read a pair that spans records. Here a
request costs one read, as the server sends a small one at once, and one write, of everything that
the application has said without asking for it to leave earlier. Output collects as it comes and
becomes records when it leaves, so that headers and a body given as a list are one record.

A request begins with BEGIN_REQUEST, which takes the place of one that has been given up, and is
complete with the end of STDIN: as in wfastcgi, the application is not called before. Records of
other requests are dropped.
"""

import io
import struct
import tempfile

from flup.server import fcgi_base

from . import environ, standby

try:  # by themselves: a site may patch the module (gevent)
    from select import POLLIN, poll
except ImportError:  # Windows
    POLLIN = poll = None

#: Request bodies above this are kept in a temporary file instead of memory; it is above IIS's
#: own maxAllowedContentLength (30,000,000 bytes), so that without another one every body is a
#: BytesIO, as wfastcgi has it.
BODY_IN_MEMORY = 32 << 20
_HEADER = struct.Struct(fcgi_base.FCGI_Header)
_RECORD_LIMIT = 65535
_FLUSH_AT = 1 << 16
_READ = 1 << 16


class LargeBody(io.BufferedRandom):
    """A body in a temporary file, with what a BytesIO has besides."""

    def getvalue(self):
        """The whole body, wherever the position is."""
        position = self.tell()
        self.seek(0)
        try:
            return self.read()
        finally:
            self.seek(position)

    def getbuffer(self):
        """The same as a memoryview; what is written to it does not reach the body."""
        return memoryview(bytearray(self.getvalue()))


class Request:
    """A complete request: its ``environ`` and its ``body``, which is seekable; what the application
    says goes to ``write`` and ``write_error``.
    """

    environ = None

    def __init__(self, connection, number, keeps):
        self.number = number
        #: Whether the connection outlives the request.
        self.keeps = keeps
        self.body = io.BytesIO()
        self._connection = connection
        self._params = []
        self._output = []
        self._waiting = 0
        self._errors = []

    # -- what the server sends ---------------------------------------------------------------------

    def take_params(self, content):
        """A part of the parameters, or their end."""
        if content:
            self._params.append(content)
        else:
            self.environ = self._connection.decoder.decoded(b"".join(self._params))

    def take_body(self, content):
        """A part of the body."""
        if self.body.tell() + len(content) > BODY_IN_MEMORY and type(self.body) is io.BytesIO:
            self._to_file()
        self.body.write(content)

    def _to_file(self):
        try:
            body = LargeBody(tempfile.TemporaryFile(buffering=0))
        except OSError:  # no folder for it
            return
        body.write(self.body.getvalue())
        self.body = body

    # -- what the application says -----------------------------------------------------------------

    def write(self, data):
        """A part of STDOUT, which may wait for what follows."""
        if data:
            self._output.append(data)
            self._waiting += len(data)
            if self._waiting >= _FLUSH_AT:
                self.flush()

    def write_error(self, data):
        """A part of STDERR, which leaves at the end."""
        self._errors.append(data)

    def flush(self):
        """Send what has been written so far."""
        if self._output:
            self._connection.send(b"".join(self._records()))

    def end(self, status):
        """Send the rest, and END_REQUEST."""
        number = self.number
        records = self._records() if self._output else []
        if self._errors:
            records += _stream(fcgi_base.FCGI_STDERR, number, b"".join(self._errors))
            records.append(_HEADER.pack(1, fcgi_base.FCGI_STDERR, number, 0, 0))
        records.append(_HEADER.pack(1, fcgi_base.FCGI_STDOUT, number, 0, 0))
        records.append(
            _HEADER.pack(
                1, fcgi_base.FCGI_END_REQUEST, number, fcgi_base.FCGI_EndRequestBody_LEN, 0
            )
        )
        records.append(
            struct.pack(fcgi_base.FCGI_EndRequestBody, status, fcgi_base.FCGI_REQUEST_COMPLETE)
        )
        self._connection.send(b"".join(records))

    def _records(self):
        output, self._output = self._output, []
        self._waiting = 0
        data = output[0] if len(output) == 1 else b"".join(output)
        return _stream(fcgi_base.FCGI_STDOUT, self.number, data)


def _stream(kind, number, data):
    """Records of a stream, headers and contents in turn."""
    records = []
    for start in range(0, len(data), _RECORD_LIMIT):
        content = data[start : start + _RECORD_LIMIT]
        records.append(_HEADER.pack(1, kind, number, len(content), 0))
        records.append(content)
    return records


class Connection(fcgi_base.Connection):
    """One connection to the server; ``server.handler`` answers its requests. ``received`` is what
    another process has read of it.
    """

    def __init__(self, sock, server, received=b""):
        fcgi_base.Connection.__init__(self, sock, "", server, None)
        self._input = received
        self._position = 0
        self.decoder = environ.Decoder()
        self._readable = poll and poll()
        if self._readable:
            self._readable.register(sock, POLLIN)

    def process_input(self):
        """Have the next request answered. Raises EOFError where the stream ends or is not FastCGI
        1.0.
        """
        request = self._request()
        self._keepGoing = request.keeps
        self.server.handler(request)

    def send(self, data):
        """Send bytes. Raises OSError where the server has gone."""
        self._sock.sendall(data)

    def writeRecord(self, record):
        """Send a record of flup's at once."""
        content = record.contentData
        self.send(_HEADER.pack(1, record.type, record.requestId, len(content), 0) + content)

    def _request(self):
        request = None
        while True:
            kind, number, content = self._record()
            if kind == fcgi_base.FCGI_BEGIN_REQUEST and len(content) == 8:
                request = Request(self, number, bool(content[2] & fcgi_base.FCGI_KEEP_CONN))
            elif kind == fcgi_base.FCGI_GET_VALUES:
                self._tell_values(content)
            elif not number:
                self._do_unknown_type(fcgi_base.Record(kind))
            elif request is None or number != request.number:
                continue
            elif kind == fcgi_base.FCGI_PARAMS:
                request.take_params(content)
            elif kind == fcgi_base.FCGI_STDIN:
                if content:
                    request.take_body(content)
                elif request.environ is not None:
                    request.body.seek(0)
                    return request

    def _record(self):
        """The type, request id and content of the next record."""
        self._need(_HEADER.size)
        start = self._position + _HEADER.size
        version, kind, number, length, padding = _HEADER.unpack_from(self._input, self._position)
        if version != 1:
            raise EOFError
        if len(self._input) < start + length + padding:
            self._need(_HEADER.size + length + padding)
            start = self._position + _HEADER.size
        self._position = start + length + padding
        return kind, number, self._input[start : start + length]

    def _need(self, size):
        """Have so many bytes that nobody has taken."""
        waiting = len(self._input) - self._position
        if waiting >= size:
            return
        parts = [self._input[self._position :]]
        while waiting < size:
            # who waits in recv instead is woken on Linux, for nothing, when the peer has read as
            # well
            if self._readable:
                self._readable.poll()
            data = self._sock.recv(_READ)
            if not data:
                raise EOFError
            if standby.StandbyState.received is not None:
                standby.StandbyState.received.write(data)
            parts.append(data)
            waiting += len(data)
        self._input = b"".join(parts)
        self._position = 0

    def _tell_values(self, asked):
        """Answer GET_VALUES: flup looks for names of bytes among those of its server, which are
        texts.
        """
        told = fcgi_base.Record(fcgi_base.FCGI_GET_VALUES_RESULT)
        for name in environ.decoded(asked):
            value = self.server.capability.get(name)
            if value is not None:
                pair = name.encode("latin-1"), str(value).encode("latin-1")
                told.contentData += fcgi_base.encode_pair(*pair)
        self.writeRecord(told)
