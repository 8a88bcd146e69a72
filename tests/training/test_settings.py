"""Settings: ranges, the way through TOML, and what may change on the way to a resumed run."""

from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camkit.errors import CamkitError
from camkit.training.config import differences, make_settings, parse_toml, read_config, to_toml, typed
from camkit.training.methods import I2C, METHODS, DANet, load_method
from camkit.training.presets import preset, presets
from camkit.training.settings import TrainSettings
from camkit.training.shorthands import SHORTHANDS
from camkit.training.trainer import with_batch_size

SHAPES = TrainSettings(dataset="shapes", root="n=40")


@given(
    root=st.text(st.characters(exclude_categories=["Cs"])),
    lr=st.floats(1e-9, 1e9),
    size=st.lists(st.integers(1, 256), min_size=1, max_size=4).map(tuple),
    options=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.one_of(st.integers(-9, 9), st.floats(-9, 9), st.booleans()),
    ),
    adl_at=st.lists(st.text("ab.0", min_size=1)).map(tuple),
    flip=st.booleans(),
)
def test_toml_gives_the_settings_back(root, lr, size, options, adl_at, flip):
    settings = TrainSettings(
        dataset="csv", root=root, lr=lr, size=size, method_options=options, adl_at=adl_at, flip=flip
    )
    held = parse_toml(to_toml(settings), "file")
    assert make_settings(typed(held, "file")) == settings


def test_later_layers_win():
    settings = make_settings(preset("tiny"), {"root": "somewhere", "lr": 0.5}, {"lr": 0.25})
    assert (settings.backbone, settings.root, settings.lr, settings.method_options) == (
        "tiny",
        "somewhere",
        0.25,
        {"p": 0.5},
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "--epochs 0: give 1 or more"),
        ({"lr": 0.0}, "--lr 0.0: give a number above 0"),
        ({"lr": float("nan")}, "--lr nan: give a finite number"),
        ({"momentum": 1.0}, "--momentum 1.0"),
        ({"size": ()}, "--size"),
        ({"size": (300,)}, "--size 300: it is above --resize"),
        ({"size": (32, 48, 64), "epochs": 2}, "3 sizes need as many epochs"),
        ({"schedule": "steps"}, "--schedule steps: choose one of multistep"),
        ({"milestones": (5, 3)}, "--milestones 5,3: give epochs in order"),
        ({"milestones": (5,), "schedule": "cosine"}, "--milestones 5: they are multistep's"),
        ({"output_stride": 4}, "--output-stride 4"),
        ({"batch_size": -1}, "--batch-size -1: give 0 or more"),
    ],
)
def test_values_out_of_range_are_refused(values, message):
    with pytest.raises(CamkitError, match=message):
        replace(SHAPES, **values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = 'ten'", "epochs = ten is not of the type int"),
        ("epochs = 1.5", "epochs = 1.5 is not of the type int"),
        ("epochs = true", "epochs = True is not of the type int"),
        ("size = ['a']", "size = "),
        ("learning_rate = 1", "'learning_rate' is no setting"),
        ("epochs = ", "cannot be read as TOML"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, text, message):
    (tmp_path / "my.toml").write_text(text)
    with pytest.raises(CamkitError, match=message) as raised:
        read_config(tmp_path / "my.toml")
    assert "my.toml" in str(raised.value)


def test_what_is_missing_is_named():
    with pytest.raises(CamkitError, match="--root is missing"):
        make_settings({"dataset": "cub"})
    with pytest.raises(CamkitError, match=r"nosuch\.toml"):
        read_config(Path("nosuch.toml"))


def test_only_what_changes_the_result_is_a_difference():
    assert differences(SHAPES, replace(SHAPES, workers=3, device="cpu", save_every=5)) == []
    assert differences(SHAPES, replace(SHAPES, lr=0.5, milestones=(3, 4))) == [
        "--lr 0.001 -> 0.5",
        "--milestones  -> 3,4",
    ]
    has = replace(SHAPES, method="has", method_options={"grid": 8, "p": 0.5})
    assert differences(has, replace(has, method_options={"grid": 16})) == [
        "--method-option grid=8 -> 16",
        "--method-option p=0.5 -> left out",
    ]


def test_each_epoch_has_its_size():
    settings = replace(SHAPES, size=(32, 48, 64, 80), epochs=9)
    assert [settings.size_of(epoch) for epoch in range(9)] == [32, 32, 32, 48, 48, 64, 64, 80, 80]


def test_every_preset_makes_settings():
    assert len(presets()) == 2 + 2 * 4 * 2 * 3 + 3 * 2 * 3 + 3 * 3 + 2 * 2 + 1 + 1 + 2 + 3
    for name in presets():
        assert make_settings(preset(name), {"root": "data"}).root == "data"
    with pytest.raises(CamkitError, match="--list-presets"):
        preset("rethinking/cub/vgg16")


def test_the_presets_of_systems_with_a_tree_and_with_pairs():
    given = {"root": "data", "method_options": {"tree": "tree.csv"}}
    found = make_settings(preset("danet/cub/inception-v3"), given)
    assert found.method_options == {"maps": 4, "cosine": 0.01, "tree": "tree.csv"}
    assert load_method(found.method, **found.method_options) == DANet("tree.csv", maps=4)
    assert (found.epochs, found.milestones, found.batch_size, found.lr) == (100, (80,), 30, 1e-3)
    assert make_settings(preset("i2c/ilsvrc/vgg16"), {"root": "data"}).backbone == "vgg16-acol"
    found = make_settings(preset("i2c/ilsvrc/resnet50"), {"root": "data"})
    assert load_method(found.method, **found.method_options) == I2C()
    assert (found.epochs, found.milestones, found.output_stride, found.dilation) == (5, (2, 3, 4), 8, False)


def test_the_presets_of_systems_with_two_heads_branches_and_erasing():
    found = make_settings(preset("acol/cub/vgg16"), {"root": "data"})
    assert load_method(found.method, **found.method_options) == load_method("acol")
    assert (found.backbone, found.epochs, found.batch_size, found.lr) == ("vgg16-acol", 60, 20, 1e-4)
    assert make_settings(preset("acol/ilsvrc/googlenet"), {"root": "data"}).backbone == "googlenet"
    found = make_settings(preset("spg/ilsvrc/inception-v3"), {"root": "data"})
    assert load_method(found.method, **found.method_options) == load_method("spg")
    assert (found.epochs, found.size, found.resize) == (5, (321,), 356)
    found = make_settings(preset("eil/cub/vgg16"), {"root": "data"})
    assert load_method(found.method, **found.method_options) == load_method("eil")
    assert (found.epochs, found.milestones, found.batch_size, found.weight_decay) == (80, (60,), 64, 1e-4)


def test_the_papers_thresholds_are_in_the_presets():
    pools = {backbone: preset(f"rethinking/cub/{backbone}-tap")["pool"] for backbone in ("vgg16", "resnet50-se")}
    assert pools == {"vgg16": "tap:0.1", "resnet50-se": "tap:0.0"}
    assert preset("rethinking/ilsvrc/googlenet-tap-has")["method_options"] == {"grid": 32, "p": 0.5}
    assert preset("rethinking/openimages/resnet50-gap-adl")["dataset"] == "openimages"
    assert "rethinking/openimages/mobilenet-v1-tap" not in presets()


def counted(*layers):
    settings = make_settings(*layers)
    return with_batch_size(settings, load_method(settings.method, **settings.method_options))


def test_a_batch_is_its_sets():
    assert counted({"dataset": "shapes", "root": "n=40"}).batch_size == 32
    settings = counted(preset("minmaxcam/cub/resnet50"), {"root": "cub"})
    assert (settings.batch_size, settings.output_stride, settings.dilation) == (50, 8, False)
    assert counted(preset("minmaxcam/ilsvrc/vgg16"), {"root": "x", "set_size": 4}).batch_size == 48


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"minmax": True, "batch_size": 32}, "--batch-size 32: --method minmax takes 12 sets of 5 images .* make 60"),
        ({"minmax": True, "method": "cutmix"}, "cutmix mixes classes"),
        ({"minmax": True, "accumulate": 2}, "--accumulate 2: --method minmax takes .* in one part"),
        ({"minmax": True, "crr": -1.0}, "--crr -1.0: the weight of a loss"),
        ({"minmax": True, "set_size": 1}, "--set-size 1: CRR compares"),
        ({"frr": 5.0}, "--frr 5.0: it is MinMaxCAM's, give --minmax"),
    ],
)
def test_sets_that_contradict_a_setting(values, message):
    with pytest.raises(CamkitError, match=message):
        counted({"dataset": "shapes", "root": "n=40"}, values)


