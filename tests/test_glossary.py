"""The glossary explains every key of the configurations that come with the package."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
CONFIGURATIONS = sorted((ROOT / "configs").glob("*.yaml"))
NAMED = {"points", "weights", "periods", "refine"}  # whose keys are names of the problem


def keys(node):
    """The keys of a configuration, and the names in it that a problem chooses."""
    if isinstance(node, list):
        for entry in node:
            yield from keys(entry)
    if isinstance(node, dict):
        for key, value in node.items():
            yield "key", key
            if key in NAMED:
                yield from (("name", name) for name in value)
            else:
                yield from keys(value)


@pytest.mark.parametrize("file", CONFIGURATIONS, ids=[file.stem for file in CONFIGURATIONS])
def test_every_key_is_explained(file):
    rows = re.findall(r"^\| (`[^|]*`) \| \w", PAGE, flags=re.MULTILINE)
    explained = {word for row in rows for word in re.findall(r"`(\w+)`", row)}
    found = set(keys(yaml.safe_load(file.read_text(encoding="utf-8"))))
    assert {key for kind, key in found if kind == "key"} - explained == set()
    assert {name for kind, name in found if kind == "name" and f"`{name}`" not in PAGE} == set()
