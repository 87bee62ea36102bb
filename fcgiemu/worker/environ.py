"""FastCGI parameters -> WSGI environ, by wfastcgi 3.0.0's rules and in its order. Python 3.6
syntax.
"""

import struct

_LONG = struct.Struct(">L").unpack_from
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
