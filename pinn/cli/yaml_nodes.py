"""The nodes of a YAML text: what is said before anything is made of it."""

import yaml

NULL = "tag:yaml.org,2002:null"


class UsageError(Exception):
    """A command line or configuration that cannot be run; the text is one line."""


def entries(node: yaml.Node | None) -> dict[str, yaml.Node]:
    """The values of a mapping by their keys; empty for anything else."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return {str(name.value): value for name, value in pairs}


def shown(node: yaml.Node) -> str:
    """A node as an error line names it."""
    if isinstance(node, yaml.ScalarNode):
        return "null" if node.tag == NULL else repr(node.value)
    return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"
