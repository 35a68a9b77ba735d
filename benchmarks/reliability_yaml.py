"""Configurations and command lines that were written by an enemy, or by chance."""

from __future__ import annotations

import contextlib
import copy
import io
import os
import resource
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reliability_commands import done
from reliability_table import Row

from pinn.cli.main import main

ROOT = Path(__file__).parents[1]
LEVELS = list(zip("abcdefghij", "bcdefghijk", strict=True))
LONG = "x" * 1_000_000
MOST = 5  # seconds of a processor for a refusal, which tell a busy machine from no end
TEXTS = {
    "bomb": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in LEVELS),
    "merged": "a: &a {x: 1, y: 2}\n"
    + "".join(f"{new}: &{new} {{<<: [{','.join([f'*{old}'] * 9)}]}}\n" for old, new in LEVELS),
    "ring": "model: &a {b: *a}",
    "comments": ("# " + "x" * 78 + "\n") * 130_000 + "model: {}",
    "list": "data: {points: [" + "1," * 60_000 + "]}",
    "brackets": "a: " + "[" * 100_000,
    "steps": "".join(" " * n + "a:\n" for n in range(400)),
    "key": "? " + "k" * 100_000 + "\n: 1\n",
    "digits": "model: {memory: " + "9" * 5000 + "}",
    "day": "model: {memory: 2024-99-99}",
    "pair": "? [a, b]\n: 1\n",
}
LINES = {
    "name": ["--config", "n" * 300],
    "folder": ["--config", "."],
    "device": ["--config", "/dev/zero"],
    "pipe": ["--config", "pipe"],
    "value": ["--config", "poisson", "--model.network.width", LONG],
    "option": ["--config", "poisson", f"--model.{LONG}", "1"],
    "dots": ["--config", "poisson", "--model" + ".a" * 30_000, "1"],
    "word": ["--config", "poisson", LONG],
    "label": ["--config", "poisson", "--name", LONG],
    "runs": ["--config", "poisson", f"--sweep=seed_everything={','.join(map(str, range(2000)))}"],
    "points": ["predict", "--ckpt_path", "pipe", "--points", "/dev/zero", "--output", "a.csv"],
}
# Values that a key may get in place of its own; one of them would leave a trace if it were run.
TRACE = "import os; os.system('touch ran')"
CALL = {"class_path": "os.system", "init_args": {"command": "touch ran"}}
JUNK: list[Any] = [None, True, -1, 0, 1e400, "", "x" * 500, [], {}, [[]], CALL, "os.system", TRACE]
JUNK += [{"class_path": "builtins.exec", "init_args": {"source": TRACE}}, "nan", 10**30, "../../x"]


def answered(argv: list[str]) -> tuple[int | str, str, float]:
    """How a command ends: its exit code or what it raised, its error lines, its seconds."""
    said, began = io.StringIO(), time.process_time()
    code: int | str
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            code = main(argv)
        except BaseException as error:
            code = f"{type(error).__name__}: {error}"[:200]
    return code, said.getvalue(), time.process_time() - began


def row(what: str, promised: str, wrong: dict[str, str], tried: int, anew: int) -> Row:
    """A row, with the first case that ended otherwise."""
    note = next((f"{name}: {why}" for name, why in wrong.items()), "")
    return Row(what, tried, tried - len(wrong), promised, note, anew)


def answered_anew(argv: list[str], log: Path) -> tuple[int, str, float]:
    """The same for `train.py` that is started anew, the start of Python included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = done(argv, log, anew=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return code, log.read_text(errors="replace"), took


def bombs(short: bool, folder: Path) -> Iterable[Row]:
    """Input without an end."""
    with contextlib.chdir(folder):
        os.mkfifo("pipe")
        (folder / "configs").symlink_to(ROOT / "configs")
        for name, text in TEXTS.items():
            Path(f"{name}.yaml").write_text(text)
        cases = {name: ["--config", name] for name in TEXTS} | LINES
        wrong = {}
        # One argument of a program has at most 128 KiB.
        asked = [name for name in cases if sum(map(len, cases[name])) < 100_000][
            :: 5 if short else 1
        ]
        answers = {name: answered(argv) for name, argv in cases.items()}
        answers |= {f"{n}, anew": answered_anew(cases[n], folder / f"log-{n}") for n in asked}
        for name, (code, said, seconds) in answers.items():
            if code != 2 or len(said.splitlines()) != 1 or len(said) > 1600 or seconds > MOST:
                wrong[name] = f"{code}, {len(said)} characters, {seconds:.1f} s"
    promised = f"one line within {MOST} s"
    yield row("input without an end", promised, wrong, len(answers), len(asked))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterable[tuple[Any, ...]]:
    """The places of everything in plain data."""
    if isinstance(value, list):
        value = dict(enumerate(value))
    for key, item in value.items() if isinstance(value, dict) else ():
        yield (*path, key)
        yield from places(item, (*path, key))


def mutated(data: dict[str, Any], draw: Any) -> dict[str, Any]:
    """A configuration with one to three changes: a value, a key that is gone, one more key."""
    data = copy.deepcopy(data)
    for _ in range(draw(st.integers(1, 3))):
        *path, key = draw(st.sampled_from(list(places(data)) or [("model",)]))
        holder: Any = data
        for step in path:
            holder = holder[step]
        change = draw(st.sampled_from(["value", "gone", "more"]))
        if change == "gone":
            del holder[key]
        elif change == "more" and isinstance(holder, dict):
            holder[draw(st.text("abc._", max_size=5))] = copy.deepcopy(draw(st.sampled_from(JUNK)))
        else:
            junk = st.sampled_from(JUNK) | st.integers() | st.text(max_size=20)
            holder[key] = copy.deepcopy(draw(junk))
        if not data:
            break
    return data


def mutants(short: bool, folder: Path) -> Iterable[Row]:
    """The shipped configurations with changes that hypothesis makes up."""
    shipped = [yaml.safe_load(p.read_text()) for p in sorted((ROOT / "configs").glob("*.yaml"))]
    wrong: dict[str, str] = {}
    tried = anew = 0

    @settings(
        max_examples=100 if short else 1000,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(shipped), st.data())
    def attempt(data: dict[str, Any], more: Any) -> None:
        nonlocal tried, anew
        tried += 1
        text = yaml.safe_dump(mutated(data, more.draw), allow_unicode=True)
        Path("mutant.yaml").write_text(text, encoding="utf-8", errors="replace")
        is_new = tried % 50 == 2
        anew += is_new
        argv = ["--config", "mutant", "--print_config"]
        answer = answered_anew(argv, folder / f"log-{tried}") if is_new else answered(argv)
        code, said, _ = answer
        lines = [line for line in said.splitlines() if not line.startswith("note ")]
        if code not in (0, 2) or len(lines) > 1 or bool(lines) != (code == 2):
            wrong[f"case {tried}"] = f"{code}: {' '.join(lines)[:150]}"

    with contextlib.chdir(folder):
        attempt()
    yield row("configurations changed by chance", "read, or one line", wrong, tried, anew)
    ran = {"ran": "a file was made"} if list(folder.rglob("ran")) else {}
    yield row("code in configurations", "none is run", ran, tried, anew)
