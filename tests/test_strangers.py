"""What a newcomer typed wrong: each is code 2 and one line that names the thing, no folder."""

import json
import sys
from pathlib import Path

import pytest

from pinn.cli.main import main

RECORD = json.loads(Path(__file__).with_name("strangers.json").read_text(encoding="utf-8"))
CASES = {case["mistake"]: case for case in RECORD["mistakes"]}


@pytest.fixture(autouse=True)
def folder(here, monkeypatch):
    """An empty folder as the current one; modules imported from it are forgotten."""
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    before = set(sys.modules)
    yield here
    for name in {path.stem for path in here.glob("*.py")} - before:
        sys.modules.pop(name, None)


def write(folder, case):
    """The newcomer's files: a working configuration with one edit, and whatever else there was."""
    old, new = case.get("edit", ["", ""])
    files = {"my.yaml": RECORD["configuration"].replace(old, new, 1), **case.get("files", {})}
    for name, text in files.items():
        encoding, text = next(iter(text.items())) if isinstance(text, dict) else ("utf-8", text)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode(encoding))


def paths(folder):
    return {path for path in folder.rglob("*") if "__pycache__" not in path.parts}


@pytest.mark.parametrize("mistake", CASES)
def test_a_newcomers_mistake_is_one_line(mistake, folder, capsys):
    case = CASES[mistake]
    write(folder, case)
    before = paths(folder)
    assert main(case["argv"]) == 2
    captured = capsys.readouterr()
    # Only what is said while the program loads.
    assert [line for line in captured.out.splitlines() if not line.endswith("…")] == []
    assert captured.err.count("\n") == 1, captured.err
    assert case["words"]
    assert [word for word in case["words"] if word.lower() not in captured.err.lower()] == []
    assert paths(folder) == before


@pytest.mark.parametrize("argv", [["--config", "my.yaml"], ["--model.network.width=9", "-c", "my"]])
def test_the_configuration_itself_is_right(argv, folder):
    write(folder, {})
    assert main([*argv, "--trainer.fast_dev_run", "true"]) == 0


def test_an_edit_changes_the_configuration():
    edits = [case["edit"][0] for case in CASES.values() if "edit" in case]
    assert len(edits) > 20
    assert [old for old in edits if RECORD["configuration"].count(old) != 1] == []
