"""Optuna's journal: torn lines, killed holders of its lock, and several writers at once."""

import subprocess
import sys
import time

import optuna
import pytest
from filelock import FileLock

from anomaly_lab.errors import StoreError
from experiments.journal import open_journal

WRITER = """
import sys
from pathlib import Path
import optuna
from experiments.journal import open_journal
study = optuna.create_study(storage=open_journal(Path(sys.argv[1])), study_name="shared", load_if_exists=True)
for number in range(30):
    study.add_trial(optuna.create_trial(value=float(sys.argv[2]) + number))
"""

HOLDER = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    input()
"""


def add(path, value):
    study = optuna.create_study(storage=open_journal(path), study_name="s", load_if_exists=True)
    study.add_trial(optuna.create_trial(value=value))


def values(path, name="s"):
    return [trial.value for trial in optuna.load_study(storage=open_journal(path), study_name=name).trials]


@pytest.mark.parametrize("kept", [1, 10, -1])
def test_a_torn_last_line_is_cut_off_before_anything_is_appended(kept, tmp_path):
    path = tmp_path / "optuna.journal"
    add(path, 1.0)
    whole = path.read_bytes()
    add(path, 2.0)
    path.write_bytes(whole + path.read_bytes()[len(whole) :].splitlines()[0][:kept])
    assert values(path) == [1.0]
    add(path, 3.0)
    assert values(path) == [1.0, 3.0]


def test_a_line_torn_while_another_driver_has_the_journal_open_is_cut_off(tmp_path):
    path = tmp_path / "optuna.journal"
    add(path, 1.0)
    study = optuna.load_study(storage=open_journal(path), study_name="s")
    with path.open("ab") as file:
        file.write(b'{"op_code": 4, "worker')
    study.add_trial(optuna.create_trial(value=2.0))
    assert values(path) == [1.0, 2.0]


def test_an_empty_journal_is_a_new_one(tmp_path):
    path = tmp_path / "optuna.journal"
    path.touch()
    add(path, 1.0)
    assert values(path) == [1.0]


@pytest.mark.parametrize("content", [b"garbage\n", b"[1, 2]\n", b'{"op_code": 0}\n', b"\x00\xff\n"])
def test_another_file_in_the_journals_place_is_refused_by_name(content, tmp_path):
    path = tmp_path / "optuna.journal"
    path.write_bytes(content + content)
    with pytest.raises(StoreError, match=r"optuna\.journal: must be Optuna's journal"):
        open_journal(path)
    assert path.read_bytes() == content + content


def test_a_killed_holder_of_the_lock_keeps_nobody_waiting(tmp_path):
    path = tmp_path / "optuna.journal"
    command = [sys.executable, "-c", HOLDER, f"{path}.lock"]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(TimeoutError):
        FileLock(f"{path}.lock", timeout=0).acquire()
    holder.kill()
    holder.wait()
    add(path, 1.0)
    assert values(path) == [1.0]


def test_several_writers_at_once_lose_nothing(tmp_path):
    path = tmp_path / "optuna.journal"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, path, str(100 * n)]) for n in range(3)]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0, 0]
    assert sorted(values(path, "shared")) == sorted(100.0 * n + i for n in range(3) for i in range(30))


def test_a_writer_killed_in_the_midst_harms_nobody(tmp_path):
    path = tmp_path / "optuna.journal"
    writer = subprocess.Popen([sys.executable, "-c", WRITER.replace("range(30)", "range(10**6)"), path, "0"])
    while not path.exists() or path.stat().st_size < 2000:
        assert writer.poll() is None
        time.sleep(0.01)
    writer.kill()
    writer.wait()
    before = values(path, "shared")
    assert before == [float(number) for number in range(len(before))]
    study = optuna.load_study(storage=open_journal(path), study_name="shared")
    study.add_trial(optuna.create_trial(value=-1.0))
    assert values(path, "shared") == [*before, -1.0]
