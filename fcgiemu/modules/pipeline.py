"""The order of work for one request: ``decide``. Pure: it reads configuration and asks the file
view, nothing else.

``TABLE`` says which module works at which notification. Under one configuration it becomes a
``Schedule``, once: modules that the application does not load, or that have nothing to do, are not
in it. A request then passes

    PRE_BEGIN_REQUEST   global rules: the same request under another URL; then its handler is mapped
    BEGIN_REQUEST       who may ask, which URLs are served, the rules of web.config; a rewritten URL
                        runs as a child request, which begins here again, without rules
    AUTHENTICATE_REQUEST … MAP_REQUEST_HANDLER
    EXECUTE_REQUEST_HANDLER   the modules of the handler that was mapped, in its own order; a
                        default document runs as a child request

Responses have their own order: see sending.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial

from ..config.tree import Effective, fatal_error
from ..decision import Action, Decision, Respond, configuration_error
from ..hosting import Hosting, SiteFiles
from ..http.identity import User
from ..http.request import Request, make_request
from ..profiles import PROFILES, Order
from ..rewrite.inferred_behaviours import POLICY
from ..rewrite.state import RewriteState
from ..trace import Trace
from . import (
    access,
    asp_net_core,
    authentication,
    basic_authentication,
    cors,
    default_document,
    directory_listing,
    easy_auth,
    fastcgi,
    handlers,
    hsts,
    http_platform,
    http_redirection,
    iisnode,
    ip_restriction,
    loaded_modules,
    protocol_support,
    request_filtering,
    rewrite_inbound,
    static_file,
    url_authorization,
    webdav,
    windows_authentication,
)
from .context import (
    CORE,
    MAX_DEPTH,
    ChildRequest,
    Context,
    Plan,
    Rewritten,
    SameRequest,
    Step,
    Word,
)

#: Notifications between BEGIN_REQUEST and the handler's own work, in order.
_TO_HANDLER = ("AUTHENTICATE_REQUEST", "AUTHORIZE_REQUEST", "MAP_REQUEST_HANDLER")


@dataclass(frozen=True, slots=True)
class PipelineRow:
    """A module's work at a notification; ``in_child`` is what it does in a child request."""

    notification: str
    module: str
    plan: Plan
    in_child: Plan | None = None


TABLE = (
    PipelineRow("PRE_BEGIN_REQUEST", "CorsModule", cors.plan),
    PipelineRow("PRE_BEGIN_REQUEST", "RewriteModule", rewrite_inbound.global_rules),
    PipelineRow("BEGIN_REQUEST", "IpRestrictionModule", ip_restriction.plan, ip_restriction.plan),
    PipelineRow(
        "BEGIN_REQUEST",
        "RequestFilteringModule",
        request_filtering.plan,
        request_filtering.child_plan,
    ),
    PipelineRow("BEGIN_REQUEST", "RewriteModule", rewrite_inbound.rules),
    PipelineRow("AUTHENTICATE_REQUEST", "BasicAuthenticationModule", basic_authentication.plan),
    PipelineRow("AUTHENTICATE_REQUEST", "WindowsAuthenticationModule", windows_authentication.plan),
    PipelineRow("AUTHENTICATE_REQUEST", CORE, access.tls),
    PipelineRow("AUTHENTICATE_REQUEST", CORE, authentication.require_user),
    PipelineRow("AUTHENTICATE_REQUEST", CORE, handlers.look_up),
    PipelineRow("AUTHORIZE_REQUEST", "UrlAuthorizationModule", url_authorization.plan),
    PipelineRow("MAP_REQUEST_HANDLER", "WebDAVModule", webdav.plan),
    PipelineRow("MAP_REQUEST_HANDLER", "HttpRedirectionModule", http_redirection.plan),
    PipelineRow("MAP_REQUEST_HANDLER", CORE, handlers.map_request_handler),
)

