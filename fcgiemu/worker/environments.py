"""Environments for ``get_venv_handler``, also where ``site`` does not look for them itself. Python
2.7 and 3.6 syntax.
"""

import os
import site
import sys


def restore_venv_detection():
    """From Python 3.14 on, ``site.main`` again detects an environment by itself, as
    ``get_venv_handler`` expects.
    """
    if sys.version_info >= (3, 14):
        site.main = aware(site.main)


def aware(genuine):
    """``site.main`` as it was up to Python 3.13: it finds the environment of ``sys.executable``
    itself.

    From 3.14 on the interpreter alone does so, once, at its start (cpython issue 126985).
    """

    def main():
        folder = os.path.dirname(os.path.dirname(os.path.abspath(sys.executable)))
        if os.path.isfile(os.path.join(folder, "pyvenv.cfg")):
            sys.prefix = sys.exec_prefix = folder
            site.PREFIXES[:0] = [folder]
        genuine()

    return main
