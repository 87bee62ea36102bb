"""The engine's own trace in the form of IIS: every notification with its modules, in the order of
the server, with IIS's values.

Measured (see docs/freb.md): static 200 and 304, default documents, 404.0 with and without an error
file, rules that do not apply, errors that a module sets. What genuine traces have not shown -
redirects of IIS itself, refusals, FastCGI, what happens after a rewrite - stands where the nearest
measured case has it, and is marked not measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache

from ..trace import Event
from . import event_table, model, wire
from .module_orders import ORDERS, POST
from .rewriting import TranslatedEvent, Translation, own, scopes
from .traced_exchange import Answered, FileFacts, Mapping, TracedExchange

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
_NOT_FOUND = 0x80070002
_AUTHENTICATION = {
    "BasicAuthenticationModule": "2",
    "CertificateMappingAuthenticationModule": "128",
    "WindowsAuthenticationModule": "4",
    "IISCertificateMappingAuthenticationModule": "128",
    "AnonymousAuthenticationModule": "1",
}
#: Who opens files: the anonymous user of a site as installed. # inferred
_USER = ("IUSR", "NT AUTHORITY")
#: Characters of values up to which an event may be the same in the next trace.
_SHORT = 80
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
        steps = [step for step in steps if step.measured and _is_measured(step)]
    return steps


def is_anonymous(exchange: TracedExchange) -> bool:
    """Whether the request came as far as authentication: before that, it has no user."""
    return _Translator(exchange).stage >= _AUTHENTICATED


def _is_measured(step: TranslatedEvent) -> bool:
    known = event_table.named(step.event.name)
    return known is not None and known.measured


def as_json(steps: Iterable[TranslatedEvent]) -> list[dict[str, object]]:
    """Steps as JSON: the events' names, levels and values; ``measured``; ``place``."""
    return [_as_json(step) for step in steps]


def _as_json(step: TranslatedEvent) -> dict[str, object]:
    event = step.event
    entry: dict[str, object] = {
        "name": event.name,
        "level": event.level,
        "data": dict(event.data[1:]),  # without ContextId
        "measured": step.measured and _is_measured(step),
    }
    if event.descriptions:
        entry["descriptions"] = {name: text.replace("\r", "") for name, text in event.descriptions}
    if step.place:
        entry["place"] = step.place
    return entry


def _snake(notification: str) -> str:
    """``BeginRequest`` of a decision -> ``BEGIN_REQUEST``."""
    return "".join("_" + char if char.isupper() else char.upper() for char in notification)[1:]


def _step(name: str, *values: str, measured: bool = True, place: str = "") -> TranslatedEvent:
    if not place and sum(map(len, values)) <= _SHORT:
        return _common(name, values, measured)
    return TranslatedEvent(model.event(name, *values), measured, place)


@lru_cache(1024)
def _common(name: str, values: tuple[str, ...], measured: bool) -> TranslatedEvent:
    """An event that every request has; most of a trace is made of such ones."""
    return TranslatedEvent(model.event(name, *values), measured)


