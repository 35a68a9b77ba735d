"""Objects that remember how they were made, as plain data that a checkpoint can hold.

A spec is `{"class_path": "module.Class", "init_args": {...}}`, the form YAML files use.
"""

import inspect
import pkgutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import nn

from pinn.base.messages import echo
from pinn.base.plain_values import made, plain_value

Spec = dict[str, Any]

_KEYS = {"class_path", "init_args"}
_PLAIN = (type(None), bool, int, float, str)
MAIN = "__main__"
# What may be named without permission: what the session holds already, and torch's own layers.
_OPEN = (f"{MAIN}.", "torch.nn.")


class UnknownClassError(ValueError):
    """A class that a checkpoint names and this session cannot find.

    Args:
        class_path: its name.
    """

    def __init__(self, class_path: str) -> None:
        super().__init__(
            f"class {echo(class_path)} named in the checkpoint cannot be imported: "
            f"{whence(class_path)}"
        )
        self.class_path = class_path


class Recorded:
    """An object that remembers its arguments, so that a checkpoint can make it again."""

    _spec: Spec

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Record the arguments before a subclass's `__init__` sees them."""
        self = super().__new__(cls)
        record(self, args, kwargs)
        return self


class Restorable(Recorded, nn.Module):
    """A module that remembers its arguments."""


class Value(Recorded):
    """An array, a tensor or a path among the arguments, as plain data: to make it gives the thing.

    Args:
        kind: `array`, `tensor` or `path`.
        data: its numbers in a row, or the text of the path.
        shape: of the array.
        dtype: of its numbers.
    """

    def __new__(
        cls, kind: str, data: Any, shape: Sequence[int] = (), dtype: str = "float64"
    ) -> Any:
        """The thing itself."""
        return made(kind, data, shape, dtype)

    def __init__(
        self, kind: str, data: Any, shape: Sequence[int] = (), dtype: str = "float64"
    ) -> None:
        raise TypeError("Value makes an object of another class")  # for its signature alone


