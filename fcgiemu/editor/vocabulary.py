"""The words that rules and settings know beside the schema: server variables, functions, keys."""

from __future__ import annotations

from ..diagnosis.rewrite_conditions import VARIABLES

#: Server variables -> what URL Rewrite finds in them (measured or documented; see docs/facts.md).
MEANINGS = {
    "URL": "The path of the current URL, decoded, with its leading slash; earlier rules change it.",
    "QUERY_STRING": "The current query without its question mark; earlier rules change it.",
    "REQUEST_URI": "Path and query as they were asked for, before any rewrite.",
    "UNENCODED_URL": "Path and query as the client sent them, not decoded.",
    "REQUEST_FILENAME": "The physical path of the current URL: for IsFile and IsDirectory.",
    "PATH_INFO": "For rules the path of the current URL.",
    "SCRIPT_NAME": "For rules the path of the current URL.",
    "HTTP_URL": "The current path and query.",
    "HTTP_HOST": "The Host header, with the port where the client names one.",
    "HTTPS": "on or off, in lower case.",
    "SERVER_PORT": "The port that the request came to.",
    "SERVER_PORT_SECURE": "1 over TLS, else 0.",
    "SERVER_NAME": "The host without the port.",
    "REQUEST_METHOD": "GET, POST …",
    "REMOTE_ADDR": "The address of the client; of the proxy where one is in front.",
    "HTTP_X_FORWARDED_PROTO": "http or https, where a proxy in front says so.",
    "HTTP_X_FORWARDED_FOR": "The client's address, where a proxy in front says so.",
    "HTTP_X_ORIGINAL_URL": "After a rewrite the path and query before it, set by the module.",
    "HTTP_USER_AGENT": "The browser, as it names itself.",
    "HTTP_REFERER": "The page that led here, where the browser tells it.",
    "HTTP_COOKIE": "All cookies as one text.",
    "HTTP_ACCEPT_ENCODING": "Set it to an empty text for outbound rules: they cannot read gzip.",
    "CACHE_URL": "Scheme, host, port, path and query of the request.",
    "REMOTE_USER": "Empty in inbound rules: they run before authentication.",
    "LOGON_USER": "Empty in inbound rules: they run before authentication.",
    "RESPONSE_LOCATION": "In outbound rules: the Location header.",
    "RESPONSE_CONTENT_TYPE": "In outbound rules: the Content-Type header.",
    "RESPONSE_SET_COOKIE": "In outbound rules: the Set-Cookie header.",
    "RESPONSE_STATUS": "In outbound rules: the status.",
}
#: Every name that is offered.
NAMES = tuple(dict.fromkeys((*MEANINGS, *sorted(VARIABLES))))
#: What else may begin a ``{…}`` of a rule -> what it makes.
FUNCTIONS = {
    "R:0": "What the rule's pattern has matched; {R:1} is its first group.",
    "R:1": "The first group of the rule's pattern.",
    "C:0": "What the last condition has matched; {C:1} is its first group.",
    "C:1": "The first group of the last condition that matched.",
    "ToLower:": "Its argument in lower case.",
    "UrlEncode:": "Its argument, percent-encoded.",
    "UrlDecode:": "Its argument, decoded.",
}
#: Keys of <appSettings> that the FastCGI script for Python reads (wfastcgi's own).
KEYS = {
    "WSGI_HANDLER": "The WSGI application: module.name, with () where it is to be called first.",
    "PYTHONPATH": "Folders, with ; between them, from which modules are imported.",
    "WSGI_LOG": "A file for what the script reports.",
    "WSGI_RESTART_FILE_REGEX": "A process ends when a file changes whose name fits (.*\\.py$).",
    "WSGI_ALT_VIRTUALENV_HANDLER": "The application that ptvs_virtualenv_proxy loads.",
    "WSGI_ALT_VIRTUALENV_ACTIVATE_THIS": "Its activate_this.py, or its python.exe.",
    "DJANGO_SETTINGS_MODULE": "The settings of a Django site.",
    "APPINSIGHTS_INSTRUMENTATIONKEY": "The script sends its telemetry there.",
    "SCRIPT_NAME": "Where the application lies, in the place of what IIS says.",
}


def meaning(name: str) -> str:
    """What a server variable holds; "" where nothing is known."""
    upper = name.upper()
    if upper in MEANINGS:
        return MEANINGS[upper]
    if upper.startswith("HTTP_"):
        return f"The request header {upper[5:].replace('_', '-').title()}."
    if upper.startswith("RESPONSE_"):
        return f"In outbound rules: the response header {upper[9:].replace('_', '-').title()}."
    return "A server variable of IIS." if upper in VARIABLES else ""
