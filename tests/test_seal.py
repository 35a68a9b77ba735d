"""The hash that ends a checkpoint: what it finds, and what is done with files that have none."""

import os
import random
import re
import shutil
import stat
import zipfile

import pytest
import torch
from golden_runs import GOLDEN

import pinn
from pinn.checkpoints import seal as seals
from pinn.checkpoints.file import CheckpointError, UnsealedError, read, trusting
from pinn.checkpoints.migrations import FORMAT, SEALED
from pinn.checkpoints.seal import Seal, verified, versions
from pinn.checkpoints.writing import write
from pinn.cli.main import main

TODAY, OLD = GOLDEN / f"kovasznay_{FORMAT}.ckpt", GOLDEN / "kovasznay_2.ckpt"


def flipped(path, target, bit):
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    target.write_bytes(data)


def central(path):
    """Where the directory at the end of an archive begins, and where its entries begin."""
    data = path.read_bytes()
    return [m.start() for m in re.finditer(b"PK\x01\x02", data)]


# --- what is in it


def test_other_programs_read_a_sealed_file():
    contents = torch.load(TODAY, weights_only=True)
    assert contents["pinn"]["format"] == FORMAT
    assert set(contents["pinn"]["versions"]) == {"pinn", "torch"}
    with zipfile.ZipFile(TODAY) as archive:
        assert archive.testzip() is None
        assert archive.comment.startswith(b"pinn-checkpoint format=3 pinn=")
    mapped = torch.load(TODAY, weights_only=True, mmap=True)["state_dict"]
    assert all(map(torch.equal, mapped.values(), contents["state_dict"].values()))


def test_the_seal_says_what_wrote_the_file(tmp_path):
    write(read(TODAY), tmp_path / "again.ckpt")
    own = versions()
    assert verified(tmp_path / "again.ckpt") == Seal(FORMAT, own["pinn"], own["torch"])
    assert own["torch"] == torch.__version__
    assert type(own["torch"]) is str