def record(obj: object, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Remembers the arguments of `obj`, defaults included; called from `__new__`.

    `copy.deepcopy` and `pickle` call `__new__` without arguments and restore the record with the
    rest of the state afterwards, so a record made from too few arguments is no error here.
    """
    signature = inspect.signature(type(obj).__init__)
    try:
        bound = signature.bind_partial(obj, *args, **kwargs)
    except TypeError:
        return  # __init__ is about to say what is wrong, naming the class
    bound.apply_defaults()
    init_args: dict[str, Any] = {}
    for position, (name, value) in enumerate(bound.arguments.items()):
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            init_args.update(value)
        elif kind is inspect.Parameter.VAR_POSITIONAL:
            if value[1 if position == 0 else 0 :]:
                init_args["*" + name] = value
        elif position > 0:
            init_args[name] = value
    class_path = f"{type(obj).__module__}.{type(obj).__qualname__}"
    # nn.Module.__setattr__ would fail or register submodules before nn.Module.__init__ has run.
    object.__setattr__(obj, "_spec", {"class_path": class_path, "init_args": init_args})


def spec_of(obj: object) -> Spec:
    """The recipe of a recorded object, in plain types only.

    Tuples become lists, numpy scalars and tensors with one value and no axes become numbers, and
    recorded objects become their own specs.

    Raises:
        ValueError: `obj` keeps no record, or an argument is not plain data.
    """
    name = type(obj).__name__
    spec = getattr(obj, "_spec", None)
    if spec is None:
        raise ValueError(f"{name} keeps no record of its arguments: only Problem and Network do")
    init_args = {}
    for key, value in spec["init_args"].items():
        if key.startswith("*"):
            raise ValueError(f"{name}: arguments {key} have no names, pass them by keyword instead")
        try:
            init_args[key] = _plain(value, f"argument {echo(key)} of {name}")
        except ValueError:
            if value is not _default(type(obj), key):  # which the class knows by itself
                raise
    return {"class_path": spec["class_path"], "init_args": init_args}


def _default(cls: type, argument: str) -> Any:
    """The default of an argument of a constructor."""
    parameter = inspect.signature(cls.__init__).parameters.get(argument)  # type: ignore[misc]
    return inspect.Parameter.empty if parameter is None else parameter.default


def named(class_path: str) -> str:
    """The name of a class, as one writes it where it is defined."""
    return class_path.rpartition("<locals>.")[2].rpartition(".")[2]


def whence(class_path: str, file: str = "") -> str:
    """Where a class that cannot be imported by name comes from, as the middle of a line.

    Args:
        class_path: the class.
        file: the name of the file that defines it, if it is known.
    """
    name, place = named(class_path), class_path.rpartition(".")[0]
    if "<locals>" in class_path:
        function = class_path.partition(".<locals>")[0].rpartition(".")[2]
        return f"{name} is defined inside the function {function}" + (f" ({file})" if file else "")
    if place.partition(".")[0] == MAIN:
        return f"{name} is defined in {MAIN} ({file or 'a notebook or an interactive session'})"
    return f"{name} is defined in the module {place}" + (f" ({file})" if file else "")


def file_of(cls: type) -> str:
    """The name of the file that defines a class, without its folder; empty if there is none."""
    found = getattr(sys.modules.get(cls.__module__), "__file__", None)
    return Path(found).name if found else ""


def is_importable(cls: type) -> bool:
    """Whether another session can find a class by its name."""
    return cls.__module__ != MAIN and "<locals>" not in cls.__qualname__


def build(spec: Spec, allowed: Sequence[str] = ("pinn",)) -> Any:
    """Makes the object a spec describes, nested specs first.

    Args:
        spec: what `spec_of` returned.
        allowed: top-level packages that may be imported. A checkpoint is data from elsewhere, so
            anything else is refused before any import.

    Raises:
        ValueError: the spec is malformed, names a package that is not allowed, or a class that
            cannot be imported or no longer takes these arguments.
    """
    if not _is_spec(spec):
        raise ValueError(
            f"a spec needs exactly the keys class_path and init_args, got {echo(spec)}"
        )
    # A bare text would allow every package whose name is a part of it.
    allowed = (allowed,) if isinstance(allowed, str) else tuple(allowed)
    _check_allowed(spec, allowed)
    return _revive(spec, allowed)


def _plain(value: Any, where: str) -> Any:
    if isinstance(value, np.generic) or (isinstance(value, torch.Tensor) and value.ndim == 0):
        value = value.item()
    if type(value) in _PLAIN:
        return value
    if isinstance(value, list | tuple):
        return [_plain(item, where) for item in value]
    if isinstance(value, dict) and all(type(key) is str for key in value):
        if callable(value.get("where")):
            raise ValueError(
                f"{where} picks a part by a function, which a checkpoint cannot hold: pick it by "
                "coordinates such as x=0, or by segments, in place of where"
            )
        return {key: _plain(item, where) for key, item in value.items()}
    if getattr(value, "_spec", None) is not None:
        return spec_of(value)
    if (given := plain_value(value)) is not None:
        return {"class_path": f"{Value.__module__}.Value", "init_args": given}
    raise ValueError(
        f"{where} is a {type(value).__name__}, which a checkpoint cannot rebuild: "
        "use numbers, text, lists, mappings, arrays, paths, or a Network or Embedding"
    )


def _is_spec(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == _KEYS
        and isinstance(value["class_path"], str)
        and isinstance(value["init_args"], dict)
    )


def _check_allowed(value: Any, allowed: Sequence[str]) -> None:
    """Refuses foreign packages anywhere in the spec, before the first import."""
    if _is_spec(value):
        package = value["class_path"].split(".")[0].split(":")[0]
        if package not in allowed and not value["class_path"].startswith(_OPEN):
            raise ValueError(
                f"the checkpoint wants to import {echo(value['class_path'])}: if you trust it, "
                f"allow that with --allow_import {package} (allow_import={echo(package)} in Python)"
            )
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _check_allowed(item, allowed)


def _revive(value: Any, allowed: Sequence[str]) -> Any:
    if isinstance(value, list):
        return [_revive(item, allowed) for item in value]
    if not isinstance(value, dict):
        return value
    if not _is_spec(value):
        return {key: _revive(item, allowed) for key, item in value.items()}
    cls = _find_class(value["class_path"], allowed)
    init_args = _revive(value["init_args"], allowed)
    try:
        inspect.signature(cls.__init__).bind(None, **init_args)  # type: ignore[misc]
    except TypeError as error:
        raise ValueError(
            f"class {echo(value['class_path'])} does not take the arguments in the checkpoint "
            f"({error}): it has changed since, pass an object of it instead, as problem=… or "
            "network=…"
        ) from error
    return cls(**init_args)


def _find_class(class_path: str, allowed: Sequence[str]) -> type:
    try:
        found = pkgutil.resolve_name(class_path)
    except (ImportError, AttributeError, ValueError) as error:
        raise UnknownClassError(class_path) from error
    if not isinstance(found, type) or not _may_be_made(found, class_path, allowed):
        raise ValueError(
            f"{echo(class_path)} named in the checkpoint is not a Problem, Network or Embedding"
        )
    return found


def _may_be_made(found: type, class_path: str, allowed: Sequence[str]) -> bool:
    """Whether a class is one that a spec holds, and not one that an allowed module imported.

    An allowed module holds names it imported itself, such as `os`, and classes that act when they
    are made, such as a command line: only modules of torch's kind are ever in a spec, and those of
    this package record themselves.
    """
    package = found.__module__.split(".")[0]
    if issubclass(found, Recorded):
        return package in (*allowed, MAIN)
    exact = f"{found.__module__}.{found.__qualname__}" == class_path
    trusted = package in allowed or class_path.startswith(_OPEN)
    return issubclass(found, nn.Module) and exact and trusted and package != "pinn"


def revive_arguments(spec: Spec, allowed: Sequence[str]) -> dict[str, Any]:
    """The arguments in a spec, ready for a class that is given: `cls(**arguments)`.

    Raises:
        ValueError: an argument names a package that is not allowed, or cannot be made.
    """
    _check_allowed(spec["init_args"], allowed)
    return {key: _revive(item, allowed) for key, item in spec["init_args"].items()}
