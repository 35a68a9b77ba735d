"""What `auto` measures: counted, discarded, timed by a clock that the test winds, chosen."""

import pytest
import torch
from oracle import choose, network, points
from test_choice import NoRule
from torch import nn

from pinn.algebra.channels import Plan, first
from pinn.base.costs import Cost
from pinn.choosing.candidates import Measurement, discarded, duration, lines_of
from pinn.choosing.choice import Choice
from pinn.choosing.race import Heat, Race
from pinn.derivatives.evaluate import STRATEGIES

PLAN = Plan((first(0), first(1), first(2)))


class Winding:
    """A clock that only the strategies move, each by seconds of its own."""

    def __init__(self, monkeypatch, **seconds):
        self.time, self.calls = 0.0, []
        for name, original in list(STRATEGIES.items()):
            monkeypatch.setitem(STRATEGIES, name, self.winding(name, original, seconds[name]))

    def winding(self, name, original, seconds):
        def jet(f, x, plan, chunk=None):
            if len(x) == 200:  # neither the few of the checks nor the few of the counts
                self.time += seconds
                self.calls.append(name)
            return original.jet(f, x, plan, chunk)

        return original._replace(jet=jet)

    def __call__(self):
        return self.time


@pytest.mark.parametrize("fastest", ["taylor", "vmap", "loop"])
def test_the_fastest_is_chosen(monkeypatch, fastest):
    seconds = {name: 1e-3 if name == fastest else 4e-3 for name in STRATEGIES}
    clock = Winding(monkeypatch, **seconds)
    choice = choose(network(), points(200, 3), PLAN, clock=clock)
    assert choice.strategy == fastest
    assert choice.reason.startswith(f"{fastest}: 1 ms, ")
    assert choice.reason.endswith("4 ms at 200 points")
    assert {row["strategy"]: row["seconds"] for row in choice.table} == pytest.approx(seconds)


def test_among_equals_the_fused_pass_is_taken(monkeypatch):
    clock = Winding(monkeypatch, taylor=1.04e-3, vmap=1e-3, loop=1.02e-3)
    assert choose(network(), points(200, 3), PLAN, clock=clock).strategy == "taylor"


def test_the_budget_is_honoured(monkeypatch):
    clock = Winding(monkeypatch, taylor=0.11, vmap=0.12, loop=0.13)
    choose(network(), points(200, 3), PLAN, budget=1.0, clock=clock)
    assert 0.5 < clock.time < 1.2


def test_beyond_the_budget_the_count_decides(monkeypatch):
    clock = Winding(monkeypatch, taylor=5.0, vmap=5.0, loop=5.0)
    choice = choose(network(), points(200, 3), PLAN, clock=clock)
    assert len(clock.calls) == 1
    assert choice.reason.split(";")[0].endswith(" by count")
    notes = {row["note"] for row in choice.table}
    assert notes == {"chosen", "not timed within the budget"}


def test_an_obstacle_is_in_the_table(monkeypatch):
    clock = Winding(monkeypatch, taylor=1e-3, vmap=2e-3, loop=3e-3)
    choice = choose(network(activation=NoRule), points(200, 3), PLAN, clock=clock)
    assert choice.strategy == "vmap"
    assert choice.reason.startswith("vmap: 2 ms, loop 3 ms at 200 points; taylor no fused pass: ")
    row = choice.table[0]
    assert (row["strategy"], row["flops"], row["seconds"]) == ("taylor", None, None)
    assert "erfcx" in row["note"]


def heads(count, apart):
    torch.manual_seed(0)
    nets = nn.ModuleList(network(count, 1) for _ in range(count))
    for net in nets:
        net[2] = nn.Linear(6, 512).double()
        net[4] = nn.Linear(512, 1).double()

    def f(x):
        parts = tuple(net(x) for net in nets)
        return parts if apart else torch.cat(parts, dim=-1)

    return f


def test_separate_heads_leave_only_the_loop_and_a_cat_hides_them():
    plan, x = Plan(tuple(first(i) for i in range(12))), points(4096, 12)
    choice = choose(heads(12, apart=True), x, plan)
    assert choice.strategy == "loop"
    for row in choice.table[:2]:
        assert row["note"].endswith(" times as expensive")
        assert row["flops"] > 5 * choice.table[2]["flops"]
        assert row["seconds"] is None
    hidden = choose(heads(12, apart=False), points(40, 12), plan, budget=0.0)
    flops = [row["flops"] for row in hidden.table]
    assert max(flops) < 1.1 * min(flops)


def cost(flops=1.0, memory=1.0):
    return Cost(flops, memory, 0.0, 0.0)


def test_more_than_three_times_the_cheapest_is_discarded():
    costs = {"taylor": cost(), "vmap": cost(), "loop": cost()}
    found = discarded(costs, {"taylor": 1.0, "vmap": 2.9, "loop": 3.1}, 10.0)
    assert found == {"loop": "3.1 times as expensive"}


