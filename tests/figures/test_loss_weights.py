"""The plot of loss weights shows the table's figures."""

import numpy as np
import pandas as pd

from camkit.figures import plot_loss_weights


def test_a_line_for_each_value_of_the_other_weight():
    sweep = pd.DataFrame(
        {
            "weight_crr": [np.nan, 0, 5, 1, 0, 1, 5],
            "weight_frr": [np.nan, 0, 0, 0, 2, 2, 2],
            "max_box_acc_v2": [50.0, 51, 53, 52, 61, 62, 63],
        }
    )
    axes = plot_loss_weights(sweep)
    drawn = {line.get_label(): line.get_xydata().tolist() for line in axes.get_lines()}
    assert drawn["FRR × 0"] == [[0, 51], [1, 52], [5, 53]]
    assert drawn["FRR × 2"] == [[0, 61], [1, 62], [5, 63]]
    assert [y for _, y in drawn["CAM"]] == [50, 50]
    assert axes.get_xlabel() == "weight of CRR"
