"""What evaluations and findings show in a notebook: one line, and a table or a picture."""

import re
from functools import partial

import pandas as pd
import pytest

from camkit.analysis import Finding, Findings
from camkit.boxes import PercentileThreshold
from camkit.errors import CamkitError
from camkit.evaluation import Calibration, Evaluation
from camkit.figures import plot_curve
from camkit.metrics import Estimate, Result
from camkit.recipe import Recipe

HOSTILE = '<b>"&\n'
CURVES = pd.DataFrame({"recipe": ["cam"] * 2, "threshold": [0.1, 0.5], "iou_0.3": [90, 80], "iou_0.5": [60, 50],
                       "iou_0.7": [20, 10]})  # fmt: skip


def evaluation(curves=CURVES):
    figures = {"gt_loc": Result(62.5, 60.25, 64.0, 8, "fixed beforehand")}
    return Evaluation(
        classification={"top1_cls": Result(50.0, 40.0, 60.0, 8, "no threshold")},
        localization={"cam": figures, HOSTILE: {"pxap": Result(1.0, 0.5, 2.0, 8, "no threshold")}},
        curves=curves,
        tables={name: pd.DataFrame({"image": ["a", "b"], "recipe": name}) for name in ("cam", HOSTILE)},
        against={},
        pxap_against={},
        failures=[],
        notes=["a <note>"],
    )


def test_an_evaluation_is_a_line_and_a_table():
    found = evaluation()
    assert repr(found) == "Evaluation(gt_loc cam 62.50; 2 images, 0 failed)"
    shown = found._repr_html_()
    assert "<b>" not in shown
    assert "a &lt;note&gt;" in shown
    cells = re.findall(r"<t[hd]>(.*?)</t[hd]>", shown, re.DOTALL)
    assert cells[:6] == ["recipe", "gt_loc", "pxap", "cam", "62.50 (60.25 to 64.00)", ""]
    assert cells[8] == "1.00 (0.50 to 2.00)"
    assert "top1_cls: 50.00 (40.00 to 60.00)" in shown


def test_an_evaluation_plots_the_curve_of_a_recipe():
    ax = evaluation().plot()
    assert ax.lines[0].get_ydata().tolist() == [90, 80]
    assert evaluation().plot(ax) is ax
    for wrong in (lambda: evaluation().plot(recipe="pas"), lambda: evaluation(pd.DataFrame()).plot()):
        with pytest.raises(CamkitError):
            wrong()


def test_a_calibration_is_a_line_and_a_picture():
    tried = [("stretch", "signed", "pas", p, t, p + t) for p in (80, 90) for t in (0.1, 0.2)]
    surface = pd.DataFrame(tried, columns=["fit", "weighting", "threshold", "percentile", "theta", "gt_loc"])
    found = Calibration(Recipe("signed", PercentileThreshold(0.2, 90)), "stretch", surface, "cub val", 9, [])
    assert len(repr(found).splitlines()) == 1
    assert "gt_loc 90.20 on cub val; 9 images" in repr(found)
    assert found._repr_png_().startswith(b"\x89PNG")


def test_findings_are_a_line_and_their_pictures():
    finding = Finding("zipf", CURVES, {"theta": 0.2, "slope": Estimate(-0.5, -0.6, -0.25, 8)},
                      partial(plot_curve, CURVES), notes=("a <note>",))  # fmt: skip
    assert repr(finding) == "Finding('zipf': 2 rows, slope -0.500 (-0.600 to -0.250))"
    assert finding._repr_png_().startswith(b"\x89PNG")
    found = Findings({"zipf": finding}, [], (), 1)
    assert repr([found]) == "[Findings(zipf; 0 failed)]"
    assert "a &lt;note&gt;" in found._repr_html_()
    assert found._repr_html_().count("data:image/png;base64,") == 1
