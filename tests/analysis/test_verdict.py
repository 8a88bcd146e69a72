"""The verdict's rule, by hand: each side of each bound, and what cannot be told."""

import numpy as np
import pandas as pd
import pytest
import torch

from camkit.analysis import Finding, Findings, verdict_of, zipf
from camkit.analysis.verdict import (
    CONTRADICTED,
    MISSING,
    NO,
    OPEN,
    PROBLEMS,
    SHOWN,
    UNTOLD,
    YES,
    Sign,
    difference_of_means,
)
from camkit.metrics import Coverage, Estimate

AREAS, NEGATIVE, MAXIMUM = (problem.name for problem in PROBLEMS)


def about(low, high, n=50):
    return Estimate((low + high) / 2, low, high, n)


def finding(name, table=None, **summary):
    return Finding(name, pd.DataFrame() if table is None else table, summary, lambda: None)


def sign(estimate, bound=0.0, below=False):
    return Sign("x", "y", bound, below, estimate).outcome


def test_a_sign_lies_wholly_on_a_side_or_is_open():
    assert sign(about(0.1, 0.3)) == SHOWN
    assert sign(about(-0.3, -0.1)) == CONTRADICTED
    assert sign(about(-0.1, 0.1)) == OPEN
    assert sign(about(0.0, 0.1)) == OPEN  # the bound itself is in the interval
    assert sign(about(-0.3, -0.1), below=True) == SHOWN
    assert sign(about(0.1, 0.3), below=True) == CONTRADICTED
    assert sign(about(0.4, 0.6), bound=0.5) == OPEN
    assert sign(None) == sign(Estimate(float("nan"), 0, 1, 0)) == MISSING
    assert sign(Estimate(0.5, -np.inf, np.inf, 1)) == OPEN


@pytest.mark.parametrize(
    ("over_chance", "inside", "answer"),
    [
        (about(0.1, 0.2), about(0.6, 0.7), YES),
        (about(0.1, 0.2), about(0.3, 0.4), NO),  # one contradicted
        (about(-0.2, -0.1), about(0.4, 0.6), NO),  # contradicted and open
        (about(0.1, 0.2), about(0.4, 0.6), UNTOLD),
    ],
)
def test_negative_weights(over_chance, inside, answer):
    found = finding("ioa", negative_over_chance=over_chance, negative_inside=inside)
    verdict = verdict_of({"ioa": found})
    assert verdict[NEGATIVE].answer == answer
    assert ("try NWC" in verdict[NEGATIVE].advice) == (answer == YES)
    assert ("--no-nwc" in verdict[NEGATIVE].advice) == (answer == NO)


@pytest.mark.parametrize(
    ("variation", "rank", "answer"),
    [(about(0.6, 0.9), about(-0.4, -0.2), YES), (about(0.6, 0.9), about(0.1, 0.2), NO),
     (about(0.2, 0.3), about(-0.4, -0.2), NO), (about(0.6, 0.9), about(-0.1, 0.1), UNTOLD)],
)  # fmt: skip
def test_average_pooling(variation, rank, answer):
    found = finding("channels", variation_area=variation, rank_area=rank)
    assert verdict_of({"channels": found})[AREAS].answer == answer


def falloff(concentrated, level, n=200):
    """A table as zipf's, whose first quarter gains `concentrated` by the percentile and whose last gains `level`."""
    rng, quarter = np.random.default_rng(0), n // 4
    gains = np.concatenate([np.full(quarter, concentrated), np.zeros(n - 2 * quarter), np.full(quarter, level)])
    share = 0.4 + 0.01 * rng.standard_normal(n)
    return pd.DataFrame({"share_max": share, "share_percentile": share + gains, "constant": False})


@pytest.mark.parametrize(("concentrated", "level", "answer"), [(0.2, 0.05, YES), (0.05, 0.2, NO), (0.1, 0.1, UNTOLD)])
def test_the_maximum(concentrated, level, answer):
    quarters = {"share_max_level": about(0.5, 0.6), "share_max_concentrated": about(0.1, 0.2)}
    found = finding("zipf", falloff(concentrated, level), **quarters)
    verdict = verdict_of({"zipf": found})
    assert verdict[MAXIMUM].answer == answer
    difference = verdict[MAXIMUM].signs[1].estimate
    assert difference.value == pytest.approx(concentrated - level)


def test_a_repair_that_widens_is_not_urged_on_boxes_that_are_too_wide():
    quarters = {"share_max_level": about(0.5, 0.6), "share_max_concentrated": about(0.1, 0.2)}
    for excess, coverage in ((about(0.1, 0.2), "too much"), (about(-0.2, -0.1), "too little"), (None, UNTOLD)):
        more = {} if excess is None else {"excess_max": excess}
        verdict = verdict_of({"zipf": finding("zipf", falloff(0.2, 0.05), **quarters, **more)})
        assert verdict.coverage == coverage
        assert verdict[MAXIMUM].answer == YES
        assert ("they cover too much already" in verdict[MAXIMUM].advice) == (coverage == "too much")
        assert any("CRR narrows" in line for line in verdict.lines()) == (coverage == "too much")
        assert any("FRR widens" in line for line in verdict.lines()) == (coverage == "too little")


def test_what_was_not_asked_cannot_be_told_and_says_who_asks():
    verdict = verdict_of({})
    assert [answer.answer for answer in verdict.answers] == [UNTOLD] * 3
    assert verdict[NEGATIVE].advice == "camkit analyze ioa asks it"
    nothing = Finding("ioa", pd.DataFrame(), {}, lambda: None, notes=("no image has a negative part",))
    told = verdict_of({"ioa": nothing})[NEGATIVE]
    assert (told.answer, told.advice) == (UNTOLD, "no image has a negative part")


def test_the_difference_of_two_means_holds_the_truth():
    """Newcombe's interval over many draws of two samples, and by hand where both intervals are the same."""
    by_hand = difference_of_means(Estimate(0.5, 0.4, 0.6, 10), Estimate(0.2, 0.1, 0.3, 10))
    assert (by_hand.value, by_hand.low, by_hand.high) == pytest.approx((0.3, 0.3 - 0.02**0.5, 0.3 + 0.02**0.5))
    assert by_hand.n == 20


def test_findings_have_a_verdict_that_json_holds():
    import json

    found = finding("ioa", negative_over_chance=about(0.1, 0.2), negative_inside=Estimate(1.0, -np.inf, np.inf, 1))
    verdict = Findings({"ioa": found}, [], (), 1).verdict
    held = json.loads(json.dumps(verdict.as_json(), allow_nan=False))
    assert [one["answer"] for one in held["answers"]] == [UNTOLD] * 3
    assert held["answers"][1]["signs"][1]["measured"]["low"] is None
    assert held["coverage"] == UNTOLD


def test_excess_is_what_the_metric_says(seen):
    """The box of the plain map against the object's, as camkit.metrics.Coverage has it."""
    features = np.tile(np.arange(10.0, 0, -1), (1, 4, 1))
    found = zipf([seen(features, [2.0], [(0, 0, 3, 4), (0, 0, 7, 4)])], theta=0.35)
    metric = Coverage()
    metric.update(torch.tensor([[0, 0, 6, 4]]), [torch.tensor([[0.0, 0, 3, 4], [0, 0, 7, 4]])], [(4, 10)])
    assert found.table["excess_max"][0] == pytest.approx(float(metric.compute()["excess"])) == pytest.approx(-0.1)
    assert found.summary["excess_max"].n == 1