def test_an_archive_that_ends_in_another_way_is_sealed_too(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    with path.open("r+b") as file:
        seals.seal(file)
    assert verified(path).format == FORMAT


# --- damage


def test_every_bit_of_the_directory_of_records_counts(tmp_path):
    """One of them, taken for a folder's, made torch read what was in its memory."""
    places = central(TODAY)
    bits = [8 * (place + 38) + 4 for place in places]  # the fourth of the external attributes
    bits += random.Random(0).sample(range(8 * places[0], 8 * TODAY.stat().st_size), 100)
    for bit in bits:
        flipped(TODAY, tmp_path / "bad.ckpt", bit)
        with pytest.raises(CheckpointError, match="is damaged"):
            read(tmp_path / "bad.ckpt")


@pytest.mark.parametrize("trust", [False, True])
def test_no_bit_of_the_seal_makes_a_file_an_old_one(tmp_path, trust):
    size = TODAY.stat().st_size
    for bit in range(8 * (size - 130), 8 * size, 7):
        flipped(TODAY, tmp_path / "bad.ckpt", bit)
        with trusting(trust), pytest.raises(CheckpointError, match="is damaged") as caught:
            read(tmp_path / "bad.ckpt")
        assert not isinstance(caught.value, UnsealedError)


@pytest.mark.parametrize("trust", [False, True])
def test_no_bit_of_the_format_number_makes_a_file_an_old_one(tmp_path, trust):
    data = TODAY.read_bytes()
    # In the pickle, `format` is followed by its number: a key, memorised, and one byte.
    place = re.search(rb"X\x06\x00\x00\x00format(?:q.|r....)K", data, re.DOTALL).end()
    assert data[place] == FORMAT
    for bit in range(8):
        flipped(TODAY, tmp_path / "bad.ckpt", 8 * place + bit)
        with trusting(trust), pytest.raises(CheckpointError, match="is damaged"):
            read(tmp_path / "bad.ckpt")


def test_a_file_that_was_cut_or_has_grown_is_damaged(tmp_path):
    data = TODAY.read_bytes()
    for changed in (data[:-1], data[:-64], data[:-200], data + b"\n", data + data):
        (tmp_path / "bad.ckpt").write_bytes(changed)
        with trusting(True), pytest.raises(CheckpointError, match="is damaged"):
            read(tmp_path / "bad.ckpt")


# --- files of earlier versions


def test_a_file_without_a_hash_is_read_when_asked_for_and_named_once(tmp_path, capsys):
    with pytest.raises(UnsealedError, match=r"has no hash: .*add --trust_old"):
        pinn.load(OLD)
    assert pinn.load(OLD, trust_old=True).problem.reynolds == 40.0
    assert capsys.readouterr().out.count("has no hash: it is read unverified") == 1
    with trusting(True):
        for _ in range(3):
            read(OLD)
    assert capsys.readouterr().out.count("has no hash") == 1
    pinn.load(TODAY, trust_old=True)
    assert capsys.readouterr().out == ""


def test_torch_does_not_see_the_directory_of_an_old_file(tmp_path):
    right = torch.load(OLD, weights_only=True)["state_dict"]
    for place in central(OLD):
        flipped(OLD, tmp_path / "bad.ckpt", 8 * (place + 38) + 4)
        with trusting(True):
            found = read(tmp_path / "bad.ckpt")["state_dict"]
        assert all(map(torch.equal, right.values(), found.values()))


def test_an_old_file_with_packed_records_is_refused(tmp_path):
    with (
        zipfile.ZipFile(OLD) as archive,
        zipfile.ZipFile(tmp_path / "packed.ckpt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in archive.namelist():
            packed.writestr(name, archive.read(name))
    with trusting(True), pytest.raises(CheckpointError, match="is damaged, or it is not"):
        read(tmp_path / "packed.ckpt")


def test_a_newer_version_is_named_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(seals, "FORMAT", FORMAT + 1)
    monkeypatch.setattr(seals, "versions", lambda: {"pinn": "9.1", "torch": "3.0"})
    write(read(TODAY), tmp_path / "new.ckpt")
    with pytest.raises(CheckpointError) as caught:
        pinn.load(tmp_path / "new.ckpt", trust_old=True)
    assert str(caught.value) == (
        f"{tmp_path / 'new.ckpt'} was made by a newer version, pinn 9.1: it has format "
        f"{FORMAT + 1}, this version reads up to {FORMAT}: update pinn"
    )


def test_what_this_torch_cannot_read_is_not_called_damaged(tmp_path):
    target = tmp_path / "strange.ckpt"
    write({"pinn": {"format": FORMAT}, "object": pytest.approx(1.0)}, target)
    with pytest.raises(CheckpointError, match=r"is not damaged, but torch .* cannot read"):
        read(target)


def test_the_command_line_reads_an_old_file_when_asked(folder, capsys):
    shutil.copy(OLD, "old.ckpt")
    ask = ["predict", "--ckpt_path", "old.ckpt", "--grid", "4", "--output", "out.csv"]
    assert main(ask) == 2
    assert "add --trust_old" in capsys.readouterr().err
    assert main([*ask, "--trust_old"]) == 0
    assert main(["validate", "--ckpt_path", "old.ckpt"]) == 2
    capsys.readouterr()
    assert main(["validate", "--ckpt_path", "old.ckpt", "--trust_old"]) == 0
    assert capsys.readouterr().out.count("has no hash: it is read unverified") == 1
    assert main(["--config", "small", "--trust_old"]) == 2
    assert "--trust_old is about a checkpoint" in capsys.readouterr().err


# --- durability


def test_the_file_and_its_folders_are_flushed_in_order(tmp_path, monkeypatch):
    target, done = tmp_path / "run" / "checkpoints" / "step-1.ckpt", []

    def noted(number, fsync=os.fsync):
        is_folder = stat.S_ISDIR(os.fstat(number).st_mode)
        done.append(os.readlink(f"/proc/self/fd/{number}") if is_folder else target.exists())
        fsync(number)

    monkeypatch.setattr(os, "fsync", noted)
    write(read(TODAY), target)
    assert done[0] is False  # the file, before it has its name
    assert done[1:4] == [str(target.parent), str(target.parent.parent), str(tmp_path)]
    done.clear()
    write(read(TODAY), target.with_name("step-2.ckpt"))
    assert done[1:] == [str(target.parent)]


def test_today_is_sealed():
    assert FORMAT >= SEALED
