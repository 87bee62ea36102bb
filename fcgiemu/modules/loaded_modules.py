"""Which native modules an application has: <modules> of its configuration."""

from __future__ import annotations

from ..config.tree import Effective

SECTION = "system.webServer/modules"
#: The modules whose work fcgiemu does, and that an application may remove.
EMULATED = frozenset(
    {
        "AnonymousAuthenticationModule",
        "ApplicationInitializationModule",
        "BasicAuthenticationModule",
        "CorsModule",
        "CustomErrorModule",
        "DefaultDocumentModule",
        "DigestAuthenticationModule",
        "DirectoryListingModule",
        "DynamicCompressionModule",
        "DynamicIpRestrictionModule",
        "FastCgiModule",
        "HttpCacheModule",
        "HttpRedirectionModule",
        "IpRestrictionModule",
        "ProtocolSupportModule",
        "RequestFilteringModule",
        "RewriteModule",
        "StaticCompressionModule",
        "StaticFileModule",
        "UrlAuthorizationModule",
        "WebDAVModule",
        "WebSocketModule",
        "WindowsAuthenticationModule",
    }
)


def modules_not_loaded(effective: Effective) -> frozenset[str]:
    """The emulated modules that the configuration does not load. A view: see Effective.view."""
    return EMULATED - {item.text("name") for item in effective.section(SECTION).items}
