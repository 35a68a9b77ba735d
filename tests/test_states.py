"""What modules keep beside weights: it comes back bit for bit, or is refused before a run."""

import math

import lightning as L
import pytest
import torch
from short import only
from torch import nn

import pinn
from pinn.checkpoints.file import CheckpointError, read
from pinn.checkpoints.names import newest_first
from pinn.checkpoints.states import is_plain
from pinn.checkpoints.writing import AtomicCheckpointIO, write
from pinn.cli.main import main
from pinn.optim import Phase
from pinn.problems import Poisson

MASK = torch.tensor([[0.0, -math.inf], [math.nan, math.inf]])
STATE = {
    "calls": 3,
    "names": ["a", None],
    "pair": (1.5, -math.inf),
    7: {"seen": torch.tensor([1.0, math.nan])},
}


class Masked(nn.Module):
    """A network with a mask that is not finite."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 1))
        self.register_buffer("mask", MASK.clone())

    def forward(self, x):
        return self.inner(x) + self.mask[:1].softmax(1)[:, 1:]


class Counting(Masked):
    """A network with a state of its own."""

    state = STATE

    def get_extra_state(self):
        return self.state

    def set_extra_state(self, state):
        self.state = state


def bits(tensor):
    return tensor.contiguous().view(torch.int32).tolist()


def trained(folder, network, *phases, **settings):
    return pinn.fit(
        Poisson(),
        network,
        list(phases) or [Phase(4, lr=1e-3)],
        {"interior": 16, "boundary": 8},
        folder=folder,
        accelerator="cpu",
        compile=False,
        derivatives="loop",
        **settings,
    )


def newest(folder):
    return newest_first(only(folder) / "checkpoints")[0]


def test_a_mask_comes_back_bit_for_bit(tmp_path, capsys):
    trained(tmp_path, Masked())
    assert "not written" not in capsys.readouterr().out
    assert bits(read(newest(tmp_path))["state_dict"]["solution.networks.all.mask"]) == bits(MASK)
    blank = Masked()
    blank.mask.zero_()
    solution = pinn.load(newest(tmp_path), network=blank)
    assert bits(solution.networks["all"].mask) == bits(MASK)
    blank = Masked()
    blank.mask.zero_()
    resumed = trained(tmp_path, blank, Phase(6, lr=1e-3), resume="auto")
    assert bits(resumed.networks["all"].mask) == bits(MASK)
    assert newest(tmp_path).stem == "step-0000006"


def test_an_extra_state_comes_back_on_loading_and_on_resuming(tmp_path):
    torch.manual_seed(1)
    trained(tmp_path, Counting())
    for again in (
        pinn.load(newest(tmp_path), network=blank()),
        trained(tmp_path, blank(), Phase(6, lr=1e-3), resume="auto"),
    ):
        state = again.networks["all"].state
        assert state.keys() == STATE.keys()
        assert {k: state[k] for k in ("calls", "names", "pair")} == {
            k: STATE[k] for k in ("calls", "names", "pair")
        }
        assert bits(state[7]["seen"]) == bits(STATE[7]["seen"])


def blank():
    network = Counting()
    network.state = None
    return network


def test_weights_that_are_no_numbers_stay_refused(tmp_path, capsys):
    trained(tmp_path, Masked())
    contents = read(newest(tmp_path))
    contents["state_dict"]["solution.networks.all.inner.0.bias"][2] = math.inf
    target = tmp_path / "new.ckpt"
    AtomicCheckpointIO().save_checkpoint(contents, target)
    assert "new.ckpt is not written: its weights are NaN or infinite" in capsys.readouterr().out
    assert not target.exists()
    del contents["pinn"]["buffers"]  # nobody says what is no weight
    contents["state_dict"]["solution.networks.all.inner.0.bias"][2] = 0.0
    AtomicCheckpointIO().save_checkpoint(contents, target)
    assert not target.exists()


class Opaque(Counting):
    state = {"rule": len}


class OneWay(Masked):
    def get_extra_state(self):
        return 3


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Opaque, r"get_extra_state returns \{'rule': <built-in.*return plain data"),
        (OneWay, "has get_extra_state and no set_extra_state.*define both"),
    ],
)
def test_a_state_that_could_not_come_back_is_refused_before_there_is_a_folder(
    tmp_path, kind, words
):
    with pytest.raises(ValueError, match=words) as no:
        trained(tmp_path, nn.Sequential(nn.Linear(2, 2), kind()))
    assert "\n" not in str(no.value)
    assert str(no.value).startswith(f"all.1 ({kind.__name__})")
    assert not list(tmp_path.iterdir())


def test_a_state_that_becomes_opaque_is_said_and_not_written(tmp_path, capsys):
    class Spoil(L.Callback):
        def on_train_batch_end(self, *_):
            network.state = {"rule": len}

    network = Counting()
    trained(tmp_path, network, callbacks=[Spoil()])
    said = capsys.readouterr().out
    assert "is not written: solution.networks.all._extra_state is {'rule': <built-in" in said
    assert not list(tmp_path.rglob("*.ckpt"))


def test_a_state_of_code_in_a_file_is_refused(tmp_path):
    trained(tmp_path, Counting())
    contents = read(newest(tmp_path))
    contents["state_dict"]["solution.networks.all._extra_state"] = torch.Size([1])
    write(contents, tmp_path / "new.ckpt")
    with pytest.raises(CheckpointError, match=r"_extra_state is torch.Size\(\[1\]\): expected pl"):
        read(tmp_path / "new.ckpt")


def test_plain_is_what_a_file_gives_back(tmp_path):
    endless = []
    endless.append(endless)
    assert not is_plain(endless)
    assert not is_plain({(1, 2): 0})
    assert not is_plain(nn.Parameter(torch.ones(2)))
    values = [None, True, 2**70, 1j, b"\0", (1, [2.5]), {1: "a"}, torch.ones(2, dtype=torch.int8)]
    assert all(map(is_plain, values))
    torch.save(values, tmp_path / "values")
    assert repr(torch.load(tmp_path / "values", weights_only=True)) == repr(values)


NETS = """\
import torch
from torch import nn

class Opaque(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(2, 1)

    def forward(self, x):
        return self.inner(x).sin()

    def get_extra_state(self):
        return {"rule": len}

    def set_extra_state(self, state):
        pass
"""


def test_the_command_line_refuses_in_one_line(folder, capsys, monkeypatch):
    (folder / "opaque_nets.py").write_text(NETS)
    monkeypatch.syspath_prepend(str(folder))
    network = "--model.network={class_path: opaque_nets.Opaque}"
    argv = ["--config=small", "--allow_import=opaque_nets", network, "--model.derivatives=loop"]
    assert main(argv) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "get_extra_state returns {'rule': <built-in function len>}" in line
    assert not (folder / "runs").exists()
