"""The configurations that come with the project: each runs, and each explains itself."""

import re
from pathlib import Path

import pytest
import yaml

from pinn.cli.main import main

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.yaml"))
# Keys that say it themselves; all others carry a comment, or stand below one that does.
PLAIN = {
    *("seed_everything", "model", "problem", "network", "data", "trainer"),
    *("class_path", "init_args", "width", "depth", "activation", "accelerator"),
}

each = pytest.mark.parametrize("config", CONFIGS, ids=[path.stem for path in CONFIGS])


def test_there_are_configurations():
    assert "navier_stokes" in [path.stem for path in CONFIGS]


@each
def test_it_runs(config, here, capsys):
    # As wide as they are, they take minutes: `benchmarks/accuracy.py` runs them so.
    narrow = {"model.network.init_args.width": 12, "trainer.max_steps": 2}
    by_itself = "accuracy" in yaml.safe_load(config.read_text())["model"]
    if by_itself:  # the network is found
        del narrow["model.network.init_args.width"]
    argv = [part for key, value in narrow.items() for part in (f"--{key}", str(value))]
    assert main(["--config", str(config), *argv]) == 0
    printed = capsys.readouterr().out
    assert "errors are against" in printed or "reference of " in printed
    (run,) = (here / "runs" / config.stem).iterdir()
    assert (run / "checkpoints" / "step-0000002.ckpt").is_file()
    given, ran = (stated(yaml.safe_load(f.read_text())) for f in (config, run / "config.yaml"))
    changed = {(key, value) for key, value in given if key in narrow}
    assert len(changed) == (not by_itself)
    assert given - changed <= ran
    assert set(narrow.items()) <= ran


def stated(tree, above=""):
    """The leaves of a configuration as (key, value)."""
    if isinstance(tree, list):
        tree = dict(enumerate(tree))
    if not isinstance(tree, dict):
        # The saved file names classes in full.
        return {(above, tree.split(".")[-1] if above.endswith("class_path") else tree)}
    found = [stated(value, f"{above}.{key}".strip(".")) for key, value in tree.items()]
    return set().union(*found)


@each
def test_it_says_what_it_is_and_how_long_it_takes(config):
    head = re.match(r"(#.*\n)+", config.read_text())
    assert head, "no comment at the top"
    assert re.search(r"\b(seconds?|minutes?)\b.*\.\n$", head[0])
    assert "CPU cores" in head[0]


@each
def test_every_key_is_explained(config):
    assert unexplained(config.read_text()) == []


def test_a_key_without_a_comment_is_found():
    text = "# It.\ndata:\n  # Why.\n  b:\n  - c: 2\n    d: 3\n  method: sobol\n"
    assert unexplained(text) == ["method"]


def unexplained(text):
    """The keys that have no comment above them or above a key they belong to."""
    missing, explained_at, comment = [], None, False
    for line in text.splitlines():
        match = re.match(r"( *)((?:- )?)(\w+):", line)
        if match is None:
            comment = line.lstrip().startswith("#") and line.startswith(" ")
            continue
        indent = len(match[1] + match[2])
        if explained_at is not None and indent <= explained_at:
            explained_at = None
        if comment and explained_at is None:
            explained_at = indent
        if explained_at is None and match[3] not in PLAIN:
            missing.append(match[3])
        comment = False
    return missing
