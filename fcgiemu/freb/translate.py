"""The engine's own trace in the form of IIS: every notification with its modules, in the order of
the server, with IIS's values.

Measured (see docs/freb.md): static 200 and 304, default documents, 404.0 with and without an error
file, rules that do not apply, errors that a module sets. What genuine traces have not shown -
redirects of IIS itself, refusals, FastCGI, what happens after a rewrite - stands where the nearest
measured case has it, and is marked not measured.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..trace import Event
from . import event_table, response_events, wire
from .file_access import E_FILE_NOT_FOUND, file_access
from .module_orders import ORDERS, POST
from .rewriting import Translation, scopes
from .traced_exchange import Mapping, TracedExchange
from .translated_event import TranslatedEvent, is_measured, translated

_CORE = "IIS Web Core"
_NOTIFICATIONS = {
    name: str(number)
    for number, name in sorted(
        {
            number: name
            for known in event_table.definitions()
            for number, name in known.values.get("Notification", {}).items()
        }.items()
    )
}
_AUTHENTICATION = {
    "BasicAuthenticationModule": "2",
    "CertificateMappingAuthenticationModule": "128",
    "WindowsAuthenticationModule": "4",
    "IISCertificateMappingAuthenticationModule": "128",
    "AnonymousAuthenticationModule": "1",
}
#: Measured: events that IIS before 10 does not have.
_OF_IIS_10 = frozenset({"FILE_CACHE_CREATE_FILE", "GENERAL_SET_RESPONSE_HEADER"})
_OLD_SERVERS = frozenset({"iis-express-8", "azure-2012"})
#: Notifications in which a decision ends the request, in order.
_STAGES = (
    "PRE_BEGIN_REQUEST",
    "BEGIN_REQUEST",
    "AUTHENTICATE_REQUEST",
    "AUTHORIZE_REQUEST",
    "RESOLVE_REQUEST_CACHE",
    "MAP_REQUEST_HANDLER",
    "EXECUTE_REQUEST_HANDLER",
)
_AUTHENTICATED = _STAGES.index("AUTHENTICATE_REQUEST")
_HANDLER_STAGE = _STAGES.index("EXECUTE_REQUEST_HANDLER")
#: Kinds of outcomes that a handler makes.
HANDLED = frozenset(
    {"static", "directory", "fastcgi", "httpPlatform", "aspNetCore", "iisnode", "proxy"}
)


def translate(exchange: TracedExchange, *, measured_only: bool = False) -> list[TranslatedEvent]:
    """The trace of a request in IIS's form. What only an application could tell is not in it."""
    steps = list(_Translator(exchange).whole())
    if exchange.server in _OLD_SERVERS:
        steps = [step for step in steps if step.event.name not in _OF_IIS_10]
    if measured_only:
        steps = [step for step in steps if step.measured and is_measured(step)]
    return steps


def is_anonymous(exchange: TracedExchange) -> bool:
    """Whether the request came as far as authentication: before that, it has no user."""
    return _Translator(exchange).stage >= _AUTHENTICATED


def _snake(notification: str) -> str:
    """``BeginRequest`` of a decision -> ``BEGIN_REQUEST``."""
    return "".join("_" + char if char.isupper() else char.upper() for char in notification)[1:]


