"""Loggers whose disk is full end with one line, and the run goes on."""

import csv
import errno
import os
import threading
from pathlib import Path

import pytest
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.logger import DummyLogger
from short import fit, only, steps_in

from pinn.optim import Phase
from pinn.runs.trainer import go_on

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
STEPS = {"log_every_n_steps": 1, "val_check_interval": 2}


class Threaded(DummyLogger):
    """Writes in a thread of its own, and raises what that met at the next call, as others do."""

    def __init__(self, error=None):
        super().__init__()
        self.calls, self.error = 0, error

    def write(self):
        with open("/dev/full", "w") as file:
            file.write("a")

    def log_metrics(self, metrics, step=None):
        self.calls += 1
        thread = threading.Thread(target=self.write, name="writer of metrics")
        thread.start()
        thread.join()
        raise self.error or OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture(autouse=True)
def own_hook(monkeypatch):
    """The hook of threads as it was, afterwards."""
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)


def test_a_csv_logger_ends_and_the_run_goes_on(tmp_path, capsys):
    logger = CSVLogger(tmp_path / "logs")
    logger.experiment.metrics_file_path = "/dev/full"
    fit(tmp_path / "runs", Phase(4, lr=1e-3), logger=logger, **STEPS)
    out, err = capsys.readouterr()
    assert out.count("warning   CSVLogger ends here: no space is left on its disk\n") == 1
    assert "Traceback" not in out + err
    assert steps_in(only(tmp_path / "runs"))[0] == 4


def test_a_logger_with_a_thread_of_its_own_ends_without_a_traceback(tmp_path, capsys):
    logger = Threaded()
    fit(tmp_path, Phase(4, lr=1e-3), logger=logger, **STEPS)
    out, err = capsys.readouterr()
    assert out.count("warning   writer of metrics has ended: no space is left on its disk\n") == 1
    assert out.count("warning   Threaded ends here: no space is left on its disk\n") == 1
    assert "Traceback" not in out + err
    assert logger.calls == 1
    assert steps_in(only(tmp_path))[0] == 4


def test_other_errors_of_loggers_are_raised(tmp_path):
    for error in (ConnectionError("nobody answers"), KeyError("a")):
        with pytest.raises(type(error)):
            fit(tmp_path, Phase(2, lr=1e-3), logger=Threaded(error), **STEPS)


def test_a_row_that_was_cut_is_left_out_as_a_run_goes_on(tmp_path):
    logger = CSVLogger(tmp_path, name="a", version="b")
    table = Path(logger.log_dir) / "metrics.csv"
    table.parent.mkdir(parents=True)
    table.write_text("step,loss\n1,0.5\n2,0.25\n3,0.12")
    go_on(logger, table, 9)
    with table.open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["1", "2"]
