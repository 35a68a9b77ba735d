"""The nodes of a YAML text: bounded, and what is said before anything is made of it."""

from typing import Any, NamedTuple

import yaml

from pinn.base.messages import echo

NULL = "tag:yaml.org,2002:null"
BOOL = "tag:yaml.org,2002:bool"
LONGEST = 2**17  # characters; a configuration has some thousands
MOST = 20_000  # nodes
DEEPEST = 40  # levels


class Bounds(NamedTuple):
    """How much a YAML text may hold: characters, nodes, levels."""

    characters: int
    nodes: int
    levels: int


GIVEN = Bounds(LONGEST, MOST, DEEPEST)  # by a user
SAVED = Bounds(8 * LONGEST, 8 * MOST, 2 * DEEPEST)  # with a run, where all defaults are written out


class UsageError(Exception):
    """A command line or configuration that cannot be run; the text is one line."""


class Bounded(yaml.SafeLoader):
    """Composes so many nodes and levels; what an alias stands for counts as often as it is named.

    Args:
        text: YAML.
        where: it stands, for the line of an error.
        bounds: how much it may hold.
    """

    def __init__(self, text: str, where: str, bounds: Bounds = GIVEN) -> None:
        super().__init__(text)
        self.where, self.bounds = where, bounds
        self.depth = self.count = 0
        self.sizes: dict[int, int] = {}

    def fetch_flow_collection_start(self, TokenClass: Any) -> None:
        """An opening bracket.

        Raises:
            UsageError: there are too many; looking for their ends takes the square of their number.
        """
        if self.flow_level > self.bounds.levels:
            raise self.too_deep()
        super().fetch_flow_collection_start(TokenClass)

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """The next node.

        Raises:
            UsageError: it is one too many, too deep, or within itself.
        """
        is_alias, before = self.check_event(yaml.AliasEvent), self.count
        self.depth += 1
        self.count += 1
        if self.depth > self.bounds.levels:
            raise self.too_deep()
        node = super().compose_node(parent, index)
        if is_alias and id(node) not in self.sizes:
            raise UsageError(f"{self.where}: an alias stands within what it stands for")
        self.count += self.sizes[id(node)] - 1 if is_alias else 0
        if self.count > self.bounds.nodes:
            raise UsageError(
                f"{self.where} has more than {self.bounds.nodes} entries, those behind aliases "
                "included: put data into a file of its own"
            )
        self.sizes.setdefault(id(node), self.count - before)
        self.depth -= 1
        return node

    def too_deep(self) -> UsageError:
        """The line about too many levels."""
        return UsageError(f"{self.where} is nested too deeply: at most {self.bounds.levels} levels")


def composed(text: str, where: str, bounds: Bounds = GIVEN) -> yaml.Node | None:
    """The nodes of a YAML text, nothing constructed.

    Args:
        text: YAML.
        where: it stands, for the line of an error.
        bounds: how much it may hold.

    Raises:
        UsageError: it is longer, larger or deeper than a configuration can be.
        YAMLError: it is no YAML.
    """
    if len(text) > (most := bounds.characters):
        raise UsageError(f"{where} is too long: a configuration has at most {most} characters")
    loader = Bounded(text, where, bounds)
    try:
        node: yaml.Node | None = loader.get_single_node()
        return node
    finally:
        loader.dispose()


def entries(node: yaml.Node | None) -> dict[str, yaml.Node]:
    """The values of a mapping by their keys; empty for anything else."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return {str(name.value): value for name, value in pairs}


def shown(node: yaml.Node) -> str:
    """A node as an error line names it."""
    if isinstance(node, yaml.ScalarNode):
        return "null" if node.tag == NULL else echo(node.value)
    return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"
