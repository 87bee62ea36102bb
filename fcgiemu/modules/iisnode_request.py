"""What iisnode adds to a request on its way to Node, and to the environment of the application
(seen in its source and tests).
"""

from __future__ import annotations

from collections.abc import Iterator

from ..applications import Application
from ..decision import CallIisnode, Decision
from ..hosting import Hosting
from ..http.response import Header
from ..rewrite.state import RewriteState
from .iisnode import compiled

#: The release of iisnode that is emulated.
VERSION = "0.2.27"
#: node_env where the variable that its default names is not set.
_NOT_SET = "%node_env%"

#: Variables that every request of a server has and that are empty here.
_EMPTY = frozenset(
    {
        "AUTH_PASSWORD",
        "CERT_COOKIE",
        "CERT_FLAGS",
        "CERT_ISSUER",
        "CERT_SERIALNUMBER",
        "CERT_SUBJECT",
        "HTTPS_KEYSIZE",
        "HTTPS_SECRETKEYSIZE",
        "HTTPS_SERVER_ISSUER",
        "HTTPS_SERVER_SUBJECT",
    }
)


def added_headers(decision: Decision, action: CallIisnode) -> list[Header]:
    """The headers of enableXFF and promoteServerVars, in the order in which Node gets them."""
    return [*_forwarded(decision, action), *_promoted(decision, action)]


def _forwarded(decision: Decision, action: CallIisnode) -> Iterator[Header]:
    """X-Forwarded-For continued with the client's address, without a port, and
    X-Forwarded-Proto where the client has sent none.
    """
    if not compiled(action.settings).adds_forwarded_for:
        return
    state = _state(decision)
    came, address = state.variable("HTTP_X_FORWARDED_FOR"), decision.request.remote_addr
    if not came:
        yield "X-Forwarded-For", address
    else:
        yield "X-Forwarded-For", came if came.endswith(address) else f"{came}, {address}"
    if not state.variable("HTTP_X_FORWARDED_PROTO"):
        yield "X-Forwarded-Proto", decision.request.scheme


def _promoted(decision: Decision, action: CallIisnode) -> Iterator[Header]:
    """X-iisnode-<NAME> for each variable that exists, the last name first. Blanks are a part of a
    name.
    """
    promoted = compiled(action.settings).promoted
    state = _state(decision) if promoted else None
    for name in reversed(promoted):
        assert state is not None
        upper = name.upper()
        if upper in _EMPTY or state.has_variable(upper):
            yield f"X-iisnode-{name}", state.variable(upper)


def environment(hosting: Hosting, application: Application, action: CallIisnode) -> dict[str, str]:
    """The variables that iisnode sets, but for PORT, which belongs to a process. Paths are as in
    the configuration.
    """
    settings = compiled(action.settings)
    found = {"IISNODE_VERSION": VERSION, "NODE_PENDING_PIPE_INSTANCES": "5000"}
    found |= app_settings(hosting, application)
    if settings.node_env not in ("", _NOT_SET):
        found["NODE_ENV"] = settings.node_env
    if settings.logging:
        found |= {
            "IISNODE_LOGGINGENABLED": "1",
            "IISNODE_LOGDIRECTORY": settings.log_directory,
            "IISNODE_MAXTOTALLOGFILESIZEINKB": str(settings.log_total_kb),
            "IISNODE_MAXLOGFILESIZEINKB": str(settings.log_file_kb),
            "IISNODE_MAXLOGFILES": str(settings.log_files),
        }
    return found


def app_settings(hosting: Hosting, application: Application) -> dict[str, str]:
    """<appSettings> at the root of an application, those above it among them; an empty value
    counts, an empty key does not.
    """
    section = hosting.effective(application.url or "/").section("appSettings")
    return {key: value for key, value in section.rows("key", "value") if key}


def _state(decision: Decision) -> RewriteState:
    state = RewriteState.of(decision.request, decision.site.files, decision.rewrite)
    state.user = decision.user
    return state
