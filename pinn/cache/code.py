"""Functions and classes: their code, and what it refers to outside itself.

What libraries were installed with is taken not to change; a class of theirs may be patched.
"""

import os
import sys
from functools import cache, lru_cache
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

from pinn.cache.reader import Reader

FIXED = {"torch", "numpy", "lightning", "pytorch_lightning", "lightning_fabric", "scipy"}
# What belongs to these changes no result, or is looked at elsewhere.
UNREAD = FIXED - {"numpy", "scipy"} | {
    "_io", "_thread", "_weakref", "concurrent", "functorch", "logging", "threading", "types",
    "typing", "weakref",
}  # fmt: skip
# What Python itself writes into a class.
OWN_WORDS = {
    "__module__", "__qualname__", "__doc__", "__dict__", "__weakref__", "__annotations__",
    "__abstractmethods__", "__parameters__", "__orig_bases__", "__dataclass_fields__",
    "__dataclass_params__", "__match_args__", "__firstlineno__", "__static_attributes__",
    "_abc_impl",
}  # fmt: skip


def read_function(reader: Reader, f: FunctionType) -> None:
    """A function: its code, and what it refers to, unless it belongs to a library."""
    if not reader.is_new(f):
        return
    code = f.__code__
    reader.structure.append(None if id(code) in reader.roots else code)
    if is_library(f.__module__ or ""):
        return
    for cell in f.__closure__ or ():
        if cell == CellType():  # a name that is not bound yet
            reader.structure.append(CellType)
        else:
            reader.read_named(f.__name__, cell.cell_contents)
    if f.__defaults__ or f.__kwdefaults__ or f.__dict__:
        reader.read(f.__defaults__)
        reader.read(f.__kwdefaults__)
        reader.read(f.__dict__)
    for name in names_in(code):
        if name in f.__globals__:
            read_global(reader, name, f.__globals__[name], code)


def read_global(reader: Reader, name: str, value: Any, code: CodeType) -> None:
    """A global that a function names; of a module of the user's, what is named of it."""
    reader.structure.append(name)
    if isinstance(value, ModuleType):
        reader.structure.append(id(value))
        if value is os and not {"environ", "getenv"}.isdisjoint(names_in(code)):
            reader.structure.append(tuple(os.environ.items()))
        pair = id(value), id(code)
        if not is_library(value.__name__) and pair not in reader.named:
            reader.named.add(pair)
            for inner in names_in(code):
                if inner in vars(value):
                    read_global(reader, inner, vars(value)[inner], code)
    elif isinstance(value, type | FunctionType) and is_library(value.__module__ or ""):
        reader.structure.append(id(value))
    else:
        reader.read_named(name, value)


def read_class(reader: Reader, cls: type) -> None:
    """A class with its bases: attributes and methods."""
    if not reader.is_new(cls):
        return
    for c in cls.__mro__:
        if c.__module__ == "builtins" or (c is not cls and not reader.is_new(c)):
            continue
        if is_fixed(c.__module__):  # its functions may be replaced, what they read may not
            reader.structure.append(tuple(map(id, vars(c).values())))
            continue
        for name, value in vars(c).items():
            if name not in OWN_WORDS:
                reader.read_named(name, value)


def read_builtin(reader: Reader, value: Any) -> None:
    """A function written in C, perhaps a method of an object."""
    reader.structure.append(value.__name__)
    if not isinstance(value.__self__, type | ModuleType | None):
        reader.read(value.__self__)


def read_imported(reader: Reader, value: ModuleType) -> None:
    """A Python module that is held as a value."""
    if not is_library(value.__name__) and reader.is_new(value):
        own = [(n, v) for n, v in vars(value).items() if not n.startswith("__")]
        reader.read_items({n: v for n, v in own if not isinstance(v, ModuleType)})


def slots_of(cls: type) -> tuple[str, ...]:
    """The names of the slots of one class."""
    slots = vars(cls).get("__slots__", ())
    names = (slots,) if isinstance(slots, str) else tuple(slots)
    return tuple(n for n in names if n not in ("__dict__", "__weakref__"))


@cache
def is_fixed(module: str) -> bool:
    """Whether a module belongs to Python, torch or the inner part of this package."""
    root = module.partition(".")[0]
    if root == "pinn":
        return not module.startswith(("pinn.problems", "pinn.networks"))
    return root in FIXED or root in sys.stdlib_module_names


@cache
def is_unread(module: str) -> bool:
    """Whether objects of a module's classes are not looked into."""
    return module.partition(".")[0] in UNREAD and not module.startswith("torch.distributions")


@cache
def is_library(module: str) -> bool:
    """Whether a module was installed, so that its globals are taken not to change."""
    if is_fixed(module):
        return True
    file = getattr(sys.modules.get(module.partition(".")[0]), "__file__", None) or ""
    return "site-packages" in file or "dist-packages" in file


@lru_cache(4096)
def names_in(code: CodeType) -> tuple[str, ...]:
    """The globals and attributes that code names, that of functions inside it too."""
    inner = [names_in(c) for c in code.co_consts if isinstance(c, CodeType)]
    return tuple(dict.fromkeys([*code.co_names, *(name for names in inner for name in names)]))