#: EXECUTE_REQUEST_HANDLER: the modules that a handler may name.
HANDLER_MODULES: Mapping[str, Step] = {
    "DefaultDocumentModule": default_document.handle,
    "DirectoryListingModule": directory_listing.handle,
    "FastCgiModule": fastcgi.handle,
    "AspNetCoreModule": asp_net_core.handle,
    "AspNetCoreModuleV2": asp_net_core.handle,
    "httpPlatformHandler": http_platform.handle,
    iisnode.MODULE: iisnode.handle,
    "ProtocolSupportModule": protocol_support.handle,
    "StaticFileModule": static_file.handle,
}
#: Modules that a handler may name on a server, but that are not emulated here.
FOREIGN_MODULES = frozenset(
    {
        "IsapiModule",
        "CgiModule",
        "ServerSideIncludeModule",
        "ManagedPipelineHandler",
        "WebDAVModule",
    }
)

#: Modules whose word is the same whatever the query is, but for what request filtering says of it.
_BLIND_TO_QUERY = frozenset(
    {CORE, "IpRestrictionModule", "RequestFilteringModule", "UrlAuthorizationModule"}
)

Steps = tuple[tuple[str, Step], ...]


class Schedule:
    """The table under one configuration. With ``fatal`` nothing else is looked at."""

    __slots__ = (
        "absent",
        "begin",
        "begin_child",
        "fatal",
        "pre_begin",
        "sees_query",
        "to_handler",
    )

    def __init__(self, order: Order, effective: Effective) -> None:
        self.fatal = fatal_error(effective)
        #: Native modules that the application does not load.
        self.absent = effective.view(loaded_modules.modules_not_loaded)
        #: Whether another query may lead to another handler, or to none.
        self.sees_query = True
        if self.fatal is not None:
            return
        rows = [row for row in TABLE if row.module not in self.absent]
        rows.sort(key=lambda row: _place(order, row))
        self.pre_begin = _steps(rows, "PRE_BEGIN_REQUEST", effective)
        self.begin = _steps(rows, "BEGIN_REQUEST", effective)
        self.begin_child = _child_steps(rows, effective)
        self.to_handler: Steps = ()
        for notification in _TO_HANDLER:
            self.to_handler += _steps(rows, notification, effective)
        asked = (*self.pre_begin, *self.begin, *self.to_handler)
        self.sees_query = any(module not in _BLIND_TO_QUERY for module, _ in asked)


def _place(order: Order, row: PipelineRow) -> int:
    """The place of a module within its notification; what the core does comes last."""
    named = order.get(row.notification, ())
    return named.index(row.module) if row.module in named else len(named)


def _steps(rows: list[PipelineRow], notification: str, effective: Effective) -> Steps:
    planned = (
        (row.module, row.plan(effective)) for row in rows if row.notification == notification
    )
    return tuple((module, step) for module, step in planned if step is not None)


def _child_steps(rows: list[PipelineRow], effective: Effective) -> Steps:
    planned = ((row.module, row.in_child(effective)) for row in rows if row.in_child is not None)
    return tuple((module, step) for module, step in planned if step is not None)


@cache
def schedule(profile: str) -> Callable[[Effective], Schedule]:
    """The view that makes a configuration's schedule on a server of this profile; see
    Effective.view.
    """
    return partial(Schedule, PROFILES[profile].order)


def decide(hosting: Hosting, request: Request, trace: Trace | None, files: SiteFiles) -> Decision:
    """What IIS does with ``request``. With a trace, also why."""
    refused = easy_auth.answer(hosting, request)
    if refused is not None:
        return decide_refused(hosting, request, refused, easy_auth.MODULE)
    context = _context(hosting, request, trace, files)
    action = _Run(context).start()
    if request.identity is None or not authentication.is_challenge(action):
        return _decision(context, action)
    scheme = authentication.answer(context.effective, request.identity)
    if not scheme or context.authenticated:
        return _decision(context, action)
    if trace is not None:
        trace.events.clear()
    return _decision_as(scheme, _context(hosting, request, trace, files))


