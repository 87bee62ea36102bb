"""Stands in for an activate_this.py that does not exist: adds the packages of the site's virtual
environment, if any.

Run by the site's proxy script through exec, as virtualenv's own script would be. Python 3.6 syntax.
"""

import os
import site
import sys

_env = os.environ.get("FCGIEMU_ENV")
if _env:
    _before = list(sys.path)
    _version = "python%d.%d" % sys.version_info[:2]
    for _folder in (
        os.path.join(_env, "lib", _version, "site-packages"),
        os.path.join(_env, "Lib", "site-packages"),
    ):
        if os.path.isdir(_folder):
            site.addsitedir(_folder)
    # The environment's packages come before those of the base interpreter.
    sys.path[:] = [_entry for _entry in sys.path if _entry not in _before] + _before
    sys.prefix = _env
