"""Settings held against the signatures of the classes they are for, before torch is loaded.

What is certainly wrong is told at once: an unknown key or class, a value of another type. The rest,
such as a class of another package, is left to the parser.
"""

import ast
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pinn.base import paths
from pinn.base.messages import LARGEST_SEED, echo, near_miss, nearest, whole
from pinn.cli.annotations import HOMES, LISTS, MAPPINGS, Kind, alternatives, fits
from pinn.cli.recipe import is_recipe
from pinn.cli.signatures import (
    Named,
    Parameter,
    ancestors,
    derives,
    find,
    is_dataclass,
    look_up,
    names,
    parameters,
)
from pinn.cli.yaml_nodes import UsageError

SEED = "seed_everything"
LINKED = "data.seed"  # an argument that has the same value
# Section of a configuration → the class that it is for.
SECTIONS = {
    "model": "pinn.training.solver.Solver",
    "data": "pinn.training.collocation.Collocation",
    "trainer": "lightning.pytorch.trainer.trainer.Trainer",
    "checkpoints": "pinn.callbacks.checkpointing.Checkpoints",
    "pictures": "pinn.callbacks.pictures.Figures",
}
BASES = {"Module": "Network"}  # by which name they are told from others of their home
# What a configuration may name; naming a class imports and runs its module.
TRUSTED = (
    "pinn",
    "torch.optim",
    "torch.nn",
    *(
        f"lightning.{package}.{part}"
        for package in ("pytorch", "fabric")
        for part in ("accelerators", "callbacks", "loggers", "plugins", "profilers", "strategies")
    ),
)


def check(settings: Mapping[str, Any], allowed: Sequence[str], complete: bool) -> None:
    """Hold all settings of a run against the classes that they are for.

    Args:
        settings: sections, as a configuration has them.
        allowed: packages whose classes may be named, beside this program's.
        complete: whether nothing else will be added, so that what must be given has to be here.

    Raises:
        UsageError: one cannot be; the line says which, and what could.
    """
    checker = Checker(allowed)
    for section, value in settings.items():
        if section not in (SEED, *SECTIONS):
            raise UsageError(f"unknown key {echo(section)}{suggestion(section, (SEED, *SECTIONS))}")
        if section == SEED:
            try:
                whole(SEED, value, 0, LARGEST_SEED)
            except ValueError as error:
                raise UsageError(str(error)) from error
        cls = find(SECTIONS[section]) if section in SECTIONS else None
        if cls is not None and value is not None and not is_file(value):
            checker.arguments(value, cls, section)
    needed = parameters(find(SECTIONS["model"]))[0] if complete else {}  # type: ignore[arg-type]
    given = settings.get("model") or {}
    for name in [n for n, each in needed.items() if each.required and n not in given]:
        raise UsageError(f"model.{name} needs a value")


def importable(packages: Sequence[str], folders: Sequence[Path]) -> None:
    """Let modules of the current folder and of those of the configurations be imported.

    Raises:
        UsageError: a package does not exist.
    """
    places = [str(folder.resolve()) for folder in (Path.cwd(), *folders)] if packages else []
    sys.path[:0] = [place for place in dict.fromkeys(places) if place not in sys.path]
    for name in packages:
        identifiers = all(part.isidentifier() for part in name.split("."))
        if not identifiers or importlib.util.find_spec(name.split(".")[0]) is None:
            raise UsageError(
                f"--allow_import {echo(name)}: no such module in this folder or beside the "
                "configuration, and none is installed"
            )


def check_path(path: str, allowed: Sequence[str]) -> None:
    """Refuse a class below none of the allowed packages.

    Raises:
        UsageError: it is not imported.
    """
    if not any(f"{path}.".startswith(f"{known}.") for known in (*TRUSTED, *allowed)):
        raise UsageError(refusal(path))


def refusal(path: str) -> str:
    """A line about a class that was not imported."""
    return (
        f"{echo(path)} is not part of this program and was not imported: if you trust it, "
        f"add --allow_import {path.split('.')[0]}"
    )


