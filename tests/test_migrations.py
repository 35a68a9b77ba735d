"""What an earlier version wrote: it loads to the same numbers, goes on, and its keys are known."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from small import SMALL

import pinn
from pinn import MLP, Phase
from pinn.checkpoints.migrations import FORMAT, KEYS, MIGRATIONS, option, renamed
from pinn.cli.launch import main
from pinn.problems import KovasznayViscosity

GOLDEN = Path(__file__).parent / "golden"
AT = torch.linspace(-0.4, 0.9, 10, dtype=torch.float64).reshape(5, 2)


def test_every_format_has_a_way_to_todays():
    assert sorted(MIGRATIONS) == list(range(1, FORMAT))


def test_a_checkpoint_of_format_1_evaluates_to_the_same_bits():
    solution = pinn.load(GOLDEN / "format_1.ckpt")
    expected = json.loads((GOLDEN / "format_1.json").read_text())["values"]
    assert {name: value.tolist() for name, value in solution(AT).items()} == expected


def test_a_run_of_format_1_goes_on_as_it_would_have(tmp_path, capsys):
    run = tmp_path / "kovasznayviscosity" / "2026-01-01_00-00-00" / "checkpoints"
    run.mkdir(parents=True)
    shutil.copy(GOLDEN / "format_1.ckpt", run / "step-0000004.ckpt")
    solution = pinn.fit(
        KovasznayViscosity(samples=20),
        MLP(4, 1),
        [Phase(8, "Adam", lr=1e-2, dtype="float64")],
        points={"interior": 20},
        derivatives="taylor",
        compile=False,
        weighting="gradient_norm",
        seed=3,
        folder=tmp_path,
        resume=run / "step-0000004.ckpt",
        enable_progress_bar=False,
        accelerator="cpu",
    )
    assert capsys.readouterr().out.count("where the saved run had") == 1  # more steps
    expected = json.loads((GOLDEN / "format_1.json").read_text())["resumed"]
    for name, value in solution(AT).items():
        like = torch.tensor(expected[name], dtype=torch.float64)
        torch.testing.assert_close(value, like, rtol=1e-12, atol=1e-12)


def test_old_keys_are_taken_for_the_new_ones():
    for old, new in KEYS.items():
        assert option(f"--{old}=x") == f"--{new}=x"
        assert option(f"--{old}") == f"--{new}"
        section, _, key = old.partition(".")
        assert renamed({section: {key: 1, "other": 2}}) == {
            section: {new.partition(".")[2]: 1, "other": 2}
        }
    assert option("model.strategy") == "model.strategy"
    assert renamed("text") == "text"


def test_an_old_configuration_runs_and_says_the_new_names(folder, capsys):
    old = SMALL.replace("  derivatives: taylor\n", "  strategy: loop\n  balance: gradient_norm\n")
    (folder / "old.yaml").write_text(old)
    assert main(["--config", "old"]) == 0
    said = capsys.readouterr()
    assert "model.strategy is called model.derivatives now" in said.err
    assert "model.balance is called model.weighting now" in said.err
    assert "strategy  loop" in said.out
    (run,) = Path("runs/old").iterdir()
    assert "derivatives: loop" in (run / "config.yaml").read_text()


def test_old_names_in_a_call_are_answered_with_the_new_ones(tmp_path):
    with pytest.raises(TypeError, match="'balance' is called 'weighting' now"):
        pinn.fit(KovasznayViscosity(), MLP(4, 1), balance="ntk", folder=tmp_path)
    with pytest.raises(ValueError, match="how derivatives are computed is called derivatives"):
        pinn.fit(KovasznayViscosity(), MLP(4, 1), strategy="taylor", folder=tmp_path)
