"""The page on derivatives: its code runs, from top to bottom."""

import re
from pathlib import Path

import pytest

from pinn.algebra.rules import RULES

PAGE = (Path(__file__).parents[1] / "docs" / "derivatives.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def names():
    """What the blocks define, one after the other."""
    found = {}
    for block in BLOCKS:
        exec(compile(block, "derivatives.md", "exec"), found)
    return found


def test_the_code_runs(names):
    assert len(BLOCKS) == 5
    assert names["values"].shape == (4096,)
    assert names["jacobian"].shape == (4096, 3, 3)
    assert names["rotation"].shape == names["advection"].shape == (4096, 3)


def test_the_number_of_rules_is_right():
    (told,) = re.findall(r"(\d+) functions of torch have rules", PAGE)
    assert int(told) == len(RULES)
