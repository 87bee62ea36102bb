"""The order of work for one request: ``decide``. Pure: it reads configuration and asks the file
view, nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..config.diagnostics import E_INVALID_DATA, Finding
from ..config.tree import Effective, fatal_error
from ..decision import (
    E_FILE_NOT_FOUND,
    Abort,
    CallFastCgi,
    CallHttpPlatform,
    Decision,
    Handler,
    ListDirectory,
    Proxy,
    Redirect,
    Respond,
    ServeFile,
    configuration_error,
)
from ..files import FileEntry
from ..http.request import Request
from ..http.url import encode_location
from ..rewrite import compose
from ..rewrite.compiler import inbound
from ..rewrite.policy import POLICY
from ..rewrite.rule import Rule, Verdict, evaluate
from ..rewrite.state import State
from ..trace import Trace
from . import (
    default_document,
    directory_listing,
    fast_cgi,
    handlers,
    http_platform,
    http_redirection,
    loaded,
    protocol_support,
    request_filtering,
    security,
    static_file,
)
from .http_redirection import redirection

if TYPE_CHECKING:
    from ..site import Site

#: Child executions (rewrite, default document) one request may cause.
MAX_DEPTH = 12
#: Modules of a handler that exist on a server but not here.
FOREIGN_MODULES = {
    "IsapiModule",
    "CgiModule",
    "ServerSideIncludeModule",
    "ManagedPipelineHandler",
    "iisnode",
    "AspNetCoreModule",
    "AspNetCoreModuleV2",
    "WebDAVModule",
}


def decide(site: Site, request: Request, trace: Trace | None = None) -> Decision:
    """What IIS does with ``request`` at ``site``. With a trace, also why."""
    run = _Run(site, request, trace)
    action = run.start()
    path = run.state.path if run.folder is None else run.folder
    return Decision(
        action,
        request,
        run.effective,
        path,
        run.state.query,
        run.handler,
        run.module,
        run.applied,
        run.state,
        run.findings,
        site,
    )


def decide_error_page(site: Site, failed: Decision, url: str, status: int) -> Decision:
    """The child request that answers for an error (ExecuteURL): it sees
    ``404;http://host:port/original`` as its query.
    """
    request = failed.request
    assert request is not None
    path, _, _ = url.partition("?")
    request = replace(request, body_length=None)
    run = _Run(site, request, None)
    run.state.path = path if path.startswith("/") else "/" + path
    run.state.query = (
        f"{status};{request.scheme}://{request.host}:{request.port}{request.target.raw}"
    )
    action = run.enter() or run.execute(original=False) or run.unhandled()
    return Decision(
        action,
        request,
        run.effective,
        run.state.path,
        run.state.query,
        run.handler,
        run.module,
        failed.rules,
        run.state,
        run.findings,
        site,
        failed.detailed,
        is_error_page=True,
    )


class Plan:
    """What the modules of the request pipeline make of one configuration; None = not loaded, or
    nothing to do.

    A view: see Effective.view. With ``fatal`` nothing else is looked at.
    """

    __slots__ = (
        "absent",
        "addresses",
        "authorization",
        "fatal",
        "filter",
        "handlers",
        "redirection",
    )

    def __init__(self, effective: Effective) -> None:
        self.fatal = fatal_error(effective)
        #: Native modules that the application does not load.
        self.absent = effective.view(loaded.absent)
        if self.fatal is not None:
            return
        absent = self.absent
        self.addresses = (
            effective.view(security.addresses) if "IpRestrictionModule" not in absent else None
        )
        self.filter = (
            effective.view(request_filtering.compiled)
            if "RequestFilteringModule" not in absent
            else None
        )
        self.authorization = effective.view(security.authorization)
        self.redirection = (
            effective.view(http_redirection.compiled)
            if "HttpRedirectionModule" not in absent
            else None
        )
        self.handlers = effective.view(handlers.table)


class _Run:
    """One request on its way through the modules. Each step returns an action, or None to go on."""

    __slots__ = (
        "applied",
        "depth",
        "effective",
        "findings",
        "folder",
        "handler",
        "module",
        "plan",
        "request",
        "site",
        "state",
        "trace",
    )

    def __init__(self, site: Site, request: Request, trace: Trace | None) -> None:
        self.site = site
        self.request = request
        self.trace = trace
        self.state = State(request, site.root.place, site.file_tests, site.settings.strict)
        self.applied: list[str] = []
        self.handler: Handler | None = None
        self.module = "IIS Web Core"
        self.effective: Effective
        self.plan: Plan
        self.findings: list[Finding] = []
        self.depth = 0
        #: The URL for which a default document stands: what clients and rules know the request by.
        self.folder: str | None = None

    def start(self) -> Action:
        if (broken := self.enter()) is not None:
            return broken
        if not self.site.settings.rewrite_module or "RewriteModule" in self.plan.absent:
            return self.execute(original=True) or self.unhandled()
        return (
            self.global_rules()
            or self.begin_request()
            or self.execute(original=False)
            or self.unhandled()
        )

    def enter(self) -> Action | None:
        """Take the application and the configuration of the current URL; 500.19 where that cannot
        be used.
        """
        state = self.state
        if len(self.site.layout.applications) > 1:
            state.place = self.site.application(state.path).place
        self.effective = self.site.tree.effective(state.path)
        self.plan = self.effective.view(Plan)
        fatal = self.plan.fatal
        return None if fatal is None else configuration_error(fatal)

    # -- rewrite -----------------------------------------------------------------------------------

    def global_rules(self) -> Action | None:
        """PRE_BEGIN_REQUEST: globalRules change the URL of the same request."""
        compiled = self.effective.view(inbound)
        if compiled.global_errors:
            self.findings += compiled.global_errors
            self.module = "RewriteModule"
            return self.rewrite_error(compiled.global_errors[0], 51)
        rules = compiled.global_rules
        if not rules:
            return None
        before = self.state.path
        action = self.rules(rules, "Global")
        if action is None and self.state.path != before and not compose.is_foreign(self.state.path):
            return self.enter()
        return action

    def begin_request(self) -> Action | None:
        """BEGIN_REQUEST of the request as sent: filtering, then web.config's rules, then the
        child's configuration.
        """
        refused = self.filter(original=True)
        if refused is not None:
            return refused
        compiled = self.effective.view(inbound)
        if compiled.warnings:
            self.findings += compiled.warnings
        if compiled.errors:
            self.findings += compiled.errors
            self.module = "RewriteModule"
            return self.rewrite_error(compiled.errors[0], POLICY.invalid_rules_substatus)
        if not compiled.rules:
            return None
        before, query, was = self.state.path, self.state.query, self.state.rewritten
        action = self.rules(compiled.rules, "Distributed")
        if action is not None:
            return action
        if (
            self.state.rewritten
            and not was
            or (self.state.path, self.state.query) != (before, query)
        ):
            rules = self.effective
            action = self.child()
            if (
                action is None
                and POLICY.second_run_in_new_folder
                and self.effective is not rules
                and self.depth < MAX_DEPTH
            ):
                return self.begin_request()
            return action
        return None

    def rules(self, rules: tuple[Rule, ...], scope: str) -> Action | None:
        trace = self.trace
        if trace is not None:
            trace.add(
                "URL_REWRITE_START",
                RequestURL=self.state.path,
                QueryString=self.state.query,
                Scope=scope,
            )
        verdict = evaluate(rules, self.state, self.applied, trace)
        if trace is not None:
            trace.add("URL_REWRITE_END", RequestURL=self.state.path, QueryString=self.state.query)
        if verdict is not None:
            self.module = "RewriteModule"
            return self.act(verdict)
        if compose.is_foreign(self.state.path):
            return self.foreign()
        return None

    def act(self, verdict: Verdict) -> Action:
        if verdict.kind == "redirect":
            return Redirect(verdict.status, verdict.location)
        if verdict.kind == "abort":
            return Abort()
        if verdict.kind == "custom":
            return Respond(
                verdict.status,
                verdict.substatus,
                verdict.description,
                reason=verdict.reason,
                description=verdict.description,
            )
        finding = Finding(
            "rewrite-runtime-error",
            "error",
            verdict.description,
            verdict.rule.span,
            hresult=verdict.hresult,
        )
        return Respond(
            500,
            verdict.substatus,
            verdict.description,
            verdict.hresult,
            "URL Rewrite Module Error.",
            finding=finding,
        )

    def rewrite_error(self, finding: Finding, substatus: int) -> Respond:
        return Respond(
            500,
            substatus,
            finding.message,
            finding.hresult,
            "URL Rewrite Module Error.",
            finding=finding,
        )

    def foreign(self) -> Action:
        """A rewrite to another host: forwarded by ARR where its proxy is enabled, else no handler
        exists for it.
        """
        url = compose_url(self.state)
        if self.site.settings.arr:
            self.module = "ApplicationRequestRouting"
            return Proxy(url)
        return Respond(
            404,
            4,
            "The resource you are looking for does not have a handler associated with it.",
            0x8007007B,
            notification="MapRequestHandler",
            hints=(
                (
                    "The rule rewrites to another host, which needs Application Request Routing"
                    " with its proxy enabled: start with --arr."
                ),
            ),
        )

    def child(self) -> Action | None:
        """A rewrite runs the new URL as a child request: its own configuration and filtering, but
        no rules again.
        """
        self.depth += 1
        if self.trace is not None:
            self.trace.add(
                "GENERAL_CHILD_REQUEST_START",
                RequestURL=self.state.path,
                RequestVerb=self.request.method,
                RecursiveLevel=self.depth,
            )
        return self.enter() or self.filter(original=False)

    # -- the rest of the pipeline ------------------------------------------------------------------

    def filter(self, original: bool) -> Action | None:
        plan = self.plan
        if plan.addresses is not None:
            refused = security.refuse_address(plan.addresses, self.request)
            if refused is not None:
                self.module = "IpRestrictionModule"
                return refused
        if plan.filter is None:
            return None
        refusal = plan.filter.refusal(self.request, self.state.path, self.state.query, original)
        if refusal is None:
            return None
        self.module = "RequestFilteringModule"
        if self.trace is not None:
            self.trace.add(
                "MODULE_SET_RESPONSE_ERROR_STATUS",
                ModuleName=self.module,
                Notification="BEGIN_REQUEST",
                HttpStatus=refusal.status,
                HttpSubStatus=refusal.substatus,
                HttpReason=refusal.message,
            )
        return refusal

    def execute(self, original: bool) -> Action | None:
        """Authorization, handler mapping, and the modules of the chosen handler, for the current
        URL.
        """
        if original and (refused := self.filter(original=True)) is not None:
            return refused
        plan = self.plan
        if plan.authorization is not None:
            denied = security.deny(plan.authorization, self.request)
            if denied is not None and (
                denied.status == 403 or "UrlAuthorizationModule" not in plan.absent
            ):
                self.module = "UrlAuthorizationModule"
                return denied
        if plan.redirection is not None:
            redirect = redirection(plan.redirection, self.request, self.state)
            if redirect is not None:
                self.module = "HttpRedirectionModule"
                return redirect
        chosen = self.map_handler()
        if not isinstance(chosen, tuple):
            return chosen
        handler, length = chosen
        self.handler = handler
        entry: FileEntry | None = None
        if handler.resource_type != "Unspecified":
            entry = self.site.find(self.state.path[:length])
            missing = self.missing(handler, entry)
            if missing is not None:
                return missing
        substatus = handlers.missing_access(handler, plan.handlers.access)
        if substatus is not None:
            return Respond(
                403,
                substatus,
                f"The handler '{handler.name}' requires {handler.require_access} access, which "
                "accessPolicy does not grant.",
                notification="MapRequestHandler",
            )
        return self.run_modules(handler, length, entry)

    def map_handler(self) -> tuple[Handler, int] | Respond:
        table = self.plan.handlers
        if table.bad_pre_condition is not None:
            return Respond(
                500,
                0,
                table.bad_pre_condition.message,
                E_INVALID_DATA,
                finding=table.bad_pre_condition,
                notification="MapRequestHandler",
            )
        chosen = table.choose(self.state.path, self.request.method, self.trace)
        if chosen is None:
            return Respond(
                404,
                4,
                "The resource you are looking for does not have a handler associated with it.",
                E_FILE_NOT_FOUND,
                notification="MapRequestHandler",
            )
        return chosen

    def missing(self, handler: Handler, entry: FileEntry | None) -> Respond | None:
        kind = handler.resource_type
        found = entry is not None and (
            kind == "Either" or entry.is_directory == (kind == "Directory")
        )
        if self.trace is not None:
            self.trace.add(
                "FILE_CACHE_ACCESS_END",
                FileName=self.site.file_tests.physical_path(self.state.path),
                Successful=found,
                File=self.site.spelled(entry) if entry else None,
            )
        if found:
            return None
        return Respond(
            404,
            0,
            "The resource you are looking for has been removed, had its name changed, or is"
            " temporarily unavailable.",
            E_FILE_NOT_FOUND,
            notification="MapRequestHandler",
        )

    def run_modules(self, handler: Handler, length: int, entry: FileEntry | None) -> Action | None:
        modules: Sequence[str] = handler.modules
        absent = self.plan.absent
        if absent:
            modules = [module for module in handler.modules if module not in absent]
            if not modules and handler.modules:
                return bad_module(handler, handler.modules[0])
        for module in modules:
            self.module = module
            if module in _SECTIONS and (errors := self.effective.errors(_SECTIONS[module])):
                return configuration_error(errors[0], "ExecuteRequestHandler")
            if module == "FastCgiModule":
                path = self.state.path
                return CallFastCgi(handler, path[:length], path[length:])
            if module in _FILE_MODULES:
                if entry is None:
                    entry = self.site.find(self.state.path)
                action = _FILE_MODULES[module](self, entry)
            elif module == "ProtocolSupportModule":
                action = protocol_support.answer(self.request)
            elif module == "httpPlatformHandler":
                return CallHttpPlatform(handler)
            elif module in FOREIGN_MODULES:
                return Respond(
                    500,
                    0,
                    f"The handler '{handler.name}' uses {module}, which fcgiemu does not emulate.",
                    notification="ExecuteRequestHandler",
                )
            else:
                return bad_module(handler, module)
            if action is not None:
                return action
        return None

    def unhandled(self) -> Respond:
        return Respond(
            404,
            0,
            "The resource you are looking for has been removed, had its name changed, or is"
            " temporarily unavailable.",
            E_FILE_NOT_FOUND,
            notification="ExecuteRequestHandler",
        )

    # -- modules that serve files ------------------------------------------------------------------

    def static_file(self, entry: FileEntry | None) -> Action | None:
        if entry is None:
            return None
        if entry.is_directory and self.request.method in ("GET", "HEAD", "POST"):
            return self.courtesy_redirect()
        if self.state.path.endswith("/") and not entry.is_directory:
            return self.unhandled()
        if self.request.method not in ("GET", "HEAD"):
            return Respond(
                405,
                0,
                "The page you are looking for cannot be displayed because an invalid method (HTTP"
                " verb) is being used.",
                0x80070001,
                notification="ExecuteRequestHandler",
                headers=(("Allow", static_file.ALLOWED),),
            )
        errors = self.effective.errors(static_file.SECTION)
        if errors:
            return configuration_error(errors[0], "ExecuteRequestHandler")
        mime_type = self.effective.view(static_file.compiled).mime_type(entry.path)
        if mime_type is None:
            return Respond(
                404,
                3,
                "The page you are requesting cannot be served because of the extension"
                " configuration.",
                0x80070032,
                notification="ExecuteRequestHandler",
                hints=("Add a <mimeMap> for the extension, or a handler if the file is a script.",),
            )
        return ServeFile(entry, mime_type)

    def courtesy_redirect(self) -> Action | None:
        """A folder without its slash: 301 to the same URL with it. Shows the rewritten path after a
        rewrite.
        """
        path = self.state.path
        if path.endswith("/"):
            return None
        query = "?" + self.state.query if self.state.query else ""
        host = (
            self.effective.section("system.webServer/serverRuntime")["alternateHostName"]
            or self.request.authority
        )
        return Redirect(301, encode_location(f"{self.request.scheme}://{host}{path}/{query}"))

    def default_document(self, entry: FileEntry | None) -> Action | None:
        """The first default document that exists runs as a child request of its own."""
        if entry is None or not entry.is_directory or self.depth >= MAX_DEPTH:
            return None
        errors = self.effective.errors(default_document.SECTION)
        if errors:
            return configuration_error(errors[0], "ExecuteRequestHandler")
        for name in self.effective.view(default_document.documents):
            path = self.state.path.rstrip("/") + "/" + name.replace("\\", "/")
            found = self.site.find(path)
            if found is not None and found.is_file:
                self.folder = self.folder or self.state.path
                self.state.dispatch_document(path)
                return self.child() or self.execute(original=False)
        return None

    def directory_listing(self, entry: FileEntry | None) -> Action | None:
        if entry is None or not entry.is_directory:
            return None
        errors = self.effective.errors(directory_listing.SECTION)
        if errors:
            return configuration_error(errors[0], "ExecuteRequestHandler")
        if self.effective.view(directory_listing.compiled).enabled:
            return ListDirectory(entry)
        return Respond(
            403,
            14,
            "The Web server is configured to not list the contents of this directory.",
            notification="ExecuteRequestHandler",
            hints=("Add a default document to the folder, or enable directoryBrowse.",),
        )


#: Modules of a handler -> the section they are described in.
_SECTIONS = {"FastCgiModule": fast_cgi.SECTION, "httpPlatformHandler": http_platform.SECTION}
_FILE_MODULES = {
    "StaticFileModule": _Run.static_file,
    "DefaultDocumentModule": _Run.default_document,
    "DirectoryListingModule": _Run.directory_listing,
}


def bad_module(handler: Handler, module: str) -> Respond:
    """500.21: a handler names a module that the application does not have."""
    return Respond(
        500,
        21,
        f'Handler "{handler.name}" has a bad module "{module}" in its module list',
        notification="ExecuteRequestHandler",
    )


def compose_url(state: State) -> str:
    """The current URL with its query."""
    return f"{state.path}?{state.query}" if state.query else state.path


Action = (
    ServeFile | ListDirectory | CallFastCgi | CallHttpPlatform | Proxy | Redirect | Respond | Abort
)
