"""The runs of a sweep: which ones there are, how their values differ, and their results."""

import itertools
import json
import math
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pinn.cli.yaml_nodes import UsageError

# Tells a process which run of a sweep it is.
MEMBER = "PINN_SWEEP_MEMBER"
OWN = ("--sweep", "--name")
LONGEST = 80  # characters of a folder's name
MOST = 1_000  # runs


@dataclass
class Member:
    """A run of a sweep.

    Args:
        values: what it has of each key that is swept.
        folder: its name, within the folder of the sweep.
        argv: the command line of this run alone.
        label: the folder of the sweep and its own, below those of the configuration.
        result: where it is to write what came out.
        state: `not run`, `done`, `failed` or `stopped`.
        numbers: what came out, and the seconds that it took.
    """

    values: dict[str, str]
    folder: str
    argv: list[str] = field(default_factory=list)
    label: str = ""
    result: str = ""
    state: str = "not run"
    numbers: dict[str, float] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, float | str]:
        """The values for a table of settings: numbers where they are."""
        return {key: number(text) for key, text in self.values.items()}

    def report(self, numbers: dict[str, float]) -> None:
        """Write what came out, for the process that runs the sweep."""
        Path(self.result).write_text(json.dumps(numbers), encoding="utf-8")

    def end(self, state: str, seconds: float) -> None:
        """Note how it ended, with what it has written."""
        path = Path(self.result)
        numbers = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        self.state, self.numbers = state, {"seconds": round(seconds, 1), **numbers}

    def environment(self) -> dict[str, str]:
        """What the process of this run inherits."""
        return {**os.environ, MEMBER: json.dumps(asdict(self))}


def this_member() -> Member | None:
    """Which run of a sweep this process is; None if it is none."""
    text = os.environ.pop(MEMBER, "")
    return Member(**json.loads(text)) if text else None


def members(argv: Sequence[str], sweep: Sequence[tuple[str, list[str]]]) -> list[Member]:
    """All combinations of the values, the last key changing fastest.

    Args:
        argv: the command line, each option with its value as one word.
        sweep: the keys and their values.

    Raises:
        UsageError: there are too many.
    """
    count = math.prod(len(values) for _, values in sweep)
    if count > MOST:
        raise UsageError(f"--sweep asks for {count} runs: at most {MOST}, give fewer values")
    rest = [word for word in argv if word.partition("=")[0] not in OWN]
    short, seen, runs = shortened([key for key, _ in sweep]), Counter[str](), []
    for chosen in itertools.product(*(values for _, values in sweep)):
        values = dict(zip(short, chosen, strict=True))
        texts = [f"{key}={value}" for key, value in values.items()]
        name = safe(",".join(f"{short[key]}={value}" for key, value in values.items()))
        seen[name] += 1
        folder = name if seen[name] == 1 else f"{name}_{seen[name]}"
        runs.append(Member(values, folder, [*rest, *(f"--{text}" for text in texts)]))
    return runs


def number(text: str) -> float | str:
    """A text as a number, if it is one."""
    try:
        return float(text)
    except ValueError:
        return text


def shortened(keys: Sequence[str]) -> dict[str, str]:
    """Each key by its last parts, as few as tell it from the others."""
    short = {}
    for key in keys:
        parts = key.split(".")
        tails = [".".join(parts[-n:]) for n in range(1, len(parts) + 1)]
        alone = (t for t in tails if sum(f".{k}".endswith(f".{t}") for k in keys) == 1)
        short[key] = next(alone, key)
    return short


def safe(name: str) -> str:
    """A name that every file system takes."""
    return re.sub(r"[^\w.,=+-]+", "_", name)[:LONGEST]
