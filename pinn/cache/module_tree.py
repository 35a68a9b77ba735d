"""A tree of the library's modules that is as it was when it was read.

It is not read again item by item: all its attributes are compared at once, which takes half the
time. What it cannot be sure of, such as a hook or a list that holds something, is read anew.
"""

import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import chain, count
from operator import attrgetter, is_, itemgetter
from typing import Any

import torch
from torch import Tensor, nn

from pinn.cache.code import is_fixed
from pinn.cache.reader import Reader

SCALARS = {bool, int, float, str, type(None), torch.dtype}  # never change, so they may be kept
COLLECTIONS = {dict, OrderedDict, list, tuple, set}
STATES = {"_parameters", "_buffers"}
SHAPE = attrgetter("shape", "dtype", "requires_grad", "device")
joined = chain.from_iterable


class Tree:
    """What was read of a module and those below it; keeps none of them alive.

    Two are equal where their structures are.

    Args:
        modules: all of them, the outermost first.
        structure: what was read of them besides numbers.
        numbers: their numbers.

    Raises:
        NotPlainError: an attribute is neither a scalar, empty, a tensor's dict nor a module's.
    """

    def __init__(self, modules: Sequence[nn.Module], structure: tuple, numbers: list) -> None:
        self.structure, self.numbers = structure, numbers
        self.refs = [weakref.ref(module) for module in modules]
        classes = dict.fromkeys(joined(type(module).__mro__ for module in modules))
        self.classes = [c for c in classes if c.__module__ != "builtins"]
        dicts = [*map(vars, modules)]
        items = [*joined(d.items() for d in dicts)]
        values = [value for _, value in items]
        places: list[list[int]] = [[], [], [], []]
        for k, (name, value) in enumerate(items):
            places[kind_of(name, value)].append(k)
        self.scalars, self.empty, self.states, self.inner = map(picking, places)
        self.kinds, self.held = [*map(type, values)], self.scalars(values)
        self.seen = self.look(modules, dicts, values)
        tensors = self.tensors_in(values)
        if tensors is None or any(t.ndim == 0 and not t.is_floating_point() for t in tensors):
            raise NotPlainError  # tied, or a flag
        self.shapes = kinds_and_shapes(tensors)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Tree) and self.structure == other.structure)

    __hash__ = None  # type: ignore[assignment]

    def look(
        self, modules: Sequence[nn.Module], dicts: Sequence[dict], values: Sequence[Any]
    ) -> tuple:
        """What has to stay, apart from scalars and tensors; of objects that may end, their ids."""
        states, inner = self.states(values), self.inner(values)
        return (
            [*map(type, modules)],
            [*map(len, dicts)],
            [*joined(dicts)],
            [*map(len, states)],
            [*joined(states)],
            [*map(len, inner)],
            [*joined(inner)],
            [*map(id, joined(map(dict.values, inner)))],
            [[*map(id, vars(c).values())] for c in self.classes],
        )

    def tensors_in(self, values: Sequence[Any]) -> list[Tensor] | None:
        """The parameters and buffers; None where one of them is met twice."""
        states = joined(map(dict.values, self.states(values)))
        tensors = [tensor for tensor in states if tensor is not None]
        return tensors if len({*map(id, tensors)}) == len(tensors) else None

    def now(self) -> tuple[list[nn.Module], list[Tensor]] | None:
        """The modules and their tensors; None where anything has changed but tensors' numbers."""
        modules = [module for ref in self.refs if (module := ref()) is not None]
        if len(modules) < len(self.refs):
            return None
        dicts = [*map(vars, modules)]
        values = [*joined(map(dict.values, dicts))]
        # The types come first: by them the places are those of scalars and dicts.
        if [*map(type, values)] != self.kinds or self.look(modules, dicts, values) != self.seen:
            return None
        if any(self.empty(values)) or not all(map(is_, self.scalars(values), self.held)):
            return None
        tensors = self.tensors_in(values)
        if tensors is None or kinds_and_shapes(tensors) != self.shapes:
            return None
        return modules, tensors


class NotPlainError(Exception):
    """A module has to be read item by item."""


def kind_of(name: str, value: Any) -> int:
    """What an attribute is: 0 a scalar, 1 empty, 2 a dict of tensors, 3 a dict of modules.

    Raises:
        NotPlainError: none of these.
    """
    kind = type(value)
    if kind in SCALARS:
        return 0
    if kind in COLLECTIONS and not value:
        return 1
    if kind is dict and name in STATES:
        return 2
    if kind is dict and name == "_modules":
        return 3
    if kind is tuple and SCALARS.issuperset(map(type, value)):
        return 0
    raise NotPlainError


def picking(places: Sequence[int]) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """Takes the values at some places."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda values: tuple(values[k] for k in places)


def kinds_and_shapes(tensors: Iterable[Tensor]) -> list[tuple]:
    """What an evaluation may ask of tensors besides their numbers."""
    return [(type(t), SHAPE(t)) for t in tensors]


@lru_cache(4096)
def is_plain(kind: type) -> bool:
    """Whether a class of modules is the library's, with all that it inherits."""
    own = all(c.__module__ == "builtins" or is_fixed(c.__module__) for c in kind.__mro__)
    return own and not getattr(kind, "_unread", ())


def below(module: nn.Module) -> list[nn.Module]:
    """A module and those below it, each once, in the order of a reading.

    Raises:
        NotPlainError: one of them is of a class that is not the library's.
    """
    modules, waiting = dict[int, nn.Module](), [module]
    while waiting:
        one = waiting.pop()
        if id(one) not in modules:
            kind: type = type(one)
            if not is_plain(kind):
                raise NotPlainError
            modules[id(one)] = one
            waiting += [child for child in reversed(one._modules.values()) if child is not None]
    return [*modules.values()]


# The last tree of a module; None for one that was not plain, and is read item by item since.
TREES: weakref.WeakKeyDictionary[nn.Module, Tree | None] = weakref.WeakKeyDictionary()


def is_read_as_a_tree(reader: Reader, module: nn.Module) -> bool:
    """Read a module with all below it, if they are plain and share nothing with the rest."""
    kind: type = type(module)
    if reader.by_item or not is_plain(kind):
        return False
    tree, parts = TREES.get(module), None
    if tree is not None:
        parts = tree.now()
    elif module in TREES:
        return False
    if tree is None or parts is None:
        try:
            tree = TREES[module] = made(reader, module)
        except NotPlainError:
            TREES[module] = None
            return False
        parts = tree.now()
    if parts is None:
        return False
    modules, tensors = parts
    known = [*map(id, modules[1:]), *map(id, tensors)]
    if not reader.seen.keys().isdisjoint(known):
        return False
    reader.seen.update(zip(known, count(len(reader.seen)), strict=False))
    reader.alive.append(parts)
    reader.structure.append(tree)
    reader.numbers += tree.numbers
    reader.tensors += tensors
    return True


def made(reader: Reader, module: nn.Module) -> Tree:
    """The tree of a module, read item by item.

    Raises:
        NotPlainError: it is not plain.
    """
    modules = below(module)
    whole = Reader(reader.way_of, (), by_item=True)
    whole.read(module)
    return Tree(modules, tuple(whole.structure), whole.numbers)
