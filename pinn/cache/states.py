"""The states of objects, told apart: a recorded graph is valid for one of them."""

from typing import Any

from pinn.cache.key import Reading, read
from pinn.cache.reader import UnreadableError
from pinn.cache.rechecks import is_due

MOST = 64  # states that are known
PERIOD = 128


class Watch:
    """Looks at objects before every use and numbers the states that it finds them in.

    Args:
        roots: what evaluations read.
    """

    def __init__(self, *roots: Any) -> None:
        self.roots = roots
        self.uses = 0
        self.states: dict[int, Reading] = {}
        self.latest = 0
        self.obstacle = ""

    def state(self) -> int | None:
        """The number of the state they are in; None where Python cannot tell, see `obstacle`."""
        self.uses += 1
        try:
            reading = read(*self.roots)
        except UnreadableError as error:
            self.obstacle = str(error)
            return None
        for number, known in reversed(self.states.items()):
            if known == reading:
                return number
        self.latest += 1
        self.states[self.latest] = reading
        if len(self.states) > MOST:
            del self.states[next(iter(self.states))]
        self.uses = 1
        return self.latest

    @property
    def is_due(self) -> bool:
        """Whether what depends on the state is to be held against the Python."""
        return is_due(self.uses, PERIOD)
