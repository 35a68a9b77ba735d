"""The contestants as processes that answer line-wise JSON.

    with divergence_worker("pina") as worker:
        worker.ask({"d": 3, "batch": 64, "mode": "value"})    # {"seconds": 1.2e-3}

Every contestant runs in an environment of its own, on one core.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple, Self

from environments import OWN, interpreter

PEERS = Path(__file__).parent / "peers"
ROOT = Path(__file__).parents[1]
PATIENCE = 600.0  # seconds for one answer

# One thread, whatever library does the work.
ONE_CORE = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
    "DDE_BACKEND": "pytorch",
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
}


class Contestant(NamedTuple):
    """Where a contestant runs, and what.

    Args:
        environment: name of its virtual environment.
        script: file in `peers`.
        arguments: after the case and the device.
        cuda: whether it can run on a CUDA device.
    """

    environment: str
    script: str
    arguments: tuple[str, ...] = ()
    cuda: bool = False


STEP = {
    "ours eager": Contestant(OWN, "step_ours.py", ("eager",), cuda=True),
    "ours compiled": Contestant(OWN, "step_ours.py", ("compiled",), cuda=True),
    "ours recorded": Contestant(OWN, "step_ours.py", ("recorded",), cuda=True),
    "ours as a CUDA graph": Contestant(OWN, "step_graphed.py", (), cuda=True),
    "nested": Contestant(OWN, "step_nested.py", (), cuda=True),
    "deepxde": Contestant("deepxde", "step_deepxde.py"),
    "pina": Contestant("pina", "step_pina.py"),
    "torchphysics": Contestant("torchphysics", "step_torchphysics.py"),
    "neurodiffeq": Contestant("neurodiffeq", "step_neurodiffeq.py"),
    "folx": Contestant("folx", "step_folx.py"),
}
ON_A_GPU = ("ours recorded", "ours as a CUDA graph")  # on a CPU only where they are named
DIVERGENCE = {
    name: Contestant(environment, f"divergence_{name}.py")
    for name, environment in {
        "nested": OWN,
        "deepxde": "deepxde",
        "pina": "pina",
        "torchphysics": "torchphysics",
        "neurodiffeq": "neurodiffeq",
        "jax": "folx",
    }.items()
}
LIKELIHOOD = {
    name: Contestant(environment, f"likelihood_{name}.py")
    for name, environment in {
        "ours": OWN,
        "hand": OWN,
        "flow_matching": "flow_matching",
        "zuko": "zuko",
    }.items()
}


class ContestantError(RuntimeError):
    """A contestant gave no answer; one line says why."""


class Worker:
    """A contestant's process; leave its context to end it.

    Args:
        contestant: what to run.
        arguments: of its script.
        core: the core it starts on; None leaves that to the system.

    Raises:
        EnvironmentMissingError: its environment cannot be made.
    """

    def __init__(
        self, contestant: Contestant, arguments: tuple[str, ...] = (), core: int | None = None
    ) -> None:
        python = interpreter(contestant.environment)
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.log = Path(self.folder.name) / "log.txt"
        search = {"PYTHONPATH": str(ROOT)} if contestant.environment == OWN else {}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [str(python), str(PEERS / contestant.script), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self.folder.name,
                env=os.environ | ONE_CORE | search,
            )
        self.unread = b""
        pin(self.process.pid, core)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process and remove what it wrote."""
        self.process.kill()
        self.process.communicate()
        self.folder.cleanup()

    def pin(self, core: int | None) -> None:
        """Move all threads to one core."""
        pin(self.process.pid, core)

    def send(self, request: dict[str, Any]) -> None:
        """Ask without waiting for the answer.

        Raises:
            ContestantError: the process has ended.
        """
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            raise ContestantError(self.last_words()) from None

    def receive(self, patience: float = PATIENCE) -> dict[str, Any]:
        """The next answer.

        Raises:
            ContestantError: the process has ended, or takes too long.
        """
        assert self.process.stdout is not None
        pipe = self.process.stdout.fileno()
        while b"\n" not in self.unread:
            if not select.select([pipe], [], [], patience)[0]:
                raise ContestantError(f"no answer within {patience:.0f} s")
            part = os.read(pipe, 2**16)
            if not part:
                raise ContestantError(self.last_words())
            self.unread += part
        line, self.unread = self.unread.split(b"\n", 1)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, request: dict[str, Any], patience: float = PATIENCE) -> dict[str, Any]:
        """Send a request and wait for its answer."""
        self.send(request)
        return self.receive(patience)

    def last_words(self) -> str:
        """The last line of the log."""
        self.process.wait()
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else f"ended with status {self.process.returncode}"


def pin(process: int, core: int | None) -> None:
    """Confine all threads of a process to a core, where the system can do that."""
    if core is None or not hasattr(os, "sched_setaffinity"):
        return
    tasks = Path(f"/proc/{process}/task")
    for thread in [int(task.name) for task in tasks.iterdir()] if tasks.exists() else [process]:
        os.sched_setaffinity(thread, {core})


def cores() -> list[int]:
    """The cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def step_worker(name: str, case: Path, device: str = "cpu", core: int | None = None) -> Worker:
    """A contestant of `step.py`; it first sends {"ready": true, "versions": {…}}.

    Requests and answers are those of `peers/protocol.py`, `Session`; `ours` also answers
    {"bare": k}  →  {"seconds": per step of the same solver without the trainer}.
    """
    contestant = STEP[name]
    placed = (device,) if contestant.cuda else ()
    return Worker(contestant, (str(case), *placed, *contestant.arguments), core)


def divergence_worker(name: str, core: int | None = None) -> Worker:
    """A contestant of `divergence.py`; it first sends {"ready": true, "versions": {…}}.

        {"d": d, "batch": n, "mode": "value" | "gradient"}
            →  {"seconds": median of one evaluation, "value": mean square of the divergence}
            or {"skipped": reason}  beyond 30 s or 8 GiB

    The network Rᵈ → Rᵈ has 3 layers of 128 tanh units; weights and points are those of
    `peers/flow.py`, so that the values of all contestants agree. `gradient` adds that of the mean
    square to the parameters.
    """
    return Worker(DIVERGENCE[name], (), core)


def likelihood_worker(name: str, core: int | None = None) -> Worker:
    """A contestant of `normalising_flow.py`; it first sends {"ready": true, "versions": {…}}.

    {"d": d, "points": n, "batch": b, "solver": "rk4" | "dopri5", "mode": "values"}
        →  {"values": log p of each point, in float64}
    {…, "mode": "likelihood" | "training"}
        →  {"seconds": of an epoch in float32, "value": the mean of log p}
        or {"skipped": reason}
    """
    return Worker(LIKELIHOOD[name], (), core)