HELD_0_1_0 = {"dataset": "shapes", "root": "n=40", "minmax": False, "crr": 1.0, "frr": 1.0, "sets": 12, "set_size": 5,
              "norm": "mean", "batch_size": 32}  # fmt: skip


def test_files_of_0_1_0_are_read():
    """They hold every setting, MinMaxCAM's too."""
    plain = make_settings(typed(HELD_0_1_0, "config.toml"))
    assert (plain.method, plain.method_options, plain.batch_size) == ("none", {}, 32)
    both = make_settings(typed({**HELD_0_1_0, "minmax": True, "method": "has", "method_options": {"grid": 8},
                                "batch_size": 60}, "config.toml"))  # fmt: skip
    assert both.method == "has+minmax"
    assert both.method_options == {"grid": 8, "crr": 1.0, "frr": 1.0, "sets": 12, "set_size": 5, "norm": "mean"}
    assert counted(asdict(both)).batch_size == 60


def test_the_options_of_a_method_are_layers_too():
    held = {"dataset": "shapes", "root": "n=40", "method": "has+minmax", "method_options": {"grid": 8, "frr": 5.0}}
    assert make_settings(held, {"crr": 2.0}).method_options == {"grid": 8, "frr": 5.0, "crr": 2.0}
    assert make_settings(held, {"method_options": {"grid": 16}}).method_options == {"grid": 16, "frr": 5.0}
    assert make_settings(held, {"method": "adl"}).method_options == {}
    assert make_settings(held, {"method": "has+minmax"}).method_options == {"grid": 8, "frr": 5.0}


def test_shorthands_have_the_method_s_own_defaults():
    own = {field.name: field.default for field in fields(METHODS["minmax"])}
    assert {name: one.default for name, one in SHORTHANDS.items() if name != "minmax"} == own


def test_parse_toml_names_the_file():
    with pytest.raises(CamkitError, match="here"):
        parse_toml("=", "here")
