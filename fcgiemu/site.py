"""Site: the public face. ``Site(path).decide(request)`` and ``Site(path).explain(url)``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from . import identities
from .app_service import easy_auth, front_end
from .app_service.easy_auth import EasyAuth
from .app_service.principal import Principal, principal_of
from .decision import Decision, Outcome, Refused
from .hosting import Hosting, SiteFiles
from .http.identity import Identity
from .http.request import Request, make_request
from .http.url import UrlRefused
from .modules.pipeline import decide
from .report.explanation import CannedResponse, Explanation, explanation
from .settings import Settings
from .trace import Trace


class Site(Hosting):
    """An IIS site over a local folder.

    ``Site("path").explain("/a?b=1")`` says what IIS would do with a URL; raises SiteError where
    ``path`` is not a folder.
    """

    __slots__ = ()

    def __init__(self, path: str | os.PathLike[str], settings: Settings | None = None) -> None:
        super().__init__(Path(path), settings or Settings())

    def decide(
        self, request: Request, trace: Trace | None = None, files: SiteFiles | None = None
    ) -> Decision:
        """What IIS does with ``request``. Configuration is compiled once and kept: see
        ConfigTree.refresh.

        ``files`` may be a recording view: see SiteFiles.
        """
        return decide(self, request, trace, files or self.files)

    def as_received(
        self,
        request: Request,
        identifier: str = front_end.NO_IDENTIFIER,
        signed_in: Principal | None = None,
    ) -> Request:
        """The request as it reaches the site: with what the front end of App Service adds, where
        there is one, and with the identity of the client. Raises UrlRefused.
        """
        standing = request.identity or self.settings.identity
        if standing is not None:
            request = identities.arrive(request, standing)
        if not self.settings.azure:
            return request
        request = front_end.arrive(easy_auth.strip(request), self.azure_name, identifier)
        settings = self.settings.easy_auth
        if settings is None:
            return request
        return easy_auth.arrive(request, settings, signed_in or _signed_in(request, settings))

    def explain(
        self,
        url: str,
        method: str = "GET",
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        *,
        https: bool = False,
        remote_addr: str = "127.0.0.1",
        body_length: int | None = None,
        vars: Mapping[str, str] | None = None,
        response: CannedResponse | None = None,
        events: bool = True,
        identity: Identity | None = None,
        signed_in: Principal | None = None,
    ) -> Explanation:
        """What IIS would do with a URL, in the shape of ``fcgiemu explain --json``; see
        docs/explain.md.

        ``url`` is a path or an absolute URL; ``response`` stands in for what the chosen handler
        would answer; ``identity`` is who the client is, in the place of Settings.identity;
        ``signed_in`` who has signed in to App Service.
        """
        self.tree.refresh()
        trace = Trace() if events else None
        outcome: Outcome
        try:
            request = make_request(
                url,
                method,
                headers,
                https=https,
                remote_addr=remote_addr,
                body_length=body_length,
                overrides=vars,
            )
            request.identity = identity
            request = self.as_received(request, signed_in=signed_in)
            if identity is not None:
                request.identity = identity
            outcome = self.decide(request, trace)
        except UrlRefused as error:
            outcome = Refused.of(error)
        return explanation(self, outcome, method, url, canned=response, trace=trace)


def _signed_in(request: Request, settings: EasyAuth) -> Principal | None:
    """The client of --as, as the first provider would know it; a session comes before it."""
    who = request.identity
    if who is None or settings.signed_in(request) is not None:
        return None
    return principal_of(
        {"provider": settings.redirect_to, "name": who.name, "roles": list(who.roles)}
    )
