"""Names known without torch are the library's; what can be told before torch is loaded is told before."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from commands import make_place, run

from camkit.cli import catalog, cli
from camkit.cli.catalog import Model, Name
from camkit.models import BACKBONES


def test_names_are_the_librarys():
    from camkit.data import READERS
    from camkit.models import BACKBONES
    from camkit.models.efficientnet_lite import SIZES
    from camkit.models.torchvision_models import torchvision_names
    from camkit.output import FORMATS

    assert (*READERS, "auto") == catalog.DATASETS
    assert catalog.DRAWN == ("shapes",)
    assert set(catalog.FORMATS) == set(FORMATS)
    assert tuple(BACKBONES) == catalog.BACKBONES
    assert tuple(SIZES) == catalog.LITES
    assert sorted(catalog.torchvision_names()) == sorted(torchvision_names())


def offered(kind, begun):
    parameter = click.Option(["--x"])
    return [item.value for item in kind.shell_complete(click.Context(cli), parameter, begun)]


def test_what_tab_offers(tmp_path):
    assert offered(Model(), "resnet1") == ["resnet18", "resnet101", "resnet152"]
    assert offered(Model(), "wsol:vgg") == [f"wsol:{name}" for name in BACKBONES if name.startswith("vgg")]
    (files,) = Model().shell_complete(click.Context(cli), click.Option(["--x"]), "./my_")
    assert (files.value, files.type) == ("./my_", "file")
    assert offered(Name("format", ("csv", "coco", "jsonl"), several=True), "csv,c") == ["csv,csv", "csv,coco"]
    assert offered(Name("data set", catalog.DATASETS), "c") == ["coco", "createml", "csv", "cub"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_are_given_their_script(shell):
    done = CliRunner().invoke(cli, prog_name="camkit", env={"_CAMKIT_COMPLETE": f"{shell}_source"})
    assert done.exit_code == 0
    assert f"_CAMKIT_COMPLETE={shell}_complete" in done.output


PROBE = """
import sys
sys.argv = ["camkit", *sys.argv[1:]]
from camkit.cli import main
try:
    main()
except SystemExit as leaving:
    print(leaving.code, "torch" in sys.modules)
