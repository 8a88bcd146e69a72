"""The rule, by hand, and intervals of sums of figures against the textbook's."""

import numpy as np
import pytest
from scipy import stats

from camkit.errors import CamkitError
from camkit.metrics import Estimate
from camkit.reproduction.claims import Claim, Comparison, Expectation, parse
from camkit.reproduction.measured import Figure, Measured, Quantity, added_up, scale_of
from camkit.reproduction.verdicts import judge_claim, measure, outcome_of, verdict_of

RNG = np.random.default_rng(0)
FIRST, SECOND = RNG.normal(1, 1, 50), RNG.normal(0, 2, 50)


def figure(values, sign=1, start=0, seeds=()):
    values = np.atleast_2d(values)
    images = tuple(f"image {start + number}" for number in range(values.shape[1]))
    return Figure(sign, seeds, images, values)


@pytest.mark.parametrize(
    ("kind", "bound", "interval", "outcome"),
    [
        ("above", 0, (0.1, 2), "shown"),
        ("above", 0, (0, 2), "open"),  # the bound itself is not above it
        ("above", 0, (-1, 2), "open"),
        ("above", 0, (-2, -0.1), "contradicted"),
        ("above", -2, (-1.9, 3), "shown"),
        ("below", 0, (-2, -0.1), "shown"),
        ("below", 0, (0.1, 2), "contradicted"),
        ("below", 0, (-2, 0.1), "open"),
        ("within", (-1, 1), (-0.9, 0.9), "shown"),
        ("within", (-1, 1), (-1.1, 0.9), "open"),
        ("within", (-1, 1), (1.1, 2), "contradicted"),
        ("within", (-1, 1), (-3, -1.1), "contradicted"),
    ],
)
def test_where_an_interval_lies(kind, bound, interval, outcome):
    quantity = Quantity(sum(interval) / 2, *interval, 10)
    assert outcome_of(Expectation("", (), kind, bound), quantity) == outcome


def test_exactly_asks_every_image():
    exactly = Expectation("", (), "exactly", 0.0)
    same = added_up([figure([1, 0, 1]), figure([1, 0, 1], -1)], 1)
    swapped = added_up([figure([1, 0, 1]), figure([0, 1, 1], -1)], 1)  # the mean is the same
    assert (same.value, swapped.value) == (0, 0)
    assert outcome_of(exactly, same) == "shown"
    assert outcome_of(exactly, swapped) == "contradicted"


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        (["shown", "shown"], "holds"),
        (["shown", "does not count"], "holds"),
        (["shown", "open"], "holds in part"),
        (["shown", "contradicted"], "does not hold"),
        (["open", "open"], "does not hold"),
        (["contradicted"], "does not hold"),
        (["does not count"], "no verdict"),
        (["shown", "not measured"], "no verdict"),
    ],
)
def test_the_rule(outcomes, verdict):
    assert verdict_of(outcomes) == verdict


def test_the_same_images_are_compared_image_by_image():
    found = added_up([figure(FIRST), figure(SECOND, -1)], 1)
    textbook = stats.ttest_rel(FIRST, SECOND).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((textbook.low, textbook.high))
    assert (found.n, found.seeds) == (50, 0)


def test_other_images_are_independent():
    found = added_up([figure(FIRST), figure(SECOND, -1, start=50)], 1)
    variance = FIRST.var(ddof=1) / 50 + SECOND.var(ddof=1) / 50
    # one more degree of freedom in the variance than two samples have: 100 / 99 of 49 / 50
    reach = stats.t.ppf(0.975, 99) * np.sqrt(variance * (49 / 50) * (100 / 99))
    assert found.high - found.value == pytest.approx(reach)
    assert found.n == 100


def test_seeds_make_an_interval_wider_by_their_own_spread():
    values = RNG.normal(0, 1, (3, 40)) + np.array([[0.0], [1.0], [2.0]])
    found = added_up([figure(values, seeds=(0, 1, 2))], 1)
    of_images, of_seeds = values.mean(axis=0).var(ddof=1) / 40, values.mean(axis=1).var(ddof=1) / 3
    freedom = (of_images + of_seeds) ** 2 / (of_images**2 / 39 + of_seeds**2 / 2)
    reach = stats.t.ppf(0.975, freedom) * np.sqrt(of_images + of_seeds)
    assert (found.value, found.high - found.value) == pytest.approx((values.mean(), reach))
    assert found.seeds == 3


