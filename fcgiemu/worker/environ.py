"""FastCGI parameters -> WSGI environ, by wfastcgi 3.0.0's rules and in its order. Python 3.6
syntax.
"""

import struct

_LONG = struct.Struct(">L").unpack_from
#: Settings that ``script_name`` looks at.
ABOUT_SCRIPT_NAME = ("AllowPathInfoForScriptMappings", "SCRIPT_NAME")
#: Kinds of streams that are remembered.
TEMPLATES = 4
_RAW = {
    "SCRIPT_NAME": "wsgi.script_name",
    "PATH_INFO": "wsgi.path_info",
    "QUERY_STRING": "wsgi.query_string",
    "HTTP_X_ORIGINAL_URL": "wfastcgi.http_x_original_url",
}


def decoded(data):
    """A whole PARAMS stream as native strings (Latin-1); the bytes of four values are kept beside.

    Raises IndexError or struct.error for lengths that run over its end.
    """
    environ = {}
    text = data.decode("latin-1")
    position, end = 0, len(data)
    while position < end:
        length = data[position]
        position += 1
        if length > 127:
            length = _LONG(data, position - 1)[0] & 0x7FFFFFFF
            position += 3
        size = data[position]
        position += 1
        if size > 127:
            size = _LONG(data, position - 1)[0] & 0x7FFFFFFF
            position += 3
        start = position + length
        name = text[position:start]
        position = start + size
        if position > end:
            raise IndexError("a pair runs over the end of its stream")
        if name in _RAW:
            environ[_RAW[name]] = data[start:position]
        environ[name] = text[start:position]
    return environ


class Decoder:
    """Decodes streams that resemble each other, as those of most requests do.

    What has come before is kept as a few templates: runs of bytes that have been the same each
    time, and between them the names of variables whose values change. A stream that fits one is
    the template's environ with those values; what fits none is decoded as if nothing were known,
    and widens the template that has its names, or becomes one.
    """

    def __init__(self):
        self._templates = []

    def decoded(self, data):
        """As the function of that name."""
        for template in self._templates:
            environ = template.fill(data)
            if environ is not None:
                return environ
        environ = decoded(data)
        pairs = _pairs(data)
        names = [name for name, _ in pairs]
        for template in self._templates:
            if template.names == names:
                template.widen(pairs)
                break
        else:
            self._templates.insert(0, _Template(environ, names, pairs))
            del self._templates[TEMPLATES:]
        return environ.copy()


class _Template:
    """Streams with the variables ``names``, of which all but those in ``_change`` are as in
    ``pairs``.
    """

    def __init__(self, environ, names, pairs):
        self.names = names
        self._environ = environ
        self._pairs = pairs
        self._change = set()
        self._parts = [b"".join(pair for _, pair in pairs)]

    def widen(self, pairs):
        """Let it fit ``pairs`` as well."""
        for place, (name, pair) in enumerate(pairs):
            if self._pairs[place][1] != pair:
                self._change.add(name)
        self._parts = [b""]
        for name, pair in self._pairs:
            if name in self._change:
                key = name.decode("latin-1")
                self._parts += [(name, key, _RAW.get(key)), b""]
            else:
                self._parts[-1] += pair

    def fill(self, data):
        """The environ of a stream; None where it does not fit."""
        position, end = 0, len(data)
        environ = self._environ.copy()
        for part in self._parts:
            if type(part) is bytes:
                if not data.startswith(part, position):
                    return None
                position += len(part)
                continue
            name, key, raw = part
            if position + 5 > end or data[position] != len(name):
                return None
            size = data[position + 1]
            start = position + 2
            if size > 127:
                size = _LONG(data, position + 1)[0] & 0x7FFFFFFF
                start += 3
            if not data.startswith(name, start):
                return None
            start += len(name)
            position = start + size
            value = data[start:position]
            environ[key] = value.decode("latin-1")
            if raw is not None:
                environ[raw] = value
        return environ if position == end else None


def _pairs(data):
    """The names of a whole stream, and the bytes of each pair."""
    pairs = []
    position = 0
    while position < len(data):
        begin = position
        lengths = []
        for _ in range(2):
            length = data[position]
            position += 1
            if length > 127:
                length = _LONG(data, position - 1)[0] & 0x7FFFFFFF
                position += 3
            lengths.append(length)
        name = data[position : position + lengths[0]]
        position += sum(lengths)
        pairs.append((name, data[begin:position]))
    return pairs


def _set(environ, name, text):
    environ[name] = text
    environ[_RAW[name]] = text.encode("latin-1", "replace")


def original_url(environ):
    """PATH_INFO from X-Original-URL where IIS sent it (not percent-decoded: PTVS issue 123), cut at
    the first ``?``.

    Raises KeyError where there is no PATH_INFO.
    """
    path = environ.get("HTTP_X_ORIGINAL_URL", environ["PATH_INFO"])
    _set(environ, "PATH_INFO", path.partition("?")[0])


def script_name(environ, settings):
    """SCRIPT_NAME emptied, or taken from the setting of that name. ``settings`` is the process
    environment.
    """
    if "AllowPathInfoForScriptMappings" not in settings:
        _set(environ, "SCRIPT_NAME", "")
    prefix = settings.get("SCRIPT_NAME")
    if prefix is not None and environ["PATH_INFO"].lower().startswith(prefix.lower()):
        _set(environ, "SCRIPT_NAME", prefix)  # a plain prefix: /app1 takes /app10 as well
        _set(environ, "PATH_INFO", environ["PATH_INFO"][len(prefix) :])
