"""One run at a time in a folder, and never a lock that outlives its process."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from camkit.errors import CamkitError
from camkit.output.lock import LOCK, locked

HOLD = """
import pathlib, sys
from camkit.output.lock import locked
with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_another_process_is_named(tmp_path, holder):
    for _ in range(2):  # asking does not wipe out the answer
        with pytest.raises(CamkitError, match=rf"process {holder.pid} on \S+, since .*another --out"), locked(tmp_path):
            pass


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_holder_holds_nothing(tmp_path, holder, how):
    holder.send_signal(how)
    holder.wait()
    with locked(tmp_path):
        assert str(os.getpid()) in (tmp_path / LOCK).read_text()
    assert not (tmp_path / LOCK).exists()


def test_a_forked_child_does_not_hold_it_on(tmp_path):
    ready, go = os.pipe(), os.pipe()
    with locked(tmp_path):
        child = os.fork()
        if child == 0:
            os.write(ready[1], b"x")
            os.read(go[0], 1)
            os._exit(0)
        os.read(ready[0], 1)
        (tmp_path / LOCK).rename(tmp_path / "kept")  # as if the parent were killed: its file stays
        (tmp_path / LOCK).write_text("")
    (tmp_path / "kept").rename(tmp_path / LOCK)
    with locked(tmp_path):
        pass
    os.write(go[1], b"x")
    os.waitpid(child, 0)


def test_one_of_many_threads_gets_it(tmp_path):
    together, all_others_lost, won, lost = threading.Barrier(8), threading.Event(), [], []

    def attempt():
        together.wait()
        try:
            with locked(tmp_path):
                won.append(1)
                all_others_lost.wait(10)
        except CamkitError:
            lost.append(1)
            if len(lost) == 7:
                all_others_lost.set()

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 7)


def test_folders_that_were_made_and_stay_empty_are_removed(tmp_path):
    with locked(tmp_path / "a" / "b"):
        pass
    assert not (tmp_path / "a").exists()
    with locked(tmp_path / "a" / "b"):
        (tmp_path / "a" / "result").write_text("x")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["result"]


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CamkitError, match="file/out: cannot be written to"), locked(tmp_path / "file" / "out"):
        pass
