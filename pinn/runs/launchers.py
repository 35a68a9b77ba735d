"""Processes that another program has started: torchrun, or SLURM's srun."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import lightning as L
from lightning.pytorch.plugins.environments import (
    ClusterEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)


class Launch(NamedTuple):
    """Who started the processes, how many on each node, and on how many nodes."""

    name: str
    devices: int
    nodes: int


def launch() -> Launch | None:
    """How the processes of this run were started; None where the run starts them itself."""
    asked = os.environ
    if TorchElasticEnvironment.detect():
        each = int(asked["LOCAL_WORLD_SIZE"])
        return Launch("torchrun", each, int(asked["WORLD_SIZE"]) // each)
    if SLURMEnvironment.detect():
        nodes = int(asked.get("SLURM_NNODES", "1"))
        return Launch("SLURM", int(asked["SLURM_NTASKS"]) // nodes, nodes)
    return None


def settled(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of the trainer, with the numbers of a launcher where these are not given."""
    found = launch()
    if found is None:
        return dict(given)
    own = {"devices": found.devices, "num_nodes": found.nodes}
    silent = {"devices": ("auto", -1, "-1", None), "num_nodes": (1, None)}
    return {**given, **{k: v for k, v in own.items() if given.get(k) in silent[k]}}


def objections(given: Mapping[str, Any]) -> Iterator[str]:
    """Where the trainer's numbers are others than the launcher's: processes would train apart."""
    found, own = launch(), settled(given)
    if found is None:
        return
    devices, nodes = own["devices"], own["num_nodes"]
    each = len(devices) if isinstance(devices, list) else devices
    if (str(each), nodes) != (str(found.devices), found.nodes):
        yield (
            f"devices is {devices} and num_nodes is {nodes}, but {found.name} has started "
            f"processes for {found.devices} and {found.nodes}: leave both out, and its numbers are "
            "taken"
        )


def with_environment(plugins: Sequence[Any]) -> list[Any]:
    """The user's plugins, and what tells Lightning not to put a job of SLURM into the queue again.

    At SIGUSR1 it would save a file in another place, from which every later job would start.
    """
    found, theirs = launch(), any(isinstance(p, ClusterEnvironment) for p in plugins)
    if theirs or found is None or found.name != "SLURM":
        return [*plugins]
    return [*plugins, SLURMEnvironment(auto_requeue=False)]


def check_launcher(trainer: L.Trainer) -> None:
    """Refuse processes that are forked or spawned from this one, as in a notebook.

    Raises:
        ValueError: the trainer would do so; what they train would not come back whole.
    """
    if "MultiProcessing" in type(getattr(trainer.strategy, "launcher", None)).__name__:
        raise ValueError(
            "strategy: processes would be forked or spawned from this one, as Lightning does in a "
            "notebook: use devices=1, or start a script, with strategy ddp"
        )
