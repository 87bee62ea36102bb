"""Modules that a stand-by has loaded ahead, kept out of sight until the site asks for them. Python
3.6 syntax.

A module is given to the site only where loading it now would have the same result. So while a
module is loaded ahead it sees nothing of the others: whatever it asks for, it asks here, and what
it needs is known exactly. Afterwards all of them leave ``sys.modules`` and the packages that they
are attributes of, and come back one by one, each with what it needs, when the site imports them. At
that moment every top-level name that was asked for while loading ahead must still lead to the same
file, by the import path of that moment; else ``unfit`` is called, which does not return.
"""

import os
import sys
from functools import partial
from importlib.machinery import ExtensionFileLoader, ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location


class PreloadedLoader:
    """A loader of a module that exists already."""

    def __init__(self, put):
        self._put = put

    def create_module(self, spec):
        """The import system makes an empty module, which is not kept."""

    def exec_module(self, module):
        self._put(module)


class Shelf:
    """A finder at the head of ``sys.meta_path``. ``is_allowed(name, file)`` says what may be
    loaded ahead.
    """

    def __init__(self, is_allowed, unfit):
        self.modules = {}
        #: Names that could not be loaded ahead, or must not.
        self.failed = set()
        self._is_allowed = is_allowed
        self._unfit = unfit
        self._visible = set(sys.modules)
        self._needs = {}
        self._running = {}
        #: Top-level names -> the file each leads to, None for those that lead nowhere.
        self._leads = {}
        self._asked = []
        self._bound = {}
        self._closed = False
        #: The import path, finders and hooks while loading ahead; those of the last check.
        self._path = list(sys.path)
        self._searched = None
        self._checked = None
        #: Packages -> the folders of their modules.
        self._folders = {}

    # -- finding -----------------------------------------------------------------------------------

    def find_spec(self, name, path=None, target=None):
        """Called by the import system for what is not in sys.modules."""
        if target is not None:  # importlib.reload
            return None
        if self._closed:
            return self._give(name, path)
        if name in self.modules or name in self._running:
            return ModuleSpec(name, PreloadedLoader(partial(self._put, name)))
        return self._recorded(name, path)

    def _find(self, name, path):
        """What the other finders say."""
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            if finder is self or find is None:
                continue
            spec = find(name, path, None)
            if spec is not None:
                return spec
        return None

    # -- loading ahead -----------------------------------------------------------------------------

    def load(self, name):
        """Load a module with nothing of the others in sight; where that fails, ``failed`` says
        so.
        """
        self._asked.append({})
        try:
            __import__(name)
            self._leads.update(self._asked[-1])
        except Exception:
            self.failed.add(name)
        finally:
            self._asked.pop()
            self._keep()
            self._hide()

    def asks(self):
        """The top-level names that have been asked for."""
        return set(self._leads)

    def _recorded(self, name, path):
        spec = self._find(name, path)
        if "." not in name and self._asked:
            self._asked[-1][name] = _file(spec)
        loader = spec.loader if spec is not None else None
        if loader is None or isinstance(loader, type):
            return spec
        if not self._is_allowed(name, spec.origin):
            self.failed.add(name)
            raise ImportError("%s is not loaded ahead" % name)
        loader.exec_module = partial(self._execute, name, loader, loader.exec_module)
        if isinstance(loader, ExtensionFileLoader):  # these may import while they are created
            loader.create_module = partial(self._create, name, loader, loader.create_module)
        return spec

    def _create(self, name, loader, create, spec):
        del loader.create_module
        return self._alone(name, partial(create, spec))

    def _execute(self, name, loader, execute, module):
        del loader.exec_module
        self._running[name] = module
        try:
            self._alone(name, partial(execute, module))
        finally:
            del self._running[name]
        self.modules[name] = sys.modules.get(name, module)

    def _alone(self, name, call):
        """Call with nothing loaded ahead in sight but ``name``, and remember what that has
        needed.
        """
        hidden = self._hide(name)
        self._asked.append({})
        try:
            result = call()
        except BaseException:
            self.failed.add(name)
            raise
        else:
            self._leads.update(self._asked[-1])
            needed = [key for key in sys.modules if key not in self._visible and key != name]
            self._needs[name] = self._needs.get(name, ()) + tuple(needed)
            return result
        finally:
            self._asked.pop()
            self._keep(name)
            self._show(hidden)

    def _hide(self, but=None):
        """Take everything out of sight: names, and attributes of packages, by which ``from package
        import module`` would find it.
        """
        hidden = {}
        for name in [key for key in sys.modules if key not in self._visible and key != but]:
            if _is_built_in(sys.modules[name]):
                self._visible.add(name)
            else:
                hidden[name] = sys.modules.pop(name)
        for name, module in hidden.items():
            parent, _, child = name.rpartition(".")
            package = hidden.get(parent) or sys.modules.get(parent)
            if package is not None and getattr(package, "__dict__", {}).get(child) is module:
                self._bound[name] = package, child
                delattr(package, child)
        return hidden

    def _show(self, modules):
        sys.modules.update(modules)
        for name in modules:
            if name in self._bound:
                package, child = self._bound[name]
                setattr(package, child, modules[name])

    def _keep(self, but=None):
        """Remember what is in sight, except for what still runs."""
        for name, module in list(sys.modules.items()):
            if name in self._visible or name in self._running or name == but:
                continue
            if _is_built_in(module):
                self._visible.add(name)
            else:
                self.modules[name] = module

    def close(self):
        """Everything that has been loaded goes out of sight."""
        self._hide()
        for name, module in self.modules.items():
            folders = getattr(module, "__path__", None)
            if isinstance(folders, list):
                self._folders[name] = list(folders)
        path = list(dict.fromkeys(self._path))
        self._searched = path, list(map(id, sys.meta_path)), list(map(id, sys.path_hooks))
        self._closed = True

    # -- giving ------------------------------------------------------------------------------------

    def check(self):
        """Whether all names still lead where they led; ``unfit`` is called where one does not."""
        state = (tuple(sys.path), tuple(map(id, sys.meta_path)), os.getcwd())
        if state == self._checked:
            return
        for name in self._suspects():
            try:
                same = _file(self._find(name, None)) == self._leads[name]
            except Exception:
                same = False
            if not same:
                self._unfit("%s leads to another file" % name)
        self._checked = state

    def _suspects(self):
        """The names that may lead elsewhere by now: all of them, or where the import path has only
        become longer, those that its new folders hold.
        """
        path, finders, hooks = self._searched
        added = [entry for entry in sys.path if entry not in path]
        if (
            [entry for entry in dict.fromkeys(sys.path) if entry in path] != path
            or list(map(id, sys.meta_path))[: len(finders)] != finders
            or list(map(id, sys.path_hooks)) != hooks
        ):
            return list(self._leads)
        held = set()
        for entry in added:
            try:
                held.update(name.partition(".")[0].lower() for name in os.listdir(entry or "."))
            except OSError:
                if os.path.exists(entry):
                    return list(self._leads)
        more = len(sys.meta_path) > len(finders)  # asked last, about what nothing else has found
        return [
            name for name, file in self._leads.items() if name.lower() in held or more and not file
        ]

    def _give(self, name, path):
        if name not in self.modules:
            return None
        self.check()
        put = partial(self._put, name)
        spec = self._known(name, path) or self._find(name, path)
        if spec is None:  # one that another module has put into sys.modules by itself
            return None
        if _file(spec) != _file(getattr(self.modules[name], "__spec__", None)):
            self._unfit("%s leads to another file" % name)
        if hasattr(spec.loader, "__dict__") and not isinstance(spec.loader, type):
            # the very loader, for those who look at it
            spec.loader.create_module = PreloadedLoader(put).create_module
            spec.loader.exec_module = put
            return spec
        return ModuleSpec(name, PreloadedLoader(put), origin=spec.origin)

    def _known(self, name, path):
        """The spec of a module in a package of ours, whose folders are those that they were."""
        parent = self.modules.get(name.rpartition(".")[0])
        spec = getattr(self.modules[name], "__spec__", None)
        if (
            parent is None
            or path is not getattr(parent, "__path__", None)
            or self._folders.get(parent.__name__) != list(path)
            or type(getattr(spec, "loader", None)) not in (SourceFileLoader, ExtensionFileLoader)
            or spec.name != name
        ):
            return None
        loader = type(spec.loader)(name, spec.origin)
        return spec_from_file_location(
            name,
            spec.origin,
            loader=loader,
            submodule_search_locations=spec.submodule_search_locations,
        )

    def _put(self, name, _empty):
        """Put a module into sight with all it needs."""
        waiting = [name]
        while waiting:
            key = waiting.pop()
            if key in sys.modules and key != name:
                continue
            module = self.modules.get(key, self._running.get(key))
            if module is None:
                continue
            self._show({key: module})
            waiting.extend(need for need in self._needs.get(key, ()) if need not in sys.modules)

    def lacks(self, names):
        """Those of ``names`` that have been loaded ahead and that nothing has asked for yet."""
        return [name for name in names if name in self.modules and name not in sys.modules]


def _file(spec):
    """What a spec leads to: a file, the folders of a namespace package, or None."""
    if spec is None:
        return None
    if spec.origin not in (None, "namespace"):
        return spec.origin
    return tuple(spec.submodule_search_locations or ())


def _is_built_in(module):
    spec = getattr(module, "__spec__", None)
    return spec is not None and spec.origin in ("built-in", "frozen")