def _decision_as(scheme: str, context: Context) -> Decision:
    """The decision about a repeated request, with which its client answers the challenge."""
    context.answering = scheme
    action = _Run(context).start()
    return _decision(context, action)


def decide_refused(hosting: Hosting, request: Request, action: Action, module: str) -> Decision:
    """The decision about a request that ``module`` refuses before all others are asked."""
    context = _context(hosting, request, None, hosting.files)
    context.effective = hosting.tree.effective(context.state.path)
    context.module = module
    return _decision(context, action)


def decide_error_page(failed: Decision, url: str, status: int) -> Decision:
    """The child request that answers for an error (ExecuteURL): it sees
    ``404;http://host:port/original`` as its query.
    """
    hosting = failed.site
    request = replace(failed.request, body_length=None)
    context = _context(hosting, request, None, hosting.files)
    context.user, context.authenticated = failed.user, True  # it is not asked again  # inferred
    path, _, _ = url.partition("?")
    context.state.path = path if path.startswith("/") else "/" + path
    context.state.query = (
        f"{status};{request.scheme}://{request.host}:{request.port}{request.target.raw}"
    )
    run = _Run(context)
    action = run.enter() or run.execute() or handlers.not_found("ExecuteRequestHandler")
    return replace(
        _decision(context, action),
        rules=failed.rules,
        is_error_page=True,
        extra_headers=failed.extra_headers,
    )


def _context(hosting: Hosting, request: Request, trace: Trace | None, files: SiteFiles) -> Context:
    state = RewriteState(
        request,
        hosting.root.place,
        files,
        hosting.settings.strict,
        partial(is_servable, hosting, files),
    )
    context = Context(hosting, request, state, files, trace)
    if request.principal is not None:  # App Service authentication comes first  # inferred
        context.user, context.authenticated = User(request.principal[2]), True
    return context


def _decision(context: Context, action: Action) -> Decision:
    state = context.state
    decision = object.__new__(Decision)
    Decision.__init__(  # called so, names cost nothing: see RewriteState.result
        decision,
        action=action,
        request=context.request,
        site=context.hosting,
        effective=context.effective,
        path=state.path if context.folder is None else context.folder,
        query=state.query,
        handler=context.handler,
        module=context.module,
        rules=tuple(context.applied),
        rewrite=state.result(),
        findings=tuple(context.findings),
        extra_headers=tuple(context.extra_headers),
        user=context.user,
    )
    return decision


def is_servable(hosting: Hosting, files: SiteFiles, path: str) -> bool:
    """Whether StaticFileModule would serve a file at this URL path, and nothing would refuse it."""
    effective = hosting.effective(path)
    content = effective.view(static_file.static_content)
    # A name on disk differs from the URL's in case alone. Most URLs of a program have no extension:
    # the disk, which takes longer than all else here, need not be asked about them.
    if content.mime_type(path.rstrip("/")) is None:
        return False
    entry = files.find(path)
    if entry is None or entry.is_directory:
        return False
    filtering = effective.view(request_filtering.request_filter)
    return filtering.refusal(_ANY_REQUEST, path, "", False) is None


_ANY_REQUEST = make_request("/")