def test_a_shift_that_all_seeds_share_is_paired_away():
    values = RNG.normal(0, 1, (3, 40)) + np.array([[0.0], [5.0], [10.0]])
    alone = added_up([figure(values, seeds=(0, 1, 2))], 1)
    both = added_up([figure(values + 1, seeds=(0, 1, 2)), figure(values, -1, seeds=(0, 1, 2))], 1)
    assert alone.high - alone.low > 10
    assert (both.low, both.high) == pytest.approx((1, 1), abs=0.2)


def test_images_that_do_not_differ_leave_an_unseen_share():
    found = added_up([figure(np.zeros(50)), figure(np.zeros(50), -1)], 100)
    assert found.value == 0
    assert found.high == pytest.approx(100 * 1.96**2 / (50 + 1.96**2), rel=1e-3)
    assert found.low == -found.high


def test_coverage_of_the_interval():
    hits, draws = 0, 300
    rng = np.random.default_rng(1)
    for _ in range(draws):
        seeds, images = rng.normal(0, 0.3, (3, 1)), rng.normal(0, 1, (1, 60))
        found = added_up([figure(seeds + images + rng.normal(0, 1, (3, 60)), seeds=(0, 1, 2))], 1)
        hits += found.low <= 0 <= found.high
    assert hits / draws > 0.92


def runs(**outcomes):
    return {None: Measured(("a", "b", "c", "d"), outcomes, {"whole": Estimate(0.5, 0.4, 0.6, 4)})}


def claim(*comparisons):
    return Claim("id", "p", "s", "It is.", comparisons)


def test_a_claim_from_its_cells():
    cells = {"x": runs(f=[3, 4, 5, 4]), "y": runs(f=[1, 2, 2, 1])}
    up = Comparison("x - y", parse("x[f] - y[f]"), "above", 0.0)
    down = Comparison("y - x", parse("y[f] - x[f]"), "above", 0.0)
    whole = Comparison("whole", parse("x[whole]"), "above", 0.3)
    gone = Comparison("z", parse("z[f]"), "above", 0.0)
    odd = Comparison("odd", parse("x[g]"), "above", 0.0)

    def verdict(*comparisons):
        found = judge_claim(claim(*comparisons), lambda name: cells.get(name, {}))
        return found.verdict, [one.outcome for one in found.outcomes]

    assert verdict(up, whole) == ("holds", ["shown", "shown"])
    assert verdict(up, down) == ("does not hold", ["shown", "contradicted"])
    assert verdict(up, gone) == ("no verdict", ["shown", "not measured"])
    assert verdict(odd) == ("no verdict", ["not measured"])
    only_up = Comparison("x", parse("x[f]"), "above", 0.0, when=Expectation("y", parse("y[f]"), "below", 0.0))
    assert verdict(only_up) == ("no verdict", ["does not count"])
    assert verdict(only_up, up) == ("holds", ["does not count", "shown"])


def test_what_is_no_mean_over_images_stands_alone():
    with pytest.raises(CamkitError, match="cannot be added"):
        measure(parse("x[whole] - x[f]"), lambda _: runs(f=[1, 2, 3, 4]))


def test_images_without_a_figure_are_not_in_it():
    found = measure(parse("x[f]"), lambda _: runs(f=[1.0, float("nan"), 3.0, float("nan")]))
    assert (found.value, found.n) == (2, 2)
    with pytest.raises(CamkitError, match="no image has it"):
        measure(parse("x[f]"), lambda _: runs(f=[float("nan")] * 4))


def test_percentages_by_their_names():
    names = ("cam:gt_loc", "top1_cls", "cam:max_box_acc_v2", "zipf:right_max@level", "nwc:pxap", "own")
    assert [scale_of(name) for name in names] == [100] * 6
    assert [scale_of(name) for name in ("cam:share", "ioa:negative", "zipf:share_max@level")] == [1] * 3
