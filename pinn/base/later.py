"""Modules and classes of other packages that are loaded when something needs them, not before."""

import re
import sys
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from types import ModuleType
from typing import Any


class Later(ModuleType):
    """A module that runs when something is read that it does not have yet.

    Modules below it may be loaded before that. A name that its text does not have does not run it:
    who looks at all modules that there are, as warnings do, asks for such names.
    """

    def __getattr__(self, name: str) -> Any:
        text = self.__spec__.loader.get_source(self.__name__)  # type: ignore[union-attr]
        if re.search(rf"{re.escape(name)}(?<!\w{re.escape(name)})\b", text or "") is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(self.run(), name)

    def run(self) -> ModuleType:
        """The module, with everything in it."""
        if type(self) is Later:
            self.__class__ = ModuleType  # type: ignore[assignment]
            try:
                self.__spec__.loader.exec_module(self)  # type: ignore[union-attr]
            except BaseException:
                self.__class__ = Later
                raise
        return self


def later(name: str, folders: list[str] | None = None, **known: Any) -> Later:
    """Let a module be imported now and run later.

    Args:
        name: of the module.
        folders: where to look for it; by default below the module that it belongs to.
        known: what can be read of it before it runs.

    Raises:
        ModuleNotFoundError: there is none of the name.
    """
    parent, _, own = name.rpartition(".")
    if parent and folders is None:
        folders = sys.modules[parent].__path__  # type: ignore[assignment]
    spec = PathFinder.find_spec(name, folders)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    module: Any = module_from_spec(spec)
    module.__class__ = Later
    vars(module).update(known)
    sys.modules[name] = module
    if parent in sys.modules:
        setattr(sys.modules[parent], own, module)
    return module


class Unloaded:
    """A module that is imported when something of it is read that is not known.

    Args:
        module: its name.
        known: what is read of it before, by name.
    """

    def __init__(self, module: str, **known: Any) -> None:
        self._module = module
        vars(self).update(known)

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self._module), name)


class StandIn(type):
    """A class in the place of one that may not be loaded yet: `isinstance` answers for that one.

        Figure = StandIn.of("matplotlib.figure", "Figure")

    Before its module is loaded, the class has no instances.
    """

    module: str

    @classmethod
    def of(cls, module: str, name: str) -> Any:
        """One for the class of that name in a module."""
        return cls(name, (), {"module": module})

    def __instancecheck__(cls, it: Any) -> bool:
        home = sys.modules.get(cls.module)
        return home is not None and isinstance(it, getattr(home, cls.__name__))
