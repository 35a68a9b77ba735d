"""Objects that remember how they were made, as plain data that a checkpoint can hold.

A spec is `{"class_path": "module.Class", "init_args": {...}}`, the form YAML files use.
"""

import inspect
import pkgutil
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import nn

Spec = dict[str, Any]

_KEYS = {"class_path", "init_args"}
_PLAIN = (type(None), bool, int, float, str)


class Restorable(nn.Module):
    """A module that remembers its arguments, so that a checkpoint can make it again."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Record the arguments before a subclass's `__init__` sees them."""
        self = super().__new__(cls)
        record(self, args, kwargs)
        return self


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
        init_args[key] = _plain(value, f"argument {key!r} of {name}")
    return {"class_path": spec["class_path"], "init_args": init_args}


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
        raise ValueError(f"a spec needs exactly the keys class_path and init_args, got {spec!r}")
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
        return {key: _plain(item, where) for key, item in value.items()}
    if getattr(value, "_spec", None) is not None:
        return spec_of(value)
    raise ValueError(
        f"{where} is a {type(value).__name__}, which a checkpoint cannot rebuild: "
        "use numbers, text, lists, mappings, or a Network or Embedding"
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
        if package not in allowed:
            raise ValueError(
                f"the checkpoint wants to import {value['class_path']!r}: if you trust it, "
                f"allow that with --allow_import {package} (allow_import={package!r} in Python)"
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
    init_args = _revive_arguments(value["init_args"], allowed)
    try:
        inspect.signature(cls.__init__).bind(None, **init_args)  # type: ignore[misc]
    except TypeError as error:
        raise ValueError(
            f"class {value['class_path']!r} does not take the arguments in the checkpoint "
            f"({error}): it has changed since, pass problem=... instead"
        ) from error
    return cls(**init_args)


def _revive_arguments(init_args: dict[str, Any], allowed: Sequence[str]) -> dict[str, Any]:
    return {key: _revive(item, allowed) for key, item in init_args.items()}


def _find_class(class_path: str, allowed: Sequence[str]) -> type:
    module = class_path.rpartition(".")[0]
    try:
        found = pkgutil.resolve_name(class_path)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"class {class_path!r} named in the checkpoint cannot be imported: "
            f"pass problem=..., or put {module} on the path"
        ) from error
    # An allowed module holds names it imported itself, such as `os`, and classes that act when
    # they are made, such as a command line: only a class that records itself is ever in a spec.
    own = isinstance(found, type) and found.__module__.split(".")[0] in allowed
    if not own or not issubclass(found, Restorable):
        raise ValueError(
            f"{class_path!r} named in the checkpoint is not a Problem, Network or Embedding"
        )
    return found
