"""The published tables, held against what the papers themselves say about them."""

import doctest
from pathlib import Path

import pandas as pd
import pytest

SEEDS = Path(__file__).parents[2] / "seeds"
MEASURES = ["top1_cls", "gt_loc", "top1_loc"]
DATASETS = ["cub", "imagenet"]


def table(paper: str, number: int) -> pd.DataFrame:
    return pd.read_csv(SEEDS / paper / f"table{number}.csv")


def absolute_table1() -> pd.DataFrame:
    """MinMaxCAM's Table 1 with the differences added to their backbone's CAM."""
    printed = table("minmaxcam", 1)
    figures = printed.columns[4:]
    cam = printed[printed.method == "CAM"].set_index("backbone")[figures]
    base = cam.loc[printed.backbone].to_numpy()
    is_difference = (printed.scale == "difference").to_numpy()[:, None]
    absolute = printed[figures] + base * is_difference
    return absolute.set_index(pd.MultiIndex.from_frame(printed[["backbone", "method"]]))


@pytest.mark.parametrize(
    ("paper", "number", "lines", "figures"),
    [
        ("rethinking-cam", 1, 22, 22 * 6 - 21),
        ("rethinking-cam", 2, 8, 8 * 6),
        ("rethinking-cam", 3, 8, 8 * 6),
        ("rethinking-cam", 4, 8, 8 * 3 + 6),
        ("minmaxcam", 1, 21, 21 * 5 - 3 * 2 - 2 * 3),
        ("minmaxcam", 2, 8, 8 + 3),
        ("minmaxcam", 3, 4, 4 * 2),
        ("minmaxcam", 4, 5, 5 * 2),
    ],
)
def test_every_line_and_figure_is_there(paper: str, number: int, lines: int, figures: int) -> None:
    numbers = table(paper, number).select_dtypes("float").drop(columns="set_size", errors="ignore")
    assert len(numbers) == lines
    assert numbers.count().sum() == figures


