"""Types in annotations, and whether a value of a configuration is of one.

An annotation that is not understood is `?`: its values are left to the parser.
"""

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from pinn.cli.signatures import is_dataclass, look_up

# Name of a class in an annotation → where those that derive from it are named without a module.
HOMES = {
    "Problem": ("pinn.problems",),
    "Module": ("pinn.networks",),
    "Embedding": ("pinn.networks",),
    "Geometry": ("pinn.geometry",),
    "Callback": ("lightning.pytorch.callbacks", "pinn.callbacks"),
    "Logger": ("lightning.pytorch.loggers",),
    "Profiler": ("lightning.pytorch.profilers",),
    "Strategy": ("lightning.pytorch.strategies",),
}
PLAIN = ("None", "int", "float", "bool", "str")
LISTS = ("list", "List", "Sequence", "Iterable", "tuple", "Tuple")
MAPPINGS = ("dict", "Dict", "Mapping")

Kind = tuple[str, ast.expr | None, str]


def alternatives(node: ast.expr | None, module: str) -> Iterator[Kind]:
    """The types of an annotation: name, what it holds, and the module to read that in."""
    match node:
        case ast.BinOp(left=left, right=right):
            yield from alternatives(left, module)
            yield from alternatives(right, module)
        case ast.Constant(value=None):
            yield "None", None, module
        case ast.Constant(value=str() as text):
            yield from alternatives(ast.parse(text, mode="eval").body, module)
        case ast.Subscript(value=ast.Name(id="Optional" | "Union" as name), slice=inner):
            for part in inner.elts if isinstance(inner, ast.Tuple) else [inner]:
                yield from alternatives(part, module)
            if name == "Optional":
                yield "None", None, module
        case ast.Subscript(value=ast.Name(id="Literal"), slice=inner):
            for part in inner.elts if isinstance(inner, ast.Tuple) else [inner]:
                yield repr(ast.literal_eval(part)), None, module
        case ast.Subscript(value=outer, slice=inner):
            parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            name = ast.unparse(outer).rpartition(".")[2]
            # The items of a tuple of fixed length have a type each.
            mixed = name in LISTS and len(parts) > 1 and ast.unparse(parts[-1]) != "..."
            told = name in LISTS + MAPPINGS
            yield name if told else "?", None if mixed else parts[-1], module
        case ast.Name(id=name) if (there := look_up(module, name)) is not None:
            if isinstance(there.node, ast.BinOp | ast.Subscript):
                yield from alternatives(there.node, there.module)
            else:
                told = name in HOMES or is_dataclass(there.node)
                yield name if told else "?", None, there.module
        case ast.Name(id=name):
            yield name if name in PLAIN + LISTS + MAPPINGS else "?", None, module
        case ast.Attribute(attr=name):
            yield name if name in HOMES else "?", None, module
        case _:
            yield "?", None, module


def fits(value: Any, kind: str) -> bool:
    """Whether a value may be of a type."""
    match kind:
        case "None":
            return value is None
        case "int":
            return not isinstance(value, bool) and is_number(value) and float(value) % 1 == 0
        case "float":
            return not isinstance(value, bool) and is_number(value)
        case "bool":
            return isinstance(value, bool) or value in ("true", "false")
        case "str":
            return not isinstance(value, list | Mapping)
        case _ if kind in LISTS + MAPPINGS:
            return isinstance(value, Mapping if kind in MAPPINGS else list)
    return repr(value) == kind


def is_number(value: Any) -> bool:
    """Whether a value is a number, also one that YAML takes for text, such as 1e-3."""
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True