"""


def probed(*arguments, cwd, **variables):
    """Output of the command line, with its exit status and whether torch was loaded."""
    command, env = [sys.executable, "-c", PROBE, *arguments], {**os.environ, **variables}
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=cwd, env=env)
    *said, last = done.stdout.splitlines()
    return "\n".join(said), done.stderr, last


def test_completion_loads_no_torch(tmp_path):
    said, _, end = probed(
        cwd=tmp_path,
        _CAMKIT_COMPLETE="bash_complete",
        COMP_WORDS="camkit localize --model resnet1",
        COMP_CWORD="3",
    )
    assert said.split() == ["plain,resnet18", "plain,resnet101", "plain,resnet152"]
    assert end == "0 False"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = make_place(tmp_path_factory.mktemp("place"))
    (place / "held").mkdir()
    (place / "held/.camkit-files.json").write_text('{"camkit-files": ["boxes.csv"]}')
    (place / "held/boxes.csv").write_text("")
    return place


ROOT = Path(__file__).parents[2]
LOCALIZE = ["localize", "--model", "tiny", "--images", "photos"]
EVALUATE = ["evaluate", "--model", "tiny", "--dataset", "csv", "--root", "photos"]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ([*LOCALIZE, "--out", "held"], "held already holds a run (boxes.csv): give --resume, --overwrite or another"),
        (["localize", "--model", "tiny", "--images", "nosuch"], "no such file or folder: 'nosuch'; check the path"),
        (["localize", "--model", "tiny", "--images", "photos", "@no.txt"], "the list 'no.txt' cannot be read: No such"),
        (["localize", "--model", "resnet5", "--images", "photos"], "no model 'resnet5'; did you mean resnet50"),
        (["localize", "--model", "my.py:f", "--images", "photos"], "my.py: there is no such file"),
        pytest.param(
            ["localize", "--model", "hf:a/b/c", "--images", "photos"],
            "hf:a/b/c: no such folder",
            marks=pytest.mark.skipif(not find_spec("transformers"), reason="needs the extra hf"),
        ),
        (["localize", "--model", "tiny", "--weights", "no/w.pt:ema", "--images", "photos"], "no/w.pt:ema: there is no"),
        (["localize", "--model", "tiny", "--classes-from", "no.npz", "--images", "photos"], "check --classes-from"),
        pytest.param(
            ["inspect", "--model", "open_clip:RN50@openai"],
            "no classes of its own: give --classes-from",
            marks=pytest.mark.skipif(not find_spec("open_clip"), reason="needs the extra clip"),
        ),
        (["inspect", "--model", "tiny", "--class-names", "no.txt"], "check --class-names"),
        (["compare", "--models", "tiny,resnet5", "--images", "photos"], "no model 'resnet5'; did you mean resnet50"),
        ([*LOCALIZE, "--formats", "csv,cocoo"], "format 'cocoo' is unknown; did you mean coco?"),
        ([*LOCALIZE, "--resume", "--overwrite", "--out", "x"], "--resume and --overwrite together"),
        ([*LOCALIZE, "--labels", "no.csv"], "no.csv: there is no such file or folder; check --labels"),
        ([*LOCALIZE, "--no-pas", "--percentile", "90"], "--percentile 90 belongs to PaS and IVR"),
        ([*LOCALIZE, "--nwc", "--weighting", "signed"], "--weighting and --nwc both name the weighting"),
        ([*LOCALIZE, "--labels", "net.py", "--min-score", "0.5"], "leave out --min-score"),
        (
            ["evaluate", "--model", "tiny", "--dataset", "cubb", "--root", "photos"],
            "'cubb' is unknown; did you mean cub",
        ),
        (
            ["evaluate", "--model", "tiny", "--dataset", "cub", "--root", "no"],
            "no: there is no such folder; check",
        ),
        ([*EVALUATE, "--maps", "photos"], "give --model or --maps, one of them"),
        (["evaluate", "--maps", "photos", "--head", "features=a,classifier=b", *EVALUATE[3:]], "leave out --head"),
        (["calibrate", *EVALUATE[1:], "--split", "val", "--test-split", "val"], "both 'val'"),
        (
            ["analyze", "ioa", "--demo", "--model", "tiny"],
            "images of its own: leave out --model",
        ),
        (["finetune-fc", "--minmax", *EVALUATE[1:], "--out", "held"], "held already holds a run"),
    ],
    ids=lambda value: " ".join(value)[:50] if isinstance(value, list) else "",
)
def test_told_before_torch_is_loaded(place, monkeypatch, call, says):
    monkeypatch.chdir(place)
    loaded = []
    monkeypatch.setattr("camkit.cli.classifier.load_model", lambda **_: loaded.append(1))
    status, out, error = run(*call)
    assert (status, out, loaded) == (2, "", [])
    assert says in error


# Every command is called wrongly, in a child of one process that has loaded nothing but the command line.
WRONG = """
localize --model resnet5 --images photos
localize --model tiny --images nosuch
localize --model tiny --images empty
localize --model tiny --images '*.jpg'
localize --model tiny --images photos --out held
localize --model tiny --images photos --out net.py/below
localize --model tiny --images photos --no-pas --percentile 90
localize --model tiny --images photos --threshold pas --percentile 20
localize --model tiny --images photos --threshold p90:p30
localize --model tiny --images photos --threshold otsu
localize --model tiny --images photos --weighting postive
localize --model tiny --images photos --weighting finer:x
localize --model tiny --images photos --weighting no.py:mine
localize --model tiny --images photos --maps-by GradCAM
localize --model tiny --images photos --maps-by no.py:mine
localize --model tiny --images photos --views upside-down
localize --model tiny --images photos --labels photos.csv
localize --model tiny --images photos --settings photos.csv
localize --model tiny --images photos --no-overlays --overlay-format jpeg
localize --model tiny --images photos --no-dilation
evaluate --maps photos --head features=a,classifier=b --dataset csv --root photos
evaluate --model tiny --dataset csv --root photos --class-map photos.csv
evaluate --model tiny --dataset csv --root photos --classifier-weights none
evaluate --model tiny --dataset auto --root empty
ablate --model tiny --dataset csv --root photos --weightings signed,nosuch
ablate --model tiny --dataset csv --root photos --thresholds max,nosuch
ablate --model tiny --dataset csv --root photos --against cam
ablate --model tiny --dataset csv --root photos --thresholds all --against best
calibrate --model tiny --dataset csv --root photos --split val --test-split val
calibrate --model tiny --dataset csv --root photos --test-split test --thresholds p30:max
codetect --model tiny --dataset csv --root photos --fc net.py
localize --model tiny --images photos --engine ray --topk 2 --formats csv
localize --model tiny --images s3://bucket/photos
analyze ioa --demo --model tiny
analyze intensity --demo --intensities 0.5,1
finetune-fc --minmax --model tiny --dataset csv --root photos --crr 0,1
finetune-fc --minmax --model tiny --dataset csv --root photos --lr 0
train --dataset csv --root photos --size 100000
train --dataset csv --root photos --backbone resnet5
train --dataset csv --root photos --pool average
train --dataset csv --root photos --method cutout
train --dataset csv --root photos --weights no.pt
train --dataset csv --root photos --device gpu
compare --model tiny --images photos --recipes cam,best
compare --models tiny,resnet18 --images photos --weights none
compare --model tiny --dataset cub
inspect --model timm:resnt50
report nosuch
report photos
report ended
datasets --root empty
reproduce --claims no.toml
reproduce all --claims claims.toml --data cub=nosuch
"""
CHILDREN = """
import os, shlex, sys
from camkit.cli import main

class NoTorch:
    def find_spec(self, name, *_):
        if name == "torch":
            print("TORCH IS LOADED", file=sys.stderr)
            os._exit(9)

sys.meta_path.insert(0, NoTorch())
for line in sys.stdin:
    reading, writing = os.pipe()
    if not (child := os.fork()):
        os.dup2(writing, 1), os.dup2(writing, 2)
        sys.argv = ["camkit", *shlex.split(line)]
        try:
            main()
        except SystemExit as leaving:
            sys.stdout.flush()
            os._exit(leaving.code or 0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), line.strip(), "->", " ".join(said.split()))
"""


def test_a_refusal_loads_no_torch(place):
    """What the command line can know by itself it says at once: exit status 2, one line, and torch is not imported."""
    (place / "empty").mkdir()
    (place / "ended").mkdir()
    (place / "ended/run.json").write_text("{}")
    (place / "ended/report.html").write_text("<!-- made by camkit report -->")
    (place / "photos.csv").write_text("photo,class\n")
    (place / "claims.toml").write_text((ROOT / "seeds/claims.toml").read_text())
    calls = WRONG.strip().splitlines()
    assert {line.split()[0] for line in calls} >= set(cli.commands) - {"demo", "env", "merge", "models"}
    done = subprocess.run([sys.executable, "-c", CHILDREN], input="\n".join(calls), capture_output=True, text=True,
                          check=True, cwd=place)  # fmt: skip
    said = done.stdout.splitlines()
    assert len(said) == len(calls)
    assert [line for line in said if not line.startswith("2 ")] == []
    assert [line for line in said if "results go to" in line] == [], "a run that does not begin has no results"
    assert all("-> camkit: " in line for line in said)
