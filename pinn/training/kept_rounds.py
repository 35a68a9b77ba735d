"""What a checkpoint keeps of the rounds of a run, and how they go on from there."""

import copy
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pinn.networks.transfer import kept, take
from pinn.training.best import Best
from pinn.training.density import Density
from pinn.training.emphasis import Emphasis
from pinn.training.former import Former
from pinn.training.noise import Noise
from pinn.training.outcome import Outcome, Plan
from pinn.training.rounds import Rounds
from pinn.training.trust import Trust


def state(rounds: Rounds) -> dict[str, Any]:
    """All that decisions depend on: plain data, and the coefficients of the round before."""
    networks = {"now": rounds.networks, "former": rounds.former.networks}
    return {
        "networks": {
            when: {name: kept(network) for name, network in some.items()}
            for when, some in networks.items()
        },
        "outcomes": [asdict(outcome) for outcome in rounds.outcomes],
        "former": {"rounds": rounds.former.rounds, "estimates": rounds.former.estimates},
        "density": asdict(rounds.density),
        "emphasis": asdict(rounds.emphasis),
        "noise": [list(each) for each in rounds.noise.parts],
        "trust": asdict(rounds.trust),
        "errors": rounds.errors,
        "open": rounds.open,
        "best": asdict(rounds.best),
        "short": rounds.short,
        "eased": rounds.eased,
        "largest": rounds.largest,
        "continuation": rounds.continuation.state(),
        "next": None if rounds.next is None else asdict(rounds.next),
    }


def restore(rounds: Rounds, saved: Mapping[str, Any]) -> None:
    """Be where a checkpoint was written."""
    rounds.outcomes = [Outcome(**each) for each in saved["outcomes"]]
    density = saved["density"]  # of an earlier version: a number
    rounds.density = Density(**density) if isinstance(density, dict) else Density(density)
    rounds.trust = Trust(**saved["trust"])
    rounds.emphasis, rounds.best = Emphasis(**saved["emphasis"]), Best(**saved["best"])
    rounds.emphasis.parts = [(inner, faces) for inner, faces in rounds.emphasis.parts]
    rounds.noise = Noise([(data, rest) for data, rest in saved["noise"]])
    rounds.continuation.restore(saved["continuation"])
    rounds.errors, rounds.short = saved["errors"], saved["short"]
    rounds.eased = saved.get("eased", False)  # of an earlier version: not yet
    rounds.open = saved["open"]
    rounds.largest = saved["largest"]
    rounds.next = None if saved["next"] is None else Plan(**saved["next"])
    some = saved["networks"]
    former = {name: copy.deepcopy(rounds.networks[name]) for name in some["former"]}
    ended = {"rounds": len(rounds.emphasis.parts)}  # of an earlier version: the best of all counts
    rounds.former = Former(former, **saved.get("former", ended))
    for when, networks in (("now", rounds.networks), ("former", former)):
        for name, own in some[when].items():
            take(networks[name], own)
