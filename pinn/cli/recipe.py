"""Recipes in a configuration file: `{class_path: MLP, init_args: {width: 64}}`, by their form."""

from collections.abc import Mapping
from typing import Any

import yaml

from pinn.base.messages import echo, nearest
from pinn.cli.yaml_nodes import UsageError, entries, shown

FORM = ("class_path", "init_args", "dict_kwargs")


def check_recipes(node: yaml.Node, where: str, key: str = "") -> None:
    """Hold every mapping that names a class, at any depth, against the form of a recipe.

    Raises:
        UsageError: a key is misspelt or out of place, or a value is of the wrong kind.
    """
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            if key == "model.phases" and not isinstance(item, yaml.MappingNode):
                raise UsageError(
                    f"{where}: {key}.{index} is {shown(item)}: expected keys, such as "
                    "{optimizer: Adam, steps: 1000}"
                )
            check_recipes(item, where, f"{key}.{index}")
    fields = entries(node)
    check_form(fields, where, key)
    for name, value in fields.items():
        check_recipes(value, where, f"{key}.{name}".removeprefix("."))


def check_form(fields: dict[str, yaml.Node], where: str, key: str) -> None:
    """Hold the keys of one mapping against the form."""
    for name in fields:
        close = nearest(name, FORM, cutoff=0.8)
        if close and name not in FORM:
            raise UsageError(
                f"{where}: unknown key {echo(f'{key}.{name}')} (did you mean {echo(close)}?)"
            )
        if "class_path" in fields and name not in FORM:
            raise UsageError(
                f"{where}: {echo(f'{key}.{name}')} lies beside class_path: put it in init_args"
            )
    path, arguments = fields.get("class_path"), fields.get("init_args")
    if path is not None and (not path.tag.endswith(":str")):
        raise UsageError(f"{where}: {key}.class_path is {shown(path)}: expected a class's name")
    if arguments is not None and not isinstance(arguments, yaml.MappingNode):
        raise UsageError(
            f"{where}: {key}.init_args is {shown(arguments)}: expected keys, or leave it out"
        )


def is_recipe(value: Any) -> bool:
    """Whether a value says which class to make, or with what."""
    return isinstance(value, Mapping) and bool({"class_path", "init_args"} & set(value))
