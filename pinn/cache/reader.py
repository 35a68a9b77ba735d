"""The walk through what Python may read: each object once, as structure and numbers."""

from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor

MOST = 100_000  # values looked at; what is larger belongs into an array


class UnreadableError(ValueError):
    """Python cannot tell whether an object changes.

    Args:
        what: the object, in words.
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.path: list[str] = []

    def __str__(self) -> str:
        where = ".".join(reversed(self.path))
        return f"{where} is {self.args[0]}" if where else str(self.args[0])


class Unread:
    """A memory of values that follow from what is read otherwise: a reading passes it by."""


class Reader:
    """Walks through objects, each once, and writes down what it finds.

    Args:
        way_of: the type of a value ↦ what reads it, called with this reader and the value.
        roots: the ids of code that is known by whoever remembers.
        by_item: whether modules are read item by item.
    """

    def __init__(
        self,
        way_of: Callable[[type], Callable[["Reader", Any], Any]],
        roots: Iterable[int],
        by_item: bool = False,
    ) -> None:
        self.way_of, self.roots, self.by_item = way_of, set(roots), by_item
        self.structure: list[Any] = []
        self.numbers: list[Any] = []
        self.tensors: list[Tensor] = []
        self.seen: dict[int, int] = {}
        self.alive: list[Any] = []  # ids are those of living objects
        self.named: set[tuple[int, int]] = set()  # modules, and the code that names them

    def read(self, value: Any) -> None:
        """Write down one value."""
        kind = type(value)
        self.structure.append(kind)
        self.way_of(kind)(self, value)

    def is_new(self, value: Any) -> bool:
        """Whether an object is met for the first time; if not, its number is written down."""
        number = self.seen.get(id(value))
        if number is not None:
            self.structure.append(number)
            return False
        self.seen[id(value)] = len(self.seen)
        self.alive.append(value)
        if len(self.structure) + len(self.numbers) > MOST:
            raise UnreadableError(f"more than {MOST:,} values: hold numbers in an array")
        return True

    def read_named(self, name: Any, value: Any) -> None:
        """A value under its name."""
        self.structure.append(name)
        try:
            self.read(value)
        except UnreadableError as error:
            error.path.append(str(name))
            raise

    def read_items(self, items: dict) -> None:
        """The attributes of an object, or the entries of a dict."""
        self.structure.append(len(items))
        for name, value in items.items():
            if type(name) is str:
                self.read_named(name, value)
            else:
                self.read(name)
                self.read_named(name if isinstance(name, int | float) else type(name), value)
