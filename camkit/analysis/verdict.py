"""Which of the papers' problems a classifier has, in words.

The rule is fixed from what the papers claim (`PROBLEMS`), not from data: each claim is a figure and the side of a bound
on which it lies where the problem is there. A sign is shown where its 95 % interval lies wholly on that side,
contradicted where it lies wholly on the other, and open where it holds the bound. A problem is there where all its
signs are shown, is not where one is contradicted, and cannot be told otherwise.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from camkit.analysis.finding import Finding
from camkit.metrics import Estimate, coverage_verdict
from camkit.metrics.intervals import mean

YES, NO, UNTOLD = "yes", "no", "cannot be told"
SHOWN, CONTRADICTED, OPEN, MISSING = "shown", "contradicted", "open", "not measured"
CRR, FRR = "camkit finetune-fc --minmax --crr 1,5 --frr 0", "camkit finetune-fc --minmax --crr 0 --frr 1,5"
COVERAGE = {  # MinMaxCAM, Section 3.3: CRR narrows maps, FRR widens them
    "too little": f"too little; FRR widens maps ({FRR})",
    "too much": f"too much; CRR narrows maps ({CRR}), and so does a higher --theta",
    "undecided": "neither too little nor too much",
}


@dataclass(frozen=True)
class Claim:
    """What a paper expects of a figure where the problem is there.

    Attributes
    ----------
    sentence, source : str
    of : callable
        The figure of an analysis' finding; None where it was not measured.
    bound : float
    below : bool
        The side: below the bound, or above it.
    """

    sentence: str
    source: str
    of: Callable[[Finding], Estimate | None]
    bound: float = 0.0
    below: bool = False


@dataclass(frozen=True)
class Problem:
    """One that a paper names, the analysis that shows it, and the repair."""

    name: str
    analysis: str
    claims: tuple[Claim, ...]
    remedy: str
    otherwise: str
    widens: bool = False  # the repair makes boxes wider


@dataclass(frozen=True)
class Sign:
    """A claim and what was measured of it."""

    sentence: str
    source: str
    bound: float
    below: bool
    estimate: Estimate | None

    @property
    def outcome(self) -> str:
        """Shown, contradicted, open, or not measured."""
        if self.estimate is None or np.isnan(self.estimate.value):
            return MISSING
        on_side, beyond = self.estimate.low > self.bound, self.estimate.high < self.bound
        if self.below:
            on_side, beyond = beyond, on_side
        return SHOWN if on_side else CONTRADICTED if beyond else OPEN

    def __str__(self) -> str:
        if self.estimate is None:
            return f"{self.sentence}: {MISSING}"
        e = self.estimate
        return f"{self.sentence}: {self.outcome}, {e.value:.3f} ({e.low:.3f} to {e.high:.3f}, n = {e.n})"


@dataclass(frozen=True)
class Answer:
    """Whether a classifier has a problem: ``yes``, ``no`` or ``cannot be told``, from which signs, and what to try."""

    problem: str
    analysis: str
    answer: str
    signs: tuple[Sign, ...]
    advice: str

    def __str__(self) -> str:
        return f"{self.problem}: {self.answer}"


@dataclass(frozen=True)
class Verdict:
    """What the analyses together say of a classifier.

    Attributes
    ----------
    answers : tuple of Answer
        One for each of `PROBLEMS`, in the papers' order.
    excess : Estimate or None
        Share of the image that boxes of the plain map cover beyond the truth's; None without boxes or `zipf`.
    """

    answers: tuple[Answer, ...]
    excess: Estimate | None = None

    def __getitem__(self, problem: str) -> Answer:
        return next(answer for answer in self.answers if answer.problem == problem)

    @property
    def coverage(self) -> str:
        """Boxes of the plain map cover "too little", "too much", it is "undecided", or "cannot be told"."""
        return UNTOLD if self.excess is None else coverage_verdict(self.excess)

    def lines(self) -> list[str]:
        """The verdict as the command line prints it."""
        lines = []
        for one in self.answers:
            lines += [f"{one}; {one.advice}", *(f"  {sign}" for sign in one.signs)]
        if self.excess is not None:
            e = self.excess
            lines += [f"boxes of the plain map cover {COVERAGE[self.coverage]}",
                      f"  beyond the object, % of the image: {100 * e.value:+.1f} "
                      f"({100 * e.low:+.1f} to {100 * e.high:+.1f}, n = {e.n})"]  # fmt: skip
        sure = "how sure: at 95 %, of images such as these; whether a repair then helps, camkit ablate measures"
        return [*lines, sure]

    def as_json(self) -> dict[str, Any]:
        """In JSON's types."""
        answers = [
            {
                "problem": one.problem,
                "answer": one.answer,
                "advice": one.advice,
                "signs": [{"sign": sign.sentence, "source": sign.source, "outcome": sign.outcome,
                           "bound": sign.bound, "side": "below" if sign.below else "above",
                           "measured": _plain(sign.estimate)} for sign in one.signs],
            }
            for one in self.answers
        ]  # fmt: skip
        return {"answers": answers, "coverage": self.coverage, "excess": _plain(self.excess)}


