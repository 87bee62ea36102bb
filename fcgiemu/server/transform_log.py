"""LogFiles/Transform of an App Service: what the transforms of applicationHost.config did at this
start.
"""

from __future__ import annotations

import os
import time

from ..app_service.home import Home, LeadsOut
from ..site import Site


def write(site: Site) -> str:
    """Write the log of this start into the site's home, in the place of the last one. Returns where
    it lies, or why it could not be written; "" for a site without transforms.
    """
    transforms, folder = site.host_transforms, site.home
    if transforms is None or folder is None:
        return ""
    home = Home(folder)
    path = folder / "LogFiles" / "Transform" / f"{site.azure_name}.log"
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S")
    text = "".join(f"{stamp} {line}\n" for line in transforms.log)
    try:
        home.check(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        home.check(path)
        descriptor = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0), 0o644
        )
        with open(descriptor, "w", encoding="utf-8", errors="replace") as stream:
            stream.write(text)
    except (OSError, LeadsOut) as error:
        return f"not written: {error}"
    return str(path)