@pytest.mark.parametrize("path", sorted(SEEDS.glob("*/*.csv")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_figures_are_percent(path: Path) -> None:
    frame = pd.read_csv(path)
    if "scale" in frame:
        assert set(frame.scale) == {"absolute", "difference"}
        frame = frame[frame.scale == "absolute"]
    figures = frame.select_dtypes("float").stack().dropna()
    assert figures.between(0, 100).all()
    if "source" in frame:
        assert set(frame.source) <= {"measured", "cited"}


def test_differences_lead_to_percent() -> None:
    assert absolute_table1().stack().dropna().between(0, 100).all()


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("dataset", DATASETS)
def test_top1_loc_needs_the_class_and_the_box(number: int, dataset: str) -> None:
    cls, gt_loc, top1_loc = (table("rethinking-cam", number)[f"{dataset}_{measure}"] for measure in MEASURES)
    assert not (top1_loc > cls).any()
    assert not (top1_loc > gt_loc).any()


@pytest.mark.parametrize(("dataset", "stated"), [("cub", 14.18), ("imagenet", 2.84)])
def test_average_gain_that_the_text_of_rethinking_cam_states(dataset: str, stated: float) -> None:
    means = table("rethinking-cam", 2).groupby("ours")[f"{dataset}_top1_loc"].mean()
    assert means[True] - means[False] == pytest.approx(stated, abs=0.005)


def test_table3_as_the_text_of_rethinking_cam_quotes_it() -> None:
    rows = table("rethinking-cam", 3).set_index(["tap", "nwc", "pas"])
    cub, imagenet = rows.cub_top1_loc, rows.imagenet_top1_loc
    cam, tap, nwc, pas = (False, False, False), (True, False, False), (False, True, False), (False, False, True)
    assert rows.loc[tap, ["cub_top1_cls", "imagenet_top1_cls"]].tolist() == [74.91, 67.22]
    assert rows.loc[cam, ["cub_top1_cls", "imagenet_top1_cls"]].tolist() == [69.95, 65.39]
    assert [cub[row] for row in (cam, tap, nwc, pas)] == [37.05, 48.53, 44.15, 48.45]
    assert [imagenet[row] for row in (cam, tap, nwc, pas)] == [41.91, 45.29, 42.39, 44.04]
    assert cub.idxmax() == imagenet.idxmax() == (True, True, True)
    assert rows.imagenet_gt_loc.idxmax() == (False, True, True)


def test_only_tap_changes_the_classification() -> None:
    rows = table("rethinking-cam", 3)
    assert (rows.groupby("tap")[["cub_top1_cls", "imagenet_top1_cls"]].nunique() == 1).all(axis=None)


def test_tables_2_and_3_agree_on_cub_and_differ_on_imagenet() -> None:
    two = table("rethinking-cam", 2).query("backbone == 'VGG16'")
    three = table("rethinking-cam", 3).query("tap == nwc and nwc == pas").sort_values("tap")
    for dataset, equal in [("cub", True), ("imagenet", False)]:
        columns = [f"{dataset}_{measure}" for measure in MEASURES]
        assert ((two[columns].to_numpy() == three[columns].to_numpy()) == equal).all()


@pytest.mark.parametrize(("number", "falls", "of"), [(1, 5, 16), (2, 1, 8)])
def test_how_often_the_repairs_cost_classification(number: int, falls: int, of: int) -> None:
    measured = table("rethinking-cam", number)
    measured = measured.set_index([key for key in ("backbone", "method") if key in measured])
    ours = measured[measured.ours][["cub_top1_cls", "imagenet_top1_cls"]]
    without = measured[~measured.ours].loc[ours.index, ours.columns]
    assert ours.size == of
    assert (ours < without).sum(axis=None) == falls


def test_printed_differences_of_table4() -> None:
    rows = table("rethinking-cam", 4).set_index("method")
    ours, without = rows[rows.ours], rows[~rows.ours]
    for backbone in ("vgg16", "googlenet", "resnet50"):
        gain = ours[backbone] - without.loc[ours.index, backbone]
        assert gain.to_numpy() == pytest.approx(ours[f"{backbone}_gain"].to_numpy())


def test_both_papers_cite_the_same_pxap_but_for_one_number() -> None:
    rethinking = table("rethinking-cam", 4).query("not ours").set_index("method")
    minmaxcam = absolute_table1().openimages_pxap
    differing = [
        (backbone, method)
        for backbone in ("VGG16", "ResNet50")
        for method in ("CAM", "HaS", "ACoL", "SPG", "ADL", "CutMix")
        if rethinking.loc[method, backbone.lower()] != pytest.approx(minmaxcam[backbone, method])
    ]
    assert differing == [("ResNet50", "CutMix")]


def test_table1_of_minmaxcam_returns_in_its_tables_3_and_4() -> None:
    one = absolute_table1()[["cub_max_box_acc", "cub_max_box_acc_v2"]]
    measures = ["max_box_acc", "max_box_acc_v2"]
    three = table("minmaxcam", 3).query("map_applied_to == 'image'").set_index("backbone")[measures]
    for backbone in ("VGG16", "MobileNetV2"):
        assert one.loc[backbone, "MinMaxCAM"].tolist() == pytest.approx(three.loc[backbone].tolist())
    four = table("minmaxcam", 4).set_index("method")[measures]
    assert one.loc["MobileNetV2", "CAM"].tolist() == pytest.approx(four.loc["CAM"].tolist())
    assert one.loc["MobileNetV2", "MinMaxCAM"].tolist() == pytest.approx(four.iloc[0].tolist())


def test_set_size_as_the_text_of_minmaxcam_says() -> None:
    rows = table("minmaxcam", 4).dropna().sort_values("set_size")
    assert rows.set_size.tolist() == [2, 3, 4, 5]
    assert rows.max_box_acc.is_monotonic_increasing
    assert rows.max_box_acc_v2.is_monotonic_increasing


def test_masking_features_makes_vgg16_worse_than_cam() -> None:
    rows = table("minmaxcam", 3).set_index(["backbone", "map_applied_to"])[["max_box_acc", "max_box_acc_v2"]]
    cam = absolute_table1()[["cub_max_box_acc", "cub_max_box_acc_v2"]]
    for backbone, worse in [("VGG16", True), ("MobileNetV2", False)]:
        masked = rows.loc[backbone, "image"] + rows.loc[backbone, "features"]
        assert ((masked.to_numpy() < cam.loc[backbone, "CAM"].to_numpy()) == worse).all()


def test_who_leads_in_table1_of_minmaxcam() -> None:
    rows = table("minmaxcam", 1).query("scale == 'difference'").set_index(["backbone", "method"])
    resnet = rows.loc["ResNet50"]
    assert resnet.cub_max_box_acc["WTL"] - resnet.cub_max_box_acc["MinMaxCAM"] == pytest.approx(0.3)
    assert resnet.index[resnet.imagenet_max_box_acc > 0].tolist() == ["WTL", "MinMaxCAM"]
    assert resnet.index[resnet.openimages_pxap == resnet.openimages_pxap.max()].tolist() == ["I2C", "MinMaxCAM"]


def test_the_example_of_the_readme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(SEEDS.parent)
    failed, attempted = doctest.testfile(str(SEEDS / "README.md"), module_relative=False, encoding="utf-8")
    assert (failed, attempted) == (0, 4)
