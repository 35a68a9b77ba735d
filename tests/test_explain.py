"""What the operator says about its choice."""

import pytest
import torch
from oracle import network, points

from pinn.operators.divergence import Divergence

COLUMNS = {"strategy", "flops", "memory", "operations", "seconds", "points", "note"}


def test_auto_explains_what_it_measured():
    net, x, div = network(), points(40, 3), Divergence()
    found = div.explain(net, x)
    assert found is div.choice(net, x)
    assert all(set(row) == COLUMNS for row in found.table)
    assert [row["strategy"] for row in found.table] == ["chain", "taylor", "vmap", "loop"]
    (chosen,) = (row for row in found.table if row["note"] == "chosen")
    assert chosen["strategy"] == found.strategy
    lines = str(found).splitlines()
    assert lines[0].startswith(f"{found.strategy}: ")
    assert len(lines) == 6


@pytest.mark.parametrize(
    ("strategy", "reason"),
    [("vmap", "asked for"), ("rule", "the Jacobian is a chain of constant matrices and slopes")],
)
def test_other_choices_are_explained_by_the_same_table(strategy, reason):
    net, x = network(), points(40, 3)
    found = Divergence(strategy).explain(net, x)
    used = {"vmap": "vmap", "rule": "chain"}[strategy]
    assert (found.strategy, found.reason) == (used, reason)
    notes = {row["strategy"]: row["note"] for row in found.table}
    assert notes[used].startswith("chosen; ")
    assert all(row["flops"] > 0 for row in found.table)
    assert sum("the fastest" in note for note in notes.values()) >= 1


def test_the_backward_pass_is_part_of_it_where_grad_mode_is_on():
    net, x, div = network(), points(40, 3), Divergence()
    step = {row["strategy"]: row["flops"] for row in div.explain(net, x).table}
    with torch.no_grad():
        value = {row["strategy"]: row["flops"] for row in div.explain(net, x).table}
    for strategy, flops in step.items():
        assert flops > 2 * value[strategy]
