"""Signatures of classes, read from their source: nothing is imported, so torch is not loaded."""

import ast
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Named:
    """What a name stands for in a module.

    Args:
        module: the module whose text defines it.
        node: a class, the value assigned, or an import that leads out of reach.
    """

    module: str
    node: ast.AST


@dataclass(frozen=True)
class Parameter:
    """One argument of a class: its annotation, the module to read that in, whether it must be."""

    annotation: ast.expr | None
    module: str
    required: bool


@cache
def source(module: str) -> ast.Module | None:
    """The syntax tree of a module; None where it has no source file."""
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except ValueError:  # of a module that was run as a script
        return None
    if spec is None or not spec.origin:
        return None
    path = Path(spec.origin)
    if rest:
        path = path.parent.joinpath(*rest)
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    try:
        return ast.parse(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (SyntaxError, ValueError):  # told when it is imported
        return None


def statements(module: str) -> Iterator[ast.stmt]:
    """The statements of a module, those below `if` and `try` included."""
    waiting: list[ast.stmt] = list(getattr(source(module), "body", []))
    for node in waiting:
        if isinstance(node, ast.If | ast.Try):
            waiting += [*node.body, *node.orelse]
        else:
            yield node


@cache
def names(module: str) -> dict[str, Named]:
    """All names that a module defines or imports; an import stands for what it names elsewhere."""
    known: dict[str, Named] = {}
    for node in statements(module):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            known.setdefault(node.name, Named(module, node))
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                known.setdefault(ast.unparse(target), Named(module, node.value))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            home = getattr(node, "module", None) if not getattr(node, "level", 0) else None
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                known.setdefault(name, Named(home or "", alias))
    return known


def look_up(module: str, name: str) -> Named | None:
    """What a name stands for in a module; None where the module does not have it."""
    named = names(module).get(name)
    if named is not None and isinstance(named.node, ast.alias):
        return look_up(named.module, named.node.name) or named
    return named


def find(path: str) -> Named | None:
    """What a dotted path names; None where the module that it begins with has no such name."""
    parts = path.split(".")
    count = max((n for n in range(1, len(parts)) if source(".".join(parts[:n]))), default=0)
    named = look_up(".".join(parts[:count]), parts[count]) if count else None
    if named is not None and count + 1 < len(parts):
        return Named(named.module, ast.Pass())  # within something else: out of reach
    return named


def ancestors(cls: Named) -> Iterator[Named | None]:
    """A class and those that it derives from; None for one out of reach."""
    yield cls
    for base in getattr(cls.node, "bases", ()):
        above = look_up(cls.module, base.id) if isinstance(base, ast.Name) else None
        if above is None or not isinstance(above.node, ast.ClassDef):
            yield None
        else:
            yield from ancestors(above)


def derives(cls: Named, base: str) -> bool | None:
    """Whether a class derives from one of this name; None where that is not known."""
    line = list(ancestors(cls))
    if any(getattr(each.node, "name", "") == base for each in line if each):
        return True
    return None if None in line and base == "Module" else False


def parameters(cls: Named) -> tuple[dict[str, Parameter], bool]:
    """The arguments of a class by name, and whether these are all that it takes."""
    taken: dict[str, Parameter] = {}
    for each in ancestors(cls):
        body = getattr(getattr(each, "node", None), "body", None)
        if each is None or body is None:
            return taken, False
        init = next((n for n in reversed(body) if getattr(n, "name", "") == "__init__"), None)
        if isinstance(init, ast.FunctionDef):
            taken = {**dict(arguments(init.args, each.module)), **taken}
            if init.args.kwarg is None:
                return taken, True
        elif is_dataclass(each.node):
            fields = [n for n in body if isinstance(n, ast.AnnAssign)]
            return {
                ast.unparse(n.target): Parameter(n.annotation, each.module, n.value is None)
                for n in fields
            }, True
    return taken, False


def is_dataclass(node: ast.AST) -> bool:
    """Whether a class takes its annotated attributes."""
    return any("dataclass" in ast.unparse(d) for d in getattr(node, "decorator_list", ()))


def arguments(given: ast.arguments, module: str) -> Iterator[tuple[str, Parameter]]:
    """The arguments of a method, without `self`."""
    plain = [*given.posonlyargs, *given.args]
    defaults = [*[None] * (len(plain) - len(given.defaults)), *given.defaults]
    both = [*zip(plain[1:], defaults[1:], strict=True)]
    both += zip(given.kwonlyargs, given.kw_defaults, strict=True)
    for argument, default in both:
        yield argument.arg, Parameter(argument.annotation, module, default is None)
