"""Names known without torch are the library's; what can be told before torch is loaded is told before."""

import os
import subprocess
import sys
from importlib.util import find_spec

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


LOCALIZE = ["localize", "--model", "tiny", "--images", "photos"]
EVALUATE = ["evaluate", "--model", "tiny", "--dataset", "csv", "--root", "photos"]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ([*LOCALIZE, "--out", "held"], "held already holds a run (boxes.csv): give --resume, --overwrite or another"),
        (["localize", "--model", "tiny", "--images", "nosuch"], "no such file or folder: 'nosuch'; check the path"),
        (["localize", "--model", "tiny", "--images", "photos", "@no.txt"], "no such file or folder: 'no.txt'"),
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
    monkeypatch.setattr("camkit.cli.options.load_model", lambda **_: loaded.append(1))
    status, out, error = run(*call)
    assert (status, out, loaded) == (2, "", [])
    assert says in error


def test_a_refusal_loads_no_torch(place):
    """One of each kind: a value, a file, a folder that holds a run, options that contradict each other."""
    for call in (
        ["localize", "--model", "resnet5", "--images", "photos"],
        ["inspect", "--model", "timm:resnt50"],
        ["localize", "--model", "tiny", "--images", "nosuch"],
        [*LOCALIZE, "--out", "held"],
        [*LOCALIZE, "--no-pas", "--percentile", "90"],
        ["evaluate", "--maps", "photos", "--head", "features=a,classifier=b", *EVALUATE[3:]],
        ["train", "--dataset", "csv", "--root", "photos", "--size", "100000"],
    ):
        said, error, end = probed(*call, cwd=place)
        assert (said, end) == ("", "2 False"), error
        assert len(error.strip().splitlines()) <= 2  # where the results would go, and the refusal
