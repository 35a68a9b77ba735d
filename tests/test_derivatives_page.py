"""The page on derivatives: its code runs, from top to bottom."""

import re
from pathlib import Path

import pytest
import torch

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
    assert len(BLOCKS) >= 6
    assert names["values"].shape == (4096,)
    assert names["jacobian"].shape == (4096, 3, 3)
    flow, gradient = names["net"](names["x"]), names["jacobian"].value
    convected = (gradient @ flow.unsqueeze(-1)).squeeze(-1)
    exact = convected + flow * names["divergence"].value.unsqueeze(-1)  # ∇·(u ⊗ u) = (u·∇)u + u ∇·u
    torch.testing.assert_close(names["force"], exact)
    assert names["rotation"].shape == names["advection"].shape == (4096, 3)


def test_the_number_of_rules_is_right():
    (told,) = re.findall(r"(\d+) functions of torch have rules", PAGE)
    assert int(told) == len(RULES)