class _Run:
    """Moves a context through the notifications. Each step returns an action, or None to go on."""

    __slots__ = ("context", "effective", "schedule")

    def __init__(self, context: Context) -> None:
        self.context = context
        #: The configuration that the schedule is made from.
        self.effective: Effective | None = None
        self.schedule: Schedule

    def start(self) -> Action:
        return (
            self.enter()
            or hsts.begin(self.context)
            or (self.schedule.pre_begin and self.notify(self.schedule.pre_begin))
            or self.begin()
            or self.execute()
            or handlers.not_found("ExecuteRequestHandler")
        )

    def begin(self) -> Action | None:
        """BEGIN_REQUEST. The handler is mapped before it: nobody but the trace sees that, where
        rules change the URL afterwards.
        """
        context = self.context
        if context.trace is not None:
            handlers.map_url(context)
        action = self.notify(self.schedule.begin)
        if action is not None and not context.depth:
            if isinstance(action, Respond):  # its page names the handler
                handlers.map_url(context, quietly=True)
            else:
                context.handler = None
        return action

    def enter(self) -> Respond | None:
        """Take the application and the configuration of the current URL; 500.19 where that cannot
        be used.
        """
        context = self.context
        hosting, path = context.hosting, context.state.path
        if len(hosting.layout.applications) > 1:
            context.state.place = hosting.application(path).place
        context.module = CORE
        effective = hosting.tree.effective(path)
        if effective is not self.effective:
            context.effective = self.effective = effective
            self.schedule = effective.view(schedule(hosting.profile.name))
        fatal = self.schedule.fatal
        return None if fatal is None else configuration_error(fatal)

    def notify(self, steps: Steps) -> Action | None:
        """Ask the modules of a notification, in order."""
        context = self.context
        for module, step in steps:
            context.module = module
            word = step(context)
            if word is not None:
                return self.hear(word)
        context.module = CORE
        return None

    def hear(self, word: Word) -> Action | None:
        """Do what a module has said."""
        match word:
            case SameRequest():
                return self.enter()
            case Rewritten():
                return self.rewritten()
            case ChildRequest():
                return self.document(word.path)
            case _:
                return word

    def rewritten(self) -> Action | None:
        """The URL that rules have made runs as a child request."""
        before = self.context.effective
        action = self.child()
        if (
            action is None
            and POLICY.second_run_in_new_folder
            and self.context.effective is not before
            and self.context.depth < MAX_DEPTH
        ):
            return self.notify(self.schedule.begin)
        return action

    def document(self, path: str) -> Action | None:
        """A default document runs as a child request."""
        context = self.context
        context.folder = context.folder or context.state.path
        context.state.dispatch_document(path)
        return self.child() or self.execute()

    def child(self) -> Action | None:
        """The beginning of a child request: its own configuration and filtering, but no rules."""
        context = self.context
        context.depth += 1
        if context.trace is not None:
            context.trace.add(
                "GENERAL_CHILD_REQUEST_START",
                RequestURL=context.state.path,
                RequestVerb=context.request.method,
                RecursiveLevel=context.depth,
            )
        return self.enter() or self.notify(self.schedule.begin_child)

    def execute(self) -> Action | None:
        """Authorization, handler mapping, and the modules of the chosen handler, for the current
        URL.
        """
        context = self.context
        if context.trace is None or context.depth:
            handlers.map_url(context)
        return self.notify(self.schedule.to_handler) or self.run_handler()

    def run_handler(self) -> Action | None:
        context = self.context
        handler, absent = context.handler, self.schedule.absent
        assert handler is not None
        modules = handler.modules
        if absent:
            modules = tuple(module for module in modules if module not in absent)
            if handler.modules and not modules:
                return handlers.bad_module(handler, handler.modules[0])
        if context.entry is None and not _FILE_MODULES.isdisjoint(modules):
            context.entry = context.files.find(context.state.path)
        for module in modules:
            context.module = module
            step = HANDLER_MODULES.get(module)
            if step is None:
                if module not in FOREIGN_MODULES:
                    return handlers.bad_module(handler, module)
                context.findings.append(handlers.lack(handler, module))
                return handlers.not_emulated(handler, module)
            word = step(context)
            if word is not None:
                return self.hear(word)
        return None


#: Modules of a handler that look at the file of the URL, whatever the resourceType.
_FILE_MODULES = frozenset({"DefaultDocumentModule", "DirectoryListingModule", "StaticFileModule"})
