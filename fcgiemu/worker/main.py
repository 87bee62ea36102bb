"""Start of a worker: ``python main.py`` in the site's interpreter, descriptor 0 = a listening
FastCGI socket; ``python main.py HOST:PORT`` where none can be passed on (Windows).

With FCGIEMU_PROBE (a folder) in the environment, the handler is only loaded and described: see
probe.py.

Loads this folder and flup by path, under names of its own, so that the site sees no package of
ours.
"""

import sys

#: What the interpreter had loaded before anything of ours.
BEFORE = frozenset(sys.modules)

import importlib.util  # noqa: E402
import os  # noqa: E402

#: What the process was started with, for a stand-by that has to start itself again.
STARTED_WITH = dict(os.environ)


def _load(name, folder):
    """The package at ``folder`` as ``name``."""
    spec = importlib.util.spec_from_file_location(
        name, os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


def _hide(name):
    """Take a loaded package out of sight: the site may have its own of that name."""
    for loaded in [key for key in sys.modules if key == name or key.startswith(name + ".")]:
        del sys.modules[loaded]


if __name__ == "__main__":
    _load("_fcgiemu_worker", os.path.dirname(os.path.abspath(__file__)))
    FLUP = os.environ.pop("FCGIEMU_FLUP", "")
    if "FCGIEMU_PROBE" in os.environ:
        from _fcgiemu_worker import probe

        probe.probe()
    else:
        _load("flup", FLUP)
        from _fcgiemu_worker import server

        _hide("flup")
        server.serve()
