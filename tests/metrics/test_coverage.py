"""How often intervals hold the truth, 95 times in 100 by rights. `benchmarks/interval_coverage.py` draws far more."""

import numpy as np
import populations
import pytest

SIZES = (20, 50, 200, 1000)


@pytest.mark.parametrize("n", SIZES)
def test_right_or_wrong(n):
    # Exact. What a single share is covered by jumps with it, as only n + 1 outcomes exist.
    covered = populations.of_proportion(n, np.linspace(0.1, 0.95, 86))
    assert 0.945 <= covered.mean() <= 0.96
    assert covered.min() >= 0.92
    assert covered.max() <= 0.98
    assert np.mean((covered >= 0.93) & (covered <= 0.97)) > {20: 0.75, 50: 0.85, 200: 0.99, 1000: 0.99}[n]


@pytest.mark.parametrize(("better", "worse"), [(0.3, 0.1), (0.2, 0.15), (0.25, 0.02)])
@pytest.mark.parametrize("n", [20, 50, 200])
def test_a_paired_difference(n, better, worse):
    assert 0.93 <= populations.of_paired_difference(n, better, worse) <= 0.97


@pytest.mark.parametrize("n", SIZES)
def test_a_paired_difference_where_hardly_an_image_differs(n):
    # Exact. With so few that differ more than 97 % cannot be helped: most samples show none, or one.
    assert 0.945 <= populations.of_paired_difference(n, 0.015, 0.01) <= 1


@pytest.mark.parametrize("name", populations.SHARES)
@pytest.mark.parametrize("n", SIZES)
def test_a_mean_of_shares(name, n):
    assert 0.93 <= populations.of_mean(name, n, 1500) <= 0.97


@pytest.mark.parametrize("n", SIZES)
def test_pxap(n):
    assert 0.915 <= populations.of_pxap(n, 200) <= 0.985


@pytest.mark.parametrize("name", ["MaxBoxAcc, narrow", "MaxBoxAccV2"])
@pytest.mark.parametrize(("n", "samples"), [(20, 250), (50, 200), (200, 100), (1000, 25)])
def test_a_best_threshold(name, n, samples):
    # At 20 images nearly every threshold may be the best, and the interval has to be wide.
    covered = populations.of_best(name, n, samples, thresholds=20)
    assert 0.95 - 2.5 * (0.95 * 0.05 / samples) ** 0.5 <= covered
    assert covered <= 0.999 or n <= 20 or samples < 100


def test_a_best_threshold_where_all_are_luck():
    assert populations.of_best("all thresholds alike, coins", 100, 200, thresholds=20) > 0.9