def test_more_than_the_memory_is_discarded():
    costs = {"taylor": cost(memory=9 * 2.0**30), "vmap": cost(memory=2.0**30)}
    found = discarded(costs, {"taylor": 1.0, "vmap": 9.0}, 8 * 2.0**30)
    assert found == {"taylor": "discarded: needs 9.0 GiB"}
    assert discarded(costs, {"taylor": 1.0, "vmap": 2.0}, 1.0).keys() == {"taylor"}


def test_a_candidate_out_of_reach_counts_with_its_estimate():
    def measured(**estimates):
        heats = [Heat(64, {"vmap": 2.0})]
        return Measurement(dict.fromkeys(estimates, cost()), estimates, heats)

    assert measured(vmap=1.0, loop=1.2).fastest == "vmap"
    assert measured(vmap=1.0, loop=0.8).fastest == "loop"


def test_it_is_plain_data(tmp_path):
    choice = choose(network(), points(40, 3), PLAN)
    torch.save({"strategy": vars(choice)}, tmp_path / "saved.pt")
    saved = torch.load(tmp_path / "saved.pt", weights_only=True)["strategy"]
    assert Choice(**saved) == choice
    assert Choice(**{"strategy": "loop", "reason": "asked for"}).table == []


def test_measuring_leaves_no_trace():
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.utils.parametrizations.spectral_norm(nn.Linear(3, 3).double())

        def forward(self, x):
            torch.rand(2)
            return torch.tanh(self.net(x))

    net, x = Noisy(), points(200, 3).requires_grad_()
    buffers = {name: b.clone() for name, b in net.named_buffers()}
    assert buffers
    state = torch.get_rng_state()
    for f in (net, net.forward, lambda at: net(at)):
        assert len(choose(f, x, PLAN).table) == 3
    assert torch.equal(torch.get_rng_state(), state)
    assert x.grad is None
    assert all(p.grad is None for p in net.parameters())
    assert all(module.training for module in net.modules())
    for name, buffer in net.named_buffers():
        assert torch.equal(buffer, buffers[name]), name


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(2.9e-3, "2.9 ms"), (0.182, "182 ms"), (1.44, "1.4 s"), (4.2e-4, "0.42 ms"), (0.015, "15 ms")],
)
def test_durations_for_people(seconds, text):
    assert duration(seconds) == text


def test_the_table_is_aligned():
    lines = lines_of(choose(network(activation=NoRule), points(200, 3), PLAN).table)
    assert lines[0].split() == ["strategy", "MFLOP", "MiB", "operations", "time", "points", "note"]
    column = lines[0].index("note")
    assert [line[column - 2 : column] for line in lines] == ["  "] * 4
    assert lines[1][column:].startswith("no fused pass: ")
    assert lines_of([]) == []


@pytest.mark.parametrize(
    ("tie", "seconds", "counted", "strategy"),
    [
        (1.05, 1.04, 1.0, "taylor"),
        (1.05, 1.06, 1.0, "loop"),
        (2.0, 1.9, 9.0, "taylor"),
        (2.0, 5.0, 1.4, "taylor"),  # noise, says the count
        (2.0, 5.0, 1.6, "loop"),
    ],
)
def test_the_fused_pass_is_given_up_for_one_that_is_surely_faster(tie, seconds, counted, strategy):
    costs = {"taylor": counted, "loop": 1.0}
    heat = Heat(100, {"taylor": seconds, "loop": 1.0})
    assert Measurement(estimates=costs, heats=[heat], tie=tie).fastest == strategy


def raced(seconds, left, sizes=(256, 1024)):
    """The races of candidates whose seconds are a function of the points, within a time."""
    clock = [0.0]

    def measure(name, points):
        clock[0] += seconds[name](points)
        return seconds[name](points)

    heats = Race(measure, lambda: clock[0], left).run(list(seconds), list(sizes))
    return heats, clock[0]


CROSSING = {"taylor": lambda n: 1e-4 * n, "loop": lambda n: 0.01 + 0.7e-4 * n}


def test_the_last_race_is_on_all_points_if_three_turns_fit():
    heats, spent = raced(CROSSING, left=1.0)
    assert min(heats[0].seconds, key=heats[0].seconds.get) == "taylor"
    assert heats[-1].points == 1024
    assert min(heats[-1].seconds, key=heats[-1].seconds.get) == "loop"
    assert spent < 1.2


def test_only_close_candidates_race_on_all_points_if_all_do_not_fit():
    slow = {"vmap": lambda n: 1.8e-4 * n}
    heats, spent = raced({**CROSSING, **slow}, left=1.2)
    assert (heats[-1].points, set(heats[-1].seconds)) == (1024, set(CROSSING))
    assert spent < 1.4


def test_a_race_on_all_points_that_does_not_fit_is_not_begun():
    heats, spent = raced(CROSSING, left=0.4)
    assert [heat.points for heat in heats] == [256]
    assert spent < 0.4