class Checker:
    """Walks through settings and annotations together; see `check`."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self.allowed = allowed

    def arguments(self, given: Any, cls: Named, key: str) -> None:
        """Hold keys and values against the arguments of a class."""
        if not isinstance(given, Mapping):
            raise UsageError(f"expected keys below {echo(key)}, got {shown(given)}")
        known, complete = parameters(cls)
        for name, value in given.items():
            if f"{key}.{name}" == LINKED:
                raise UsageError(f"{LINKED} is the seed of all: set {SEED}")
            if name in known:
                self.value(value, known[name], f"{key}.{name}")
            elif complete:
                others = [n for n in known if f"{key}.{n}" != LINKED]
                raise UsageError(f"unknown key {echo(f'{key}.{name}')}{suggestion(name, others)}")

    def value(self, value: Any, taken: Parameter, key: str) -> None:
        """Hold a value against an annotation."""
        kinds = list(alternatives(taken.annotation, taken.module))
        if not kinds or is_file(value) or any(kind == "?" for kind, *_ in kinds):
            return
        inner = [(kind, Parameter(of, where, False)) for kind, of, where in kinds]
        lists = [each for kind, each in inner if kind in LISTS]
        mappings = [each for kind, each in inner if kind in MAPPINGS]
        classes = [kind for kind, *_ in kinds if kind in HOMES]
        records = [find_class(kind, where) for kind, _, where in kinds]
        record = next((cls for cls in records if cls is not None), None)
        if classes and (isinstance(value, str) or is_recipe(value)):
            if "str" not in [kind for kind, *_ in kinds] or not isinstance(value, str):
                self.recipe(value, classes[0], key)
        elif isinstance(value, Mapping) and (mappings or classes):
            for name, item in value.items() if mappings else ():
                self.value(item, mappings[0], f"{key}.{name}")
        elif isinstance(value, Mapping) and record is not None:
            self.arguments(value, record, key)
        elif isinstance(value, list) and lists:
            for item in value:
                self.value(item, lists[0], key)
        elif str(value).lower() in ("nan", ".nan"):
            raise UsageError(f"{key} is nan: expected a finite number")
        elif not any(fits(value, kind) for kind, *_ in kinds):
            raise UsageError(wrong_type(value, kinds, key))

    def recipe(self, value: Any, base: str, key: str) -> None:
        """Hold a class and its arguments against what the class takes."""
        value = value if isinstance(value, Mapping) else {"class_path": value}
        path, given = value.get("class_path"), value.get("init_args", {})
        if path is not None and (cls := self.named(path, base, key)) is not None:
            self.arguments(given, cls, key)

    def named(self, path: str, base: str, key: str) -> Named | None:
        """The class of a name, if it can be told."""
        homes, kind = HOMES[base], BASES.get(base, base)
        if "." in path:
            check_path(path, self.allowed)
            if path.split(".")[0] not in ("pinn", "lightning"):
                own = any(f"{path}.".startswith(f"{name}.") for name in self.allowed)
                cls = find(path) if own else None
                if cls is None or None in ancestors(cls) or derives(cls, base) is not False:
                    return cls
            cls = find(path)
        else:
            cls = next((c for home in homes if (c := look_up(home, path))), None)
            if cls is None and self.allowed:
                return None
        if cls is not None and not isinstance(cls.node, ast.ClassDef):
            return None
        if cls is not None and derives(cls, base) is not False:
            return cls
        each = {name: look_up(home, name) for home in homes for name in names(home)}
        known = [n for n, c in each.items() if c and n != kind and derives(c, kind)]
        elsewhere = any(look_up(home, path) for homes in HOMES.values() for home in homes)
        if cls is None and not elsewhere:
            last = path.split(".")[-1]
            raise UsageError(f"{key}: unknown class {echo(path)}{suggestion(last, known)}")
        raise UsageError(f"{key}: {echo(path)} is no {kind}{suggestion('', known)}")


def find_class(kind: str, module: str) -> Named | None:
    """A class of this program that is given as plain keys, such as `Phase`."""
    named = look_up(module, kind) if kind.isidentifier() else None
    return named if named is not None and is_dataclass(named.node) else None


def is_file(value: Any) -> bool:
    """Whether a value names a file, which holds what is meant."""
    return isinstance(value, str) and paths.is_file(value)


def wrong_type(value: Any, kinds: Sequence[Kind], key: str) -> str:
    """A line about a value that is none of the types which a key can have."""
    choices = [kind.strip("'") for kind, *_ in kinds if kind[0] in "'\""]
    others = [kind for kind, *_ in kinds if kind[0] not in "'\"" and kind != "None"]
    expected = [*dict.fromkeys(others), *(["one of " + ", ".join(choices)] if choices else [])]
    near = nearest(value, choices)
    hint = f" (did you mean {echo(near)}?)" if near else ""
    return f"{key} is {shown(value)}: expected {' or '.join(expected)}{hint}"


def shown(value: Any) -> str:
    """A value as an error line names it."""
    if isinstance(value, list | Mapping):
        return "a list" if isinstance(value, list) else "a mapping"
    return "null" if value is None else echo(str(value))


def suggestion(name: str, known: Any) -> str:
    """The end of a line about an unknown name: the closest one, and all if they are few."""
    hint = near_miss(name, known)
    return f": {hint if len(known) <= 12 else hint.split('known:')[0].strip()}".rstrip(": ")
