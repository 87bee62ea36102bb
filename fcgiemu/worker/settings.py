"""appSettings as wfastcgi reads them, with the Windows paths in them mapped. Python 3.6 syntax."""

import os
from xml.dom import minidom

from . import paths


def find_web_config(folder):
    """The file called web.config, whatever its case, or None."""
    names = sorted(name for name in os.listdir(folder) if name.lower() == "web.config")
    return os.path.join(folder, names[0]) if names else None


def read(folder, pairs, portal=()):
    """Key -> value of every <add> in any <appSettings>; a later key wins, keys are stripped, values
    are not.

    Keys of ``portal`` are left to the process environment. A value that is a mapped Windows path
    becomes the local one. Raises xml.parsers.expat.ExpatError for bad XML.
    """
    name = find_web_config(folder)
    if name is None:
        return {}
    found = {}
    document = minidom.parse(name)
    for configuration in document.getElementsByTagName("configuration"):
        for group in configuration.getElementsByTagName("appSettings"):
            for add in group.getElementsByTagName("add"):
                key = add.getAttribute("key")
                if key and key.strip() not in portal:
                    found[key.strip()] = add.getAttribute(
                        "value"
                    )  # a blank key cannot be set: that stops wfastcgi too
    return {key: paths.map_setting(key, value, pairs, folder) for key, value in found.items()}


def python_path(settings, pairs, variables):
    """The folders that PYTHONPATH adds: ``%NAME%`` expanded, split at ``;``, empty parts dropped,
    each mapped.
    """
    found = []
    for key, value in settings.items():
        if key.lower() == "pythonpath":
            text = paths.expand(value, dict(variables, **({"HOME": "D:\\home"} if pairs else {})))
            for part in text.split(";"):
                if part:
                    found.append(paths.map_setting("PYTHONPATH", part, pairs))
    return found
