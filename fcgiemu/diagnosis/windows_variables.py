"""``%NAME%`` in a configuration: which names a Windows server defines."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..hosting import Hosting
from ..modules.http_platform import DEBUG_PORT_VARIABLE, PORT_VARIABLE

#: Variables of every Windows server, of a worker process, and of httpPlatform.
_OF_WINDOWS = frozenset(
    """allusersprofile app_pool_config app_pool_id appdata clientname commonprogramfiles
    commonprogramfiles(x86) commonprogramw6432 computername comspec driverdata homedrive
    homepath iis_bin iis_drive iis_sites_home iis_user_home localappdata logonserver
    number_of_processors onedrive os path pathext processor_architecture
    processor_identifier processor_level processor_revision programdata programfiles
    programfiles(x86) programw6432 psmodulepath public sessionname systemdrive systemroot
    temp tmp userdnsdomain userdomain userdomain_roamingprofile username userprofile windir
    xdt_appsetting xdt_scmsitename xdt_sitename""".split()
) | {PORT_VARIABLE.lower(), DEBUG_PORT_VARIABLE.lower()}
#: What App Service adds.
_OF_APP_SERVICE = re.compile(
    r"(?i)home|home_expanded|website_\w+|appsetting_\w+|\w+connstr_\w+|region_name|scm\w*|site_bitness|"
    r"websocket_\w+|webroot_path|aspnetcore_\w+"
)


def is_of_windows(name: str) -> bool:
    """Whether every Windows server, or App Service, defines a variable."""
    return name.lower() in _OF_WINDOWS or _OF_APP_SERVICE.fullmatch(name) is not None


def undefined(site: Hosting, text: str) -> Iterator[str]:
    """The names of ``%NAME%`` in a text that nothing on the server defines."""
    given = {setting.name.lower() for setting in site.settings.app_settings}
    for name in re.findall(r"%([^%=\s]+)%", text):
        if (
            re.fullmatch(r"[0-9A-Fa-f]{2}.*", name)
            and len(name) % 3 != 0
            and name.lower() not in (_OF_WINDOWS)
        ):
            continue  # a part of a percent-encoded text
        known = name.lower() in _OF_WINDOWS | given or _OF_APP_SERVICE.fullmatch(name)
        if not known:
            yield name


def without_variables(path: str) -> str:
    """A path with what App Service has for the usual variables written out; a file of its logs
    where another one is named.
    """
    text = re.sub(r"(?i)%home(?:_expanded)?%", r"D:\\home", path)
    text = re.sub(r"(?i)%systemdrive%|%homedrive%", "D:", text)
    return text if "%" not in text else "D:\\home\\LogFiles\\" + re.split(r"[\\/]", text)[-1]