class _Translator:
    """Writes the events of one request; ``child`` is whether a default document is at work."""

    def __init__(self, exchange: TracedExchange, child: bool = False) -> None:
        self.exchange = exchange
        self.child = child
        self.order = ORDERS.get(exchange.server, ORDERS["iis10-default"])
        self.runs = {} if child else _runs(exchange)
        self.stage = self._stage()
        document = exchange.document
        #: The folder's own request ends in a child request, which sends the response.
        self.parent = bool(document) and not child
        self.mapped = exchange.of_document if child else exchange.mapped
        #: The mapping whose modules execute.
        self.working = self.mapped if child else exchange.final or exchange.mapped
        self.path = document if child else exchange.path

    def _stage(self) -> int:
        """In which notification the request's outcome is made."""
        named = _snake(self.exchange.notification)
        if self.exchange.kind in HANDLED:
            return _HANDLER_STAGE
        return _STAGES.index(named) if named in _STAGES else _STAGES.index("BEGIN_REQUEST")

    # -- the whole -----------------------------------------------------------------------------

    def whole(self) -> Iterator[TranslatedEvent]:
        exchange = self.exchange
        query = "" if self.child else exchange.query
        url = wire.absolute(exchange.scheme, exchange.host, exchange.port, self.path, query)
        yield translated(
            "GENERAL_REQUEST_START",
            *(str(exchange.site_id), exchange.pool, "0", "0", url, exchange.verb),
        )
        yield from self.beginning()
        for number, notification in enumerate(_STAGES[1:-1], 1):
            yield from self.notify(notification)
            if notification == "AUTHENTICATE_REQUEST":
                yield from self.notify(notification + POST)
                if self.stage > number:
                    yield from self.look_up()
            if self.stage == number and not self.parent:
                yield from self.finish_in_core(notification)
                yield from self.ending()
                return
        yield from self.handler()
        if exchange.answered is None:
            return
        if self.parent or exchange.kind not in ("respond", "redirect"):
            if not self.parent:
                yield from self.notify("RELEASE_REQUEST_STATE")
            yield from self.notify("RELEASE_REQUEST_STATE" + POST, "UPDATE_REQUEST_CACHE")
        yield from self.ending()

    def beginning(self) -> Iterator[TranslatedEvent]:
        """PRE_BEGIN_REQUEST, and what the core says before BEGIN_REQUEST."""
        for module in self.modules("PRE_BEGIN_REQUEST"):
            yield translated("PRE_BEGIN_REQUEST_START", module)
            ends = False
            if module == "RewriteModule" and "Global" in self.runs:
                yield from self.rules("Global")
                ends = self.stage == 0
            yield translated(
                "PRE_BEGIN_REQUEST_END", module, "1" if ends else "0", measured=not ends
            )
        exchange = self.exchange
        yield translated(
            "GENERAL_ENDPOINT_INFORMATION",
            *(exchange.remote[0], str(exchange.remote[1])),
            *(exchange.local[0], str(exchange.local[1])),
        )
        headers = exchange.headers
        if self.child:  # measured: it has joined the request's headers there
            headers = (*headers, ("Content-Length", "0"))
        yield translated("GENERAL_REQUEST_HEADERS", wire.request_block(headers))
        query = "" if self.child else exchange.query
        yield translated("URL_CACHE_ACCESS_START", self.path + (f"?{query}" if query else ""))
        yield translated("URL_CACHE_ACCESS_END", "", "false", "true", "0")
        yield translated("GENERAL_GET_URL_METADATA", "", "513")
        if self.mapped is not None:
            yield self.handler_changed(self.mapped)
        yield from self.notify("MAP_PATH")

    def handler_changed(self, mapped: Mapping, measured: bool = True) -> TranslatedEvent:
        return translated(
            "HANDLER_CHANGED",
            *("", mapped.name, ",".join(mapped.modules), mapped.script_processor, ""),
            measured=measured,
            place=mapped.place,
        )

    # -- notifications -------------------------------------------------------------------------

    def modules(self, notification: str) -> list[str]:
        absent = self.exchange.absent
        if self.stage < _AUTHENTICATED and not self.parent:
            # measured: these are not called for a request that ends before it is authenticated
            absent |= {"LOG_REQUEST": {"AspNetFilterModule"}}.get(notification, set())
            absent |= {"END_REQUEST" + POST: {"ManagedPipelineHandler"}}.get(notification, set())
        return [name for name in self.order.get(notification, ()) if name not in absent]

    def notify(self, *notifications: str) -> Iterator[TranslatedEvent]:
        """The modules of notifications, up to the one that ends the request."""
        for notification in notifications:
            name = notification.removesuffix(POST)
            post = notification.endswith(POST)
            ending = (
                not post
                and not self.parent
                and name in _STAGES
                and self.stage == _STAGES.index(name)
            )
            for module in self.modules(notification):
                ends = ending and module == self.exchange.module
                yield from self.module(module, name, post, ends)
                if ends:
                    return
            if (
                name == "BEGIN_REQUEST"
                and ending
                and self.exchange.module
                not in (
                    _CORE,
                    *self.modules(notification),
                )
            ):
                yield from self.module(self.exchange.module, name, False, True)

    def module(
        self, module: str, notification: str, post: bool, ends: bool
    ) -> Iterator[TranslatedEvent]:
        """One module's notification, and what happens inside it."""
        number = _NOTIFICATIONS[notification]
        flag = "true" if post else "false"
        yield translated("NOTIFY_MODULE_START", module, number, flag)
        yield from self.inside(module, notification)
        if ends:
            yield from self.outcome(notification)
        yield translated("NOTIFY_MODULE_END", module, number, flag, "2" if ends else "0")

    def inside(self, module: str, notification: str) -> Iterator[TranslatedEvent]:
        """What a module does that does not end the request."""
        if notification == "BEGIN_REQUEST" and module == "RewriteModule":
            yield from self.rules("Distributed")
        elif notification == "AUTHENTICATE_REQUEST" and module in _AUTHENTICATION:
            yield from _authentication(_AUTHENTICATION[module], self.exchange)
        elif notification == "RESOLVE_REQUEST_CACHE" and module == "HttpCacheModule":
            yield translated("OUTPUT_CACHE_LOOKUP_START")
            yield translated("OUTPUT_CACHE_LOOKUP_END", "0")
        elif notification == "MAP_REQUEST_HANDLER" and module == "StaticCompressionModule":
            if self.exchange.is_express and self.exchange.kind == "static":
                yield translated("STATIC_COMPRESSION_START")
                yield translated("STATIC_COMPRESSION_NOT_SUCCESS", "6")
                yield translated("STATIC_COMPRESSION_END")
        elif notification == "SEND_RESPONSE":
            yield from response_events.sending(self.exchange, module)

    def rules(self, scope: str) -> Iterator[TranslatedEvent]:
        """Runs of rules, and the change of the URL that they made."""
        exchange = self.exchange
        for events in self.runs.get(scope, ()):
            yield from Translation().run(events)
        if scope == "Distributed" and exchange.rewritten and not self.child:
            old = exchange.path
            yield translated("URL_CHANGED", old, exchange.final_path, measured=False)
            if exchange.final is not None:
                yield self.handler_changed(exchange.final, measured=False)

    def outcome(self, notification: str) -> Iterator[TranslatedEvent]:
        """What a module says when it ends the request."""
        exchange = self.exchange
        if exchange.decided is None:
            return
        status, substatus, reason = exchange.decided
        number = _NOTIFICATIONS.get(notification, "0")
        where = (exchange.module, number, str(status), reason)
        if status >= 400:
            yield translated(
                "MODULE_SET_RESPONSE_ERROR_STATUS",
                *where,
                *(str(substatus), str(exchange.hresult), ""),
                # measured: 404.0 of the core; errors of modules with ErrorCode 0
                measured=(status, exchange.hresult) == (404, E_FILE_NOT_FOUND)
                or not exchange.hresult
                and not substatus,
            )
            return
        # measured for managed modules; IIS's own redirects and responses have not been seen
        yield translated("MODULE_SET_RESPONSE_SUCCESS_STATUS", *where, measured=False)
        for name in ("Location", "Content-Type"):
            for key, value in exchange.answered.headers if exchange.answered else ():
                if key == name:
                    yield translated(
                        "GENERAL_SET_RESPONSE_HEADER", key, value, "true", measured=False
                    )

    def finish_in_core(self, notification: str) -> Iterator[TranslatedEvent]:
        """An error of the core stands between notifications, not inside one."""
        if self.exchange.module == _CORE:
            yield from self.outcome(notification)

    # -- files and handlers --------------------------------------------------------------------

    def look_up(self) -> Iterator[TranslatedEvent]:
        """The file or folder, between AUTHENTICATE_REQUEST and AUTHORIZE_REQUEST."""
        mapped = self.working
        if mapped is None or not mapped.needs_file:
            return
        path = self.path if self.child or self.parent else self.exchange.final_path or self.path
        yield from file_access(self.exchange, path, added=self.child)

    def handler(self) -> Iterator[TranslatedEvent]:
        """EXECUTE_REQUEST_HANDLER: the handler's modules, in its order, up to the one that
        answers.
        """
        mapped = self.working
        if mapped is None:
            return
        for module in mapped.modules:
            if module in self.exchange.absent:
                continue
            alone = len(mapped.modules) == 1
            ends = not self.parent and (module == self.exchange.module or alone)
            number = _NOTIFICATIONS["EXECUTE_REQUEST_HANDLER"]
            yield translated("NOTIFY_MODULE_START", module, number, "false")
            if self.parent and module == "DefaultDocumentModule":
                yield from self.default_document(number)
                if self.exchange.answered is not None:
                    yield translated("NOTIFY_MODULE_END", module, number, "false", "0")
                return
            if not self.parent:
                yield from self.execute(module, ends)
            error = self.exchange.kind in ("respond", "redirect") and ends
            if not ends or self.exchange.answered is not None or module == "StaticFileModule":
                yield translated(
                    "NOTIFY_MODULE_END", module, number, "false", "2" if error else "0"
                )
            if ends:
                return

    def execute(self, module: str, ends: bool) -> Iterator[TranslatedEvent]:
        answered = self.exchange.answered
        if module == "StaticFileModule" and self.exchange.kind == "static" and answered is not None:
            name = self.exchange.physical(self.exchange.final_path or self.path)
            if self.child:
                name = self.exchange.physical(self.path)
            yield translated("GENERAL_STATIC_FILE_HANDLER", name.upper())
            if answered.status == 200:
                for key, value in answered.headers:
                    if key == "Content-Type":
                        yield translated("GENERAL_SET_RESPONSE_HEADER", key, value, "true")
            else:
                yield translated(
                    "MODULE_SET_RESPONSE_SUCCESS_STATUS",
                    *(module, _NOTIFICATIONS["EXECUTE_REQUEST_HANDLER"]),
                    *(str(answered.status), answered.reason),
                    measured=answered.status == 304,
                )
        elif module == "FastCgiModule":
            yield translated("FASTCGI_START", measured=False)
            if answered is not None:
                yield translated("FASTCGI_RESPONSE_WRITTEN", measured=False)
                yield translated("FASTCGI_END", measured=False)
        elif ends and self.exchange.kind in ("respond", "redirect"):
            yield from self.outcome("EXECUTE_REQUEST_HANDLER")

    def default_document(self, number: str) -> Iterator[TranslatedEvent]:
        """The documents that are tried, and the child request of the one that exists."""
        exchange = self.exchange
        folder = self.path.rstrip("/")
        for name in exchange.documents:
            path = f"{folder}/{name}"
            yield from file_access(self.exchange, path, added=True)
            if path == exchange.document:
                break
        url = wire.absolute(exchange.scheme, exchange.host, exchange.port, exchange.document, "")
        yield translated(
            "GENERAL_CHILD_REQUEST_START", str(exchange.site_id), url, exchange.verb, "1"
        )
        yield from _Translator(exchange, child=True).whole()
        answered = exchange.answered
        if answered is None:
            return
        status = (str(answered.status), str(answered.substatus))
        yield translated(
            "GENERAL_CHILD_REQUEST_END", str(response_events.bytes_sent(answered)), *status
        )
        module = "DefaultDocumentModule"
        yield translated("NOTIFY_MODULE_COMPLETION", module, number, "false", "0", "0")

    # -- the response --------------------------------------------------------------------------

    def ending(self) -> Iterator[TranslatedEvent]:
        """LOG_REQUEST, END_REQUEST, then the response, where it is this request that sends it."""
        yield from self.notify("LOG_REQUEST", "END_REQUEST", "END_REQUEST" + POST)
        answered = self.exchange.answered
        if answered is None:
            return
        if not self.parent:
            yield from self.notify("SEND_RESPONSE")
            yield from response_events.flush(self.exchange, answered, self.child)
        exchange = self.exchange
        block = wire.request_block(exchange.headers)
        received = wire.received(exchange.verb, exchange.target, exchange.protocol, block)
        yield translated(
            "GENERAL_REQUEST_END",
            *(str(response_events.bytes_sent(answered)), str(received)),
            *(str(answered.status), str(answered.substatus)),
        )


def _runs(exchange: TracedExchange) -> dict[str, list[list[Event]]]:
    """The runs of rules of a request, by scope."""
    found: dict[str, list[list[Event]]] = {}
    for scope, events in scopes(exchange.events):
        found.setdefault(scope, []).append(events)
    return found


def _authentication(kind: str, exchange: TracedExchange) -> Iterator[TranslatedEvent]:
    """One way of authentication: that of the user succeeds."""
    yield translated("AUTH_START", kind)
    user = exchange.user
    if user and kind == ("2" if exchange.auth_type == "Basic" else "4"):
        ntlm = "true" if exchange.auth_type == "NTLM" else "false"
        yield translated("AUTH_REQUEST_AUTH_TYPE", kind, measured=False)
        yield translated("AUTH_SUCCEEDED", kind, ntlm, user, user, "3", measured=False)
        yield translated("USER_SET", user, user, "true", measured=False)
    elif kind == "1" and not user and exchange.has_user:
        yield translated("AUTH_REQUEST_AUTH_TYPE", "1")
        yield translated("AUTH_SUCCEEDED", "4", "false", "", "", "3")
        yield translated("USER_SET", "", "", "true")
    yield translated("AUTH_END")
