"""FastCGI parameters -> WSGI environ, by wfastcgi 3.0.0's rules and in its order."""

BYTES_KEYS = (
    ("SCRIPT_NAME", "wsgi.script_name"),
    ("PATH_INFO", "wsgi.path_info"),
    ("QUERY_STRING", "wsgi.query_string"),
    ("HTTP_X_ORIGINAL_URL", "wfastcgi.http_x_original_url"),
)


def keep_raw(environ):
    """Keep the bytes of the four texts whose decoding applications may want to redo."""
    for name, raw in BYTES_KEYS:
        if name in environ:
            environ[raw] = environ[name].encode("latin-1")


def adjust(environ, settings):
    """SCRIPT_NAME and PATH_INFO as a wfastcgi application sees them. ``settings`` is the process environment.

    Raises KeyError where IIS sent no PATH_INFO, as wfastcgi does.
    """
    if "HTTP_X_ORIGINAL_URL" in environ:
        environ["PATH_INFO"] = environ["HTTP_X_ORIGINAL_URL"]  # not percent-decoded: PTVS issue 123
    environ["PATH_INFO"], _, _ = environ["PATH_INFO"].partition("?")
    if "AllowPathInfoForScriptMappings" not in settings:
        environ["SCRIPT_NAME"] = ""
    prefix = settings.get("SCRIPT_NAME")
    if prefix and environ["PATH_INFO"].lower().startswith(prefix.lower()):  # a plain prefix: /app1 takes /app10 too
        environ["SCRIPT_NAME"] = prefix
        environ["PATH_INFO"] = environ["PATH_INFO"][len(prefix):]
    return environ