class _Translator:
    """Writes the events of one request; ``child`` is whether a default document is at work."""

    def __init__(self, exchange: TracedExchange, child: bool = False) -> None:
        self.exchange = exchange
        self.child = child
        self.order = ORDERS.get(exchange.server, ORDERS["iis10-default"])
        self.express = exchange.server.startswith("iis-express")
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
        yield _step(
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
            yield _step("PRE_BEGIN_REQUEST_START", module)
            ends = False
            if module == "RewriteModule" and "Global" in self.runs:
                yield from self.rules("Global")
                ends = self.stage == 0
            yield _step("PRE_BEGIN_REQUEST_END", module, "1" if ends else "0", measured=not ends)
        exchange = self.exchange
        yield _step(
            "GENERAL_ENDPOINT_INFORMATION",
            *(exchange.remote[0], str(exchange.remote[1])),
            *(exchange.local[0], str(exchange.local[1])),
        )
        headers = exchange.headers
        if self.child:  # measured: it has joined the request's headers there
            headers = (*headers, ("Content-Length", "0"))
        yield _step("GENERAL_REQUEST_HEADERS", wire.request_block(headers))
        query = "" if self.child else exchange.query
        yield _step("URL_CACHE_ACCESS_START", self.path + (f"?{query}" if query else ""))
        yield _step("URL_CACHE_ACCESS_END", "", "false", "true", "0")
        yield _step("GENERAL_GET_URL_METADATA", "", "513")
        if self.mapped is not None:
            yield self.handler_changed(self.mapped)
        yield from self.notify("MAP_PATH")

    def handler_changed(self, mapped: Mapping, measured: bool = True) -> TranslatedEvent:
        return _step(
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
        yield _step("NOTIFY_MODULE_START", module, number, flag)
        yield from self.inside(module, notification)
        if ends:
            yield from self.outcome(notification)
        yield _step("NOTIFY_MODULE_END", module, number, flag, "2" if ends else "0")

    def inside(self, module: str, notification: str) -> Iterator[TranslatedEvent]:
        """What a module does that does not end the request."""
        if notification == "BEGIN_REQUEST" and module == "RewriteModule":
            yield from self.rules("Distributed")
        elif notification == "AUTHENTICATE_REQUEST" and module in _AUTHENTICATION:
            yield from _authentication(_AUTHENTICATION[module], self.exchange)
        elif notification == "RESOLVE_REQUEST_CACHE" and module == "HttpCacheModule":
            yield _step("OUTPUT_CACHE_LOOKUP_START")
            yield _step("OUTPUT_CACHE_LOOKUP_END", "0")
        elif notification == "MAP_REQUEST_HANDLER" and module == "StaticCompressionModule":
            if self.express and self.exchange.kind == "static":
                yield _step("STATIC_COMPRESSION_START")
                yield _step("STATIC_COMPRESSION_NOT_SUCCESS", "6")
                yield _step("STATIC_COMPRESSION_END")
        elif notification == "SEND_RESPONSE":
            yield from self.sending(module)

    def rules(self, scope: str) -> Iterator[TranslatedEvent]:
        """Runs of rules, and the change of the URL that they made."""
        exchange = self.exchange
        for events in self.runs.get(scope, ()):
            yield from Translation().run(events)
        if scope == "Distributed" and exchange.rewritten and not self.child:
            old = exchange.path
            yield _step("URL_CHANGED", old, exchange.final_path, measured=False)
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
            yield _step(
                "MODULE_SET_RESPONSE_ERROR_STATUS",
                *where,
                *(str(substatus), str(exchange.hresult), ""),
                # measured: 404.0 of the core; errors of modules with ErrorCode 0
                measured=(status, exchange.hresult) == (404, _NOT_FOUND)
                or not exchange.hresult
                and not substatus,
            )
            return
        # measured for managed modules; IIS's own redirects and responses have not been seen
        yield _step("MODULE_SET_RESPONSE_SUCCESS_STATUS", *where, measured=False)
        for name in ("Location", "Content-Type"):
            for key, value in exchange.answered.headers if exchange.answered else ():
                if key == name:
                    yield _step("GENERAL_SET_RESPONSE_HEADER", key, value, "true", measured=False)

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
        yield from self.access(path, added=self.child)

    def access(self, url_path: str, added: bool = False) -> Iterator[TranslatedEvent]:
        """A look at a file through the cache."""
        name = self.exchange.physical(url_path).rstrip("\\")
        found = self.exchange.facts(url_path)
        yield from _file_access(name, found, added or bool(found and found.is_directory))

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
            yield _step("NOTIFY_MODULE_START", module, number, "false")
            if self.parent and module == "DefaultDocumentModule":
                yield from self.default_document(number)
                if self.exchange.answered is not None:
                    yield _step("NOTIFY_MODULE_END", module, number, "false", "0")
                return
            if not self.parent:
                yield from self.execute(module, ends)
            error = self.exchange.kind in ("respond", "redirect") and ends
            if not ends or self.exchange.answered is not None or module == "StaticFileModule":
                yield _step("NOTIFY_MODULE_END", module, number, "false", "2" if error else "0")
            if ends:
                return

    def execute(self, module: str, ends: bool) -> Iterator[TranslatedEvent]:
        answered = self.exchange.answered
        if module == "StaticFileModule" and self.exchange.kind == "static" and answered is not None:
            name = self.exchange.physical(self.exchange.final_path or self.path)
            if self.child:
                name = self.exchange.physical(self.path)
            yield _step("GENERAL_STATIC_FILE_HANDLER", name.upper())
            if answered.status == 200:
                for key, value in answered.headers:
                    if key == "Content-Type":
                        yield _step("GENERAL_SET_RESPONSE_HEADER", key, value, "true")
            else:
                yield _step(
                    "MODULE_SET_RESPONSE_SUCCESS_STATUS",
                    *(module, _NOTIFICATIONS["EXECUTE_REQUEST_HANDLER"]),
                    *(str(answered.status), answered.reason),
                    measured=answered.status == 304,
                )
        elif module == "FastCgiModule":
            yield _step("FASTCGI_START", measured=False)
            if answered is not None:
                yield _step("FASTCGI_RESPONSE_WRITTEN", measured=False)
                yield _step("FASTCGI_END", measured=False)
        elif ends and self.exchange.kind in ("respond", "redirect"):
            yield from self.outcome("EXECUTE_REQUEST_HANDLER")

    def default_document(self, number: str) -> Iterator[TranslatedEvent]:
        """The documents that are tried, and the child request of the one that exists."""
        exchange = self.exchange
        folder = self.path.rstrip("/")
        for name in exchange.documents:
            path = f"{folder}/{name}"
            yield from self.access(path, added=True)
            if path == exchange.document:
                break
        url = wire.absolute(exchange.scheme, exchange.host, exchange.port, exchange.document, "")
        yield _step("GENERAL_CHILD_REQUEST_START", str(exchange.site_id), url, exchange.verb, "1")
        yield from _Translator(exchange, child=True).whole()
        answered = exchange.answered
        if answered is None:
            return
        status = (str(answered.status), str(answered.substatus))
        yield _step("GENERAL_CHILD_REQUEST_END", str(self.bytes_sent(answered)), *status)
        module = "DefaultDocumentModule"
        yield _step("NOTIFY_MODULE_COMPLETION", module, number, "false", "0", "0")

    # -- the response --------------------------------------------------------------------------

    def ending(self) -> Iterator[TranslatedEvent]:
        """LOG_REQUEST, END_REQUEST, then the response, where it is this request that sends it."""
        yield from self.notify("LOG_REQUEST", "END_REQUEST", "END_REQUEST" + POST)
        answered = self.exchange.answered
        if answered is None:
            return
        if not self.parent:
            yield from self.notify("SEND_RESPONSE")
            yield from self.flush(answered)
        exchange = self.exchange
        block = wire.request_block(exchange.headers)
        received = wire.received(exchange.verb, exchange.target, exchange.protocol, block)
        yield _step(
            "GENERAL_REQUEST_END",
            *(str(self.bytes_sent(answered)), str(received)),
            *(str(answered.status), str(answered.substatus)),
        )

    def sending(self, module: str) -> Iterator[TranslatedEvent]:
        """What a module does in SEND_RESPONSE."""
        answered = self.exchange.answered
        assert answered is not None
        if module == "ProtocolSupportModule":
            for name, value in self.exchange.custom_headers:
                yield _step("GENERAL_SET_RESPONSE_HEADER", name, value, "false")
        elif module == "DynamicCompressionModule":
            reason = self.not_compressed(answered)
            if any(name.lower() == "content-encoding" for name, _ in answered.headers):
                yield _step("DYNAMIC_COMPRESSION_START")
                yield _step("DYNAMIC_COMPRESSION_SUCCESS", measured=False)
                yield _step("DYNAMIC_COMPRESSION_END")
            elif reason:
                yield _step("DYNAMIC_COMPRESSION_START")
                yield _step("DYNAMIC_COMPRESSION_NOT_SUCCESS", reason)
                yield _step("DYNAMIC_COMPRESSION_END")
        elif module == "RewriteModule":
            outbound = ("PRECONDITION_EVALUATION", "OUTBOUND_PATTERN_MATCH")
            for event in self.exchange.events:
                if event.name in (*outbound, "OUTBOUND_REWRITE_ACTION"):
                    yield own(event)
        elif module == "CustomErrorModule":
            yield from self.custom_error(answered)

    def not_compressed(self, answered: Answered) -> str:
        """Why dynamic compression does nothing, as each server says it; empty = it is silent."""
        if self.express:
            return "" if answered.status == 304 else "2"
        return "9" if self.exchange.server == "azure-2012" and answered.status >= 300 else ""

    def custom_error(self, answered: Answered) -> Iterator[TranslatedEvent]:
        file = self.exchange.error_file
        if answered.status < 400:
            yield _step("GENERAL_NOT_SEND_CUSTOM_ERROR", "1")
        elif self.exchange.detailed:
            return
        elif file is None:
            # a handler's own page stays: httpErrors existingResponse="Auto". # inferred
            yield _step("GENERAL_NOT_SEND_CUSTOM_ERROR", "4", measured=False)
        else:
            name = self.exchange.physical(file) if file else ""
            status = (str(answered.status), str(answered.substatus))
            yield _step("GENERAL_SEND_CUSTOM_ERROR", *status, name)
            if file:
                yield from self.access(file, added=True)
                for key, value in answered.headers:
                    if key == "Content-Type":
                        yield _step("GENERAL_SET_RESPONSE_HEADER", key, value, "true")

    def cacheable(self, answered: Answered) -> str:
        """Why http.sys does not keep the response."""
        if self.child:
            return "8"
        if answered.status == 200 and self.exchange.kind == "static":
            return "23"
        return "25" if self.exchange.server == "iis10-default" and answered.status == 404 else "21"

    def flush(self, answered: Answered) -> Iterator[TranslatedEvent]:
        yield _step("HTTPSYS_CACHEABLE", "false", self.cacheable(answered), "0", "0")
        yield _step("GENERAL_FLUSH_RESPONSE_START")
        yield _step("GENERAL_RESPONSE_HEADERS", wire.response_block(answered.headers))
        if answered.file is not None and answered.size:
            name = "\\\\?\\" + answered.file.spelled
            size = str(answered.size)
            yield _step("GENERAL_RESPONSE_ENTITY_FILE", name, "0", size)
        elif answered.body:
            yield _step("GENERAL_RESPONSE_ENTITY_BUFFER", wire.buffer(answered.body))
        yield _step("GENERAL_FLUSH_RESPONSE_END", str(self.bytes_sent(answered)), "0")

    def bytes_sent(self, answered: Answered) -> int:
        block = wire.response_block(answered.headers)
        has_length = answered.status not in (204, 304)
        return wire.sent(answered.status, answered.reason, block, answered.size, has_length)


def _runs(exchange: TracedExchange) -> dict[str, list[list[Event]]]:
    """The runs of rules of a request, by scope."""
    found: dict[str, list[list[Event]]] = {}
    for scope, events in scopes(exchange.events):
        found.setdefault(scope, []).append(events)
    return found


def _authentication(kind: str, exchange: TracedExchange) -> Iterator[TranslatedEvent]:
    """One way of authentication: that of the user succeeds."""
    yield _step("AUTH_START", kind)
    user = exchange.user
    if user and kind == ("2" if exchange.auth_type == "Basic" else "4"):
        ntlm = "true" if exchange.auth_type == "NTLM" else "false"
        yield _step("AUTH_REQUEST_AUTH_TYPE", kind, measured=False)
        yield _step("AUTH_SUCCEEDED", kind, ntlm, user, user, "3", measured=False)
        yield _step("USER_SET", user, user, "true", measured=False)
    elif kind == "1" and not user and exchange.has_user:
        yield _step("AUTH_REQUEST_AUTH_TYPE", "1")
        yield _step("AUTH_SUCCEEDED", "4", "false", "", "", "3")
        yield _step("USER_SET", "", "", "true")
    yield _step("AUTH_END")


def _file_access(name: str, found: FileFacts | None, added: bool) -> Iterator[TranslatedEvent]:
    """FILE_CACHE_ACCESS_START to END. Measured: FileAddedToCache is true for folders, default
    documents and error files, false for files that are asked for.
    """
    yield _step("FILE_CACHE_ACCESS_START", name, *_USER)
    if found is None:
        values = ("false", "false", "false", "true", "true", str(_NOT_FOUND), "")
    else:
        yield _step("FILE_CACHE_CREATE_FILE", name, *_USER)
        flag = "true" if added else "false"
        values = ("true", "false", flag, "true", "true", "0", found.modified)
    yield _step("FILE_CACHE_ACCESS_END", *values)


def placed(
    steps: Iterable[TranslatedEvent],
    *,
    context: str,
    times: Iterable[str] = (),
    connection: str = "0",
) -> list[model.FrebEvent]:
    """The events of steps for one request: with its activity, its connection and times.

    ``times`` are taken one after the other, the last one again for what is left.
    """
    found = []
    moments = iter(times)
    time = ""
    for step in steps:
        time = next(moments, time)
        values = {"ContextId": context, "ConnId": connection}
        data = tuple((name, values.get(name, value)) for name, value in step.event.data)
        found.append(replace(step.event, data=data, activity=context, time=time))
    return found
