"""From what was measured to a verdict on each claim, by one rule for all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from camkit.errors import CamkitError
from camkit.metrics import Estimate
from camkit.reproduction.claims import Claim, Comparison, Expectation, Term
from camkit.reproduction.measured import Figure, Measured, Quantity, added_up, figure_of, scale_of

Runs = Mapping[int | None, Measured]
RunsOf = Callable[[str], Runs]

SHOWN, CONTRADICTED, OPEN, IDLE, MISSING = "shown", "contradicted", "open", "does not count", "not measured"
HOLDS, PARTLY, FAILS, NONE = "holds", "holds in part", "does not hold", "no verdict"


@dataclass(frozen=True)
class Outcome:
    """What became of a comparison; `quantity` is None where it was not measured, and `why` says what is missing."""

    comparison: Comparison
    outcome: str
    quantity: Quantity | None = None
    why: str = ""


@dataclass(frozen=True)
class Verdict:
    """A claim, its comparisons, and what they say together."""

    claim: Claim
    outcomes: tuple[Outcome, ...]

    @property
    def verdict(self) -> str:
        return verdict_of([one.outcome for one in self.outcomes])


def verdict_of(outcomes: Sequence[str]) -> str:
    """The rule: all that count are shown; or none is, or one is contradicted; or in between."""
    counted = [one for one in outcomes if one != IDLE]
    if not counted or MISSING in counted:
        return NONE
    if all(one == SHOWN for one in counted):
        return HOLDS
    return FAILS if CONTRADICTED in counted or SHOWN not in counted else PARTLY


def outcome_of(expectation: Expectation, quantity: Quantity) -> str:
    """Whether the interval lies where the claim says, on the other side, or on both."""
    low, high, bound = quantity.low, quantity.high, expectation.bound
    if expectation.kind == "exactly":
        return SHOWN if quantity.unanimous == bound else CONTRADICTED
    if expectation.kind == "within":
        inside, outside = bound[0] < low and high < bound[1], high < bound[0] or bound[1] < low
    elif expectation.kind == "above":
        inside, outside = low > bound, high < bound
    else:
        inside, outside = high < bound, low > bound
    return SHOWN if inside else CONTRADICTED if outside else OPEN


def judge_claim(claim: Claim, runs_of: RunsOf) -> Verdict:
    """Judge a claim.

    Parameters
    ----------
    claim : Claim
    runs_of : callable
        From a cell's name to what its seeds measured; empty where it has not been run.
    """
    return Verdict(claim, tuple(_outcome(comparison, runs_of) for comparison in claim.comparisons))


def _outcome(comparison: Comparison, runs_of: RunsOf) -> Outcome:
    missing = [cell for cell in dict.fromkeys(comparison.cells()) if not runs_of(cell)]
    if missing:
        return Outcome(comparison, MISSING, why=", ".join(missing))
    try:
        if comparison.when is not None:
            condition = measure(comparison.when.terms, runs_of)
            if outcome_of(comparison.when, condition) != SHOWN:
                why = f"{comparison.when.quantity} is not shown to be {comparison.when.in_words}"
                return Outcome(comparison, IDLE, measure(comparison.terms, runs_of), why)
        quantity = measure(comparison.terms, runs_of)
    except CamkitError as error:
        return Outcome(comparison, MISSING, why=str(error))
    return Outcome(comparison, outcome_of(comparison, quantity), quantity)


def measure(terms: Sequence[Term], runs_of: RunsOf) -> Quantity:
    """A sum of figures with its interval.

    Raises
    ------
    CamkitError
        A cell has no such figure, or one that is no mean over images is added to others.
    """
    figures = [figure_of(term.sign, term.figure, runs_of(term.cell)) for term in terms]
    means = [one for one in figures if isinstance(one, Figure)]
    if len(means) == len(figures):
        return added_up(means, max(scale_of(term.figure) for term in terms))
    if len(figures) > 1:
        raise CamkitError("a figure that is no mean over images cannot be added to others")
    (alone,) = figures
    assert isinstance(alone, Estimate)
    return Quantity(alone.value, alone.low, alone.high, alone.n)
