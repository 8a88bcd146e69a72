"""The commands for the papers' own data run as they are written, on miniatures of the official layouts."""

import shlex
from pathlib import Path

import miniatures
import pytest
from click.testing import CliRunner

from camkit.cli import cli
from camkit.reproduction.claims import read_claims

CLAIMS = read_claims(Path(__file__).parents[2] / "seeds" / "claims.toml")
NETWORK = (
    "--backbone vgg-small-bn --weights none --epochs 1 --milestones 1 --size 32 --resize 36 --lr 0.01 --device cpu"
)
MORE = {  # what makes each command quick: it comes last, and wins
    "train": f"{NETWORK} --batch-size 4",
    "minmax": f"{NETWORK} --sets 2 --set-size 2",
    "finetune-fc": "--sets 2 --set-size 2 --steps 1 --crr 0,1 --frr 0 --device cpu",
    "evaluate": "--step 0.1 --device cpu",
    "ablate": "--step 0.1 --device cpu",
    "analyze": "--limit 4 --device cpu",
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("official")
    return {
        "CUB": str(miniatures.cub(root / "cub", count=36)),
        "IMAGENET": str(miniatures.ilsvrc(root / "imagenet")),
        "OPENIMAGES": str(miniatures.openimages(root / "openimages")),
        "OUT": str(root / "out"),
    }


@pytest.fixture(scope="module")
def ran():
    """Command lines that ran already: several claims begin with the same training."""
    return set()


@pytest.mark.parametrize("elsewhere", CLAIMS.elsewhere, ids=lambda one: one.id)
def test_the_commands_run(elsewhere, folders, ran):
    for command in elsewhere.commands:
        if command in ran:
            continue
        ran.add(command)
        out = f"{folders['OUT']}/{elsewhere.data.split()[0]}"
        program, *arguments = shlex.split(filled(command, {**folders, "OUT": out}))
        assert program == "camkit"
        kind = "minmax" if "minmaxcam/" in command else arguments[0]
        done = CliRunner().invoke(cli, [*arguments, *shlex.split(MORE[kind])])
        assert done.exit_code == 0, f"{command}: {done.output} {done.exception}"


def filled(command, folders):
    for name, folder in folders.items():
        command = command.replace(f"${name}", folder)
    return command
