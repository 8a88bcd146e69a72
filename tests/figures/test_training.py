"""A training run's picture."""

import pandas as pd

from camkit.figures import plot_training


def test_a_run_that_was_measured_once_shows_it():
    log = pd.DataFrame({"epoch": [1, 2, 3], "loss": [3.0, 2.0, 1.0], "val_top1_cls": [None, None, 40.0]})
    _, _, lower = plot_training(log).figure.axes
    (line,) = lower.lines
    assert line.get_xydata().tolist() == [[3, 40]]
    assert line.get_marker() not in ("None", "", " ", None)