def verdict_of(findings: Mapping[str, Finding]) -> Verdict:
    """The verdict on a classifier, from what some of the analyses found, by name."""
    excess = findings["zipf"].summary.get("excess_max") if "zipf" in findings else None
    much = excess is not None and coverage_verdict(excess) == "too much"
    return Verdict(tuple(_answer(problem, findings.get(problem.analysis), much) for problem in PROBLEMS), excess)


def _answer(problem: Problem, finding: Finding | None, covers_too_much: bool) -> Answer:
    signs = tuple(
        Sign(claim.sentence, claim.source, claim.bound, claim.below, None if finding is None else claim.of(finding))
        for claim in problem.claims
    )
    outcomes = {sign.outcome for sign in signs}
    answer = NO if CONTRADICTED in outcomes else YES if outcomes == {SHOWN} else UNTOLD
    if finding is None:
        advice = f"camkit analyze {problem.analysis} asks it"
    elif answer == YES:
        advice = f"try {problem.remedy}"
        if problem.widens and covers_too_much:
            advice += ", with a higher --theta: it widens boxes, and they cover too much already"
    elif answer == NO:
        advice = problem.otherwise
    elif MISSING in outcomes:
        advice = "; ".join(finding.notes) or "it could not be measured here"
    else:
        advice = "more images may tell"
    return Answer(problem.name, problem.analysis, answer, signs, advice)


def difference_of_means(first: Estimate, second: Estimate) -> Estimate:
    """First minus second, of means over different images (Newcombe's square and add, as of Zou and Donner 2008)."""
    value = first.value - second.value
    low = value - np.hypot(first.value - first.low, second.high - second.value)
    high = value + np.hypot(first.high - first.value, second.value - second.low)
    return Estimate(value, float(low), float(high), first.n + second.n)


def _more_level(finding: Finding) -> Estimate | None:
    """How much more of the image the maximum leaves above theta in the most level quarter than in the other."""
    level, concentrated = (finding.summary.get(f"share_max_{part}") for part in ("level", "concentrated"))
    return None if level is None or concentrated is None else difference_of_means(level, concentrated)


def _steadier(finding: Finding) -> Estimate | None:
    """How much of that difference the percentile takes away."""
    usable = finding.table[~finding.table["constant"].astype(bool)]
    if usable.empty:
        return None
    quarter = max(1, len(usable) // 4)
    widened = (usable["share_percentile"] - usable["share_max"]).to_numpy()
    return difference_of_means(*(mean(part, (-1, 1)) for part in (widened[:quarter], widened[-quarter:])))


def _plain(estimate: Estimate | None) -> dict[str, Any] | None:
    return None if estimate is None else {
        name: value if np.isfinite(value) else None for name, value in vars(estimate).items()
    }  # fmt: skip


def _figure(name: str) -> Callable[[Finding], Estimate | None]:
    return lambda finding: finding.summary.get(name)


PROBLEMS = (
    Problem(
        "average pooling favours small activations",
        "channels",
        (
            Claim("the activated areas of channels differ largely, by more than half their mean",
                  "Rethinking CAM, Section 2.2, Fig. 1, P1", _figure("variation_area"), 0.5),
            Claim("class weights fall as the activated area grows, by rank", "Rethinking CAM, Section 2.2, Fig. 2",
                  _figure("rank_area"), below=True),
        ),
        "training with TAP (camkit train --pool tap:0.1)",
        "TAP has nothing to mend",
    ),
    Problem(
        "negative weights strike the object",
        "ioa",
        (
            Claim("what negatively weighted features activate lies in the object more than by chance",
                  "Rethinking CAM, Section 2.3, Fig. 1, P2", _figure("negative_over_chance")),
            Claim("it lies there by more than half in more than half of the images",
                  "Rethinking CAM, Section 2.3, Fig. 3b", _figure("negative_inside"), 0.5),
        ),
        "NWC (--nwc)",
        "leave NWC off (--no-nwc)",
        widens=True,
    ),
    Problem(
        "the maximum is an unstable standard",
        "zipf",
        (
            Claim("with the maximum, concentrated maps have less area above the threshold than level ones",
                  "Rethinking CAM, Section 2.4, Fig. 4b", _more_level),
            Claim("with the percentile they differ less", "Rethinking CAM, Section 2.4, Fig. 4c", _steadier),
        ),
        "PaS (--pas)",
        "leave PaS off (--no-pas)",
        widens=True,
    ),
)  # fmt: skip
