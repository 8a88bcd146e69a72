"""What runs elsewhere, read here: the workflow calls a developer's scripts, the image is built of what is there."""

import re
import shlex
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = ("run", "release", "lowest")


def workflow():
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())


def test_the_workflow_runs_the_scripts_and_nothing_of_its_own():
    jobs = workflow()["jobs"]
    commands = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()}
    assert commands == {name: [f"bash .ci/{name}"] for name in SCRIPTS}
    for job in jobs.values():
        assert job["steps"][0]["uses"].startswith("actions/checkout@")
        assert job["steps"][1]["uses"].startswith("actions/setup-python@")
        assert job["timeout-minutes"] <= 60


def test_its_pythons_are_those_the_package_takes():
    setup = (ROOT / "setup.cfg").read_text()
    lowest = re.search(r"^python_requires = >=\s*(\S+)$", setup, re.MULTILINE)[1]
    jobs = workflow()["jobs"]
    assert min(jobs["run"]["strategy"]["matrix"]["python"], key=lambda told: int(told.split(".")[1])) == lowest
    assert jobs["run"]["steps"][1]["with"]["cache-dependency-path"] == "setup.cfg"


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_scripts_are_bash(name):
    subprocess.run(["bash", "-n", ROOT / ".ci" / name], check=True)
    assert "set -euo pipefail" in (ROOT / ".ci" / name).read_text()


def instructions():
    """The Dockerfile's, lines that go on joined."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return [tuple(line.split(maxsplit=1)) for line in lines]


def test_the_image_is_built_of_what_is_there():
    found = instructions()
    assert [word for word, _ in found][:2] == ["ARG", "FROM"]
    declared = {rest.partition("=")[0] for word, rest in found if word == "ARG"}
    declared |= {pair.partition("=")[0] for word, rest in found if word == "ENV" for pair in shlex.split(rest)}
    for _, rest in found:
        assert set(re.findall(r"\$\{(\w+)\}", rest)) <= declared
    (copied,) = [shlex.split(rest) for word, rest in found if word == "COPY"]
    assert copied == [".", "/src"]
    ignored = (ROOT / ".dockerignore").read_text().split()
    setup = (ROOT / "setup.cfg").read_text()
    for needed in ("setup.cfg", "pyproject.toml", "camkit", *re.findall(r"file:\s*(\S+)", setup), "LICENSE"):
        assert (ROOT / needed).exists()
        assert not any(fnmatch(needed, pattern) for pattern in ignored)


def test_its_user_can_write_and_its_command_is_camkits():
    found = instructions()
    last = dict(found)
    assert last["ENTRYPOINT"] == '["camkit"]'
    assert last["USER"] != "root"
    installed = " ".join(rest for word, rest in found if word == "RUN" and "pip install" in rest)
    assert "torch torchvision" in installed
    extra = next(rest.partition("=")[2] for word, rest in found if word == "ARG" and rest.startswith("EXTRAS="))
    assert re.search(rf"^{extra} =", (ROOT / "setup.cfg").read_text(), re.MULTILINE)
