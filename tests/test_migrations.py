"""What an earlier version wrote: its keys are known; `test_golden` opens its checkpoints."""

from pathlib import Path

import pytest
from small import SMALL

import pinn
from pinn import MLP
from pinn.checkpoints.migrations import FORMAT, KEYS, MIGRATIONS, option, renamed
from pinn.cli.main import main
from pinn.problems import KovasznayViscosity


def test_every_format_has_a_way_to_todays():
    assert sorted(MIGRATIONS) == list(range(1, FORMAT))


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
    with pytest.raises(ValueError, match="how derivatives are computed is set by derivatives"):
        pinn.fit(KovasznayViscosity(), MLP(4, 1), strategy="taylor", folder=tmp_path)
