"""--engine ray: what it does not do is told at once, and what a cluster has is shared out."""

import sys

import pytest
from commands import call, make_place

from camkit import CamkitError
from camkit.output.journal import JOURNAL
from camkit.runs.localize_on_ray import BESIDE, Workers, reason_of, workers_of


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return make_place(tmp_path_factory.mktemp("place"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--engine", "ray", "--overlays", "4"), "leave out --overlays"),
        (("--engine", "ray", "--labels", "a.csv", "--min-score", "0.1"), "leave out --labels, --min-score"),
        (("--engine", "ray", "--formats", "csv", "--no-overlays"), "leave out --formats;"),
        (("--engine", "ray", "--shard", "1/2"), "leave out --shard"),
        (("--engine", "ray", "--fc", "fc.pt"), "of what --model and --weights name: leave out --fc"),
        (("--engine", "ray", "--device", "cuda:1"), "--device cuda:1: Ray says which; give one of auto, cpu, cuda"),
        (("--engine", "dask"), "'dask' is not 'ray'"),
        (("--actors", "2"), "--actors: for --engine ray alone"),
    ],
)
def test_what_an_engine_does_not_do_is_told(place, options, says):
    status, _, error = call(place, *options)
    assert (status, says in error) == (2, True), error


def test_ray_that_is_not_installed_is_told(place, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    status, _, error = call(place, "--engine", "ray")
    assert status == 2
    assert error.endswith("--engine ray needs ray: pip install 'camkit[ray]'")


def test_a_run_without_ray_is_not_gone_on_with(place, monkeypatch):
    pytest.importorskip("pyarrow")
    monkeypatch.setattr("camkit.cli.engine.find_spec", lambda name: name)
    (place / "out").mkdir()
    (place / "out" / JOURNAL).touch()
    status, _, error = call(place, "--engine", "ray", "--resume")
    assert (status, "holds a run without --engine ray" in error) == (2, True), error
    assert [file.name for file in (place / "out").iterdir()] == [JOURNAL]


def test_a_cluster_is_shared_out():
    assert workers_of({"CPU": 64.0, "GPU": 8.0}, None, "auto") == Workers(8, 1, 64)
    assert workers_of({"CPU": 64.0, "GPU": 8.0}, 3, "cuda") == Workers(3, 1, 64)
    assert workers_of({"CPU": 64.0, "GPU": 8.0}, None, "cpu") == Workers(55, 0, 64)
    assert workers_of({"CPU": 2.0}, None, "auto") == Workers(1, 0, 2)
    for resources, actors, device in (
        ({"CPU": 2.0}, 2, "auto"),
        ({"CPU": 8.0}, None, "cuda"),
        ({"CPU": 1.0}, None, "cpu"),
    ):
        with pytest.raises(CamkitError, match="the cluster has"):
            workers_of(resources, actors, device)


def test_the_reason_is_that_of_the_worker():
    failed = RuntimeError("a task failed")
    failed.__cause__ = CamkitError("net.py: is gone")
    assert reason_of(failed) == "net.py: is gone"
    failed.__cause__ = OSError("two\nlines")
    assert reason_of(failed) == ("Ray has ended the run: OSError: two lines; go on with the same call and --resume")


def test_a_machine_full_of_actors_has_room_to_decode():
    """Where machines are lost, all actors may come to be on one; counted as Ray counts, in ten-thousandths."""
    actor, task = round(10_000 * (1 - BESIDE)), round(10_000 * BESIDE)
    assert [cpus for cpus in range(1, 513) if 10_000 * cpus % actor < task] == []
