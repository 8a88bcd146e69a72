"""The sliders' stops: every rule of the registry at every theta and percentile that it takes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camkit.boxes import THRESHOLDS, Threshold
from camkit.boxes.thresholds import Level, percentile_of
from camkit.errors import CamkitError
from camkit.recipe import Recipe

THETAS = tuple(k / 100 for k in range(101))
PERCENTILES = tuple(range(101))
OWN = "as the run cut it"


@dataclass(frozen=True)
class Rule:
    """A threshold of the family ``lo + theta * (hi - lo)`` with the percentiles that its slider stops at.

    Attributes
    ----------
    name : str
    percentiles : tuple of float
        Empty where the rule takes none.
    levels : tuple of (Level, Level)
        ``lo, hi`` at each percentile; one pair where the rule takes none.
    theta : float
        Where its slider begins.
    start : int
        Which of the percentiles it begins at.
    words : str
        The rule as it begins.
    """

    name: str
    percentiles: tuple[float, ...]
    levels: tuple[tuple[Level, Level], ...]
    theta: float
    start: int
    words: str


@dataclass(frozen=True)
class Sliders:
    """Rules and stops of a page.

    Attributes
    ----------
    rules : tuple of Rule
    thetas : tuple of float
        Rising.
    """

    rules: tuple[Rule, ...]
    thetas: tuple[float, ...]

    @property
    def levels(self) -> tuple[Level, ...]:
        """All levels that a rule reads off a map, each once."""
        return tuple(dict.fromkeys(level for rule in self.rules for pair in rule.levels for level in pair))

    def values(self, score_map: NDArray[Any]) -> NDArray[np.float64]:
        """Each level's value on a score map (H, W), as `Threshold` reads it: a percentile of the values in float64."""
        ordered = np.sort(np.asarray(score_map, np.float64), axis=None)
        percentiles = [percentile_of(level) for level in self.levels]
        asked = [p for p in percentiles if p is not None]
        read = iter(np.percentile(ordered, asked, overwrite_input=True))
        return np.array([float(level) if p is None else next(read)
                         for level, p in zip(self.levels, percentiles, strict=True)])  # fmt: skip

    def taus(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The taus of every stop, of maps' level values (levels,)."""
        place = {level: i for i, level in enumerate(self.levels)}
        pairs = list(dict.fromkeys(pair for rule in self.rules for pair in rule.levels))
        lo, hi = (values[[place[pair[end]] for pair in pairs]][:, None] for end in (0, 1))
        return np.asarray(lo + np.array(self.thetas) * (hi - lo)).ravel()

    def start_of(self, recipe: Recipe | None) -> dict[str, int] | None:
        """Which stop is a recipe's: rule, percentile, theta; None where it is none of the family."""
        if recipe is None or not isinstance(recipe.threshold, Threshold):
            return None
        pair = pair_of(recipe)
        for number, rule in enumerate(self.rules):
            if pair in rule.levels:
                return {"rule": number, "percentile": rule.levels.index(pair),
                        "theta": self.thetas.index(recipe.threshold.theta)}  # fmt: skip
        return None


def sliders_for(recipes: Iterable[Recipe | None]) -> Sliders:
    """The registry's rules, with stops for the recipes' own settings, too."""
    rules = [rule for name in THRESHOLDS if (rule := rule_named(name)) is not None]
    thetas = set(THETAS)
    for recipe in recipes:
        if recipe is None or not isinstance(recipe.threshold, Threshold):
            continue
        thetas.add(recipe.threshold.theta)
        pair = pair_of(recipe)
        if not any(pair in rule.levels for rule in rules):
            rules.append(Rule(f"{pair[0]}:{pair[1]}", (), (pair,), recipe.threshold.theta, 0, str(recipe.threshold)))
    return Sliders(tuple(rules), tuple(sorted(thetas)))


def pair_of(recipe: Recipe) -> tuple[Level, Level]:
    """Lo and hi of a recipe's threshold, named as the registry names them: a stretched map's minimum is 0."""
    threshold = recipe.threshold
    assert isinstance(threshold, Threshold)
    lo: Level = "min" if recipe.normalization == "minmax" and threshold.lo == 0 else threshold.lo
    return lo, threshold.hi


def rule_named(name: str) -> Rule | None:
    """A rule of the registry with its stops; None where it is none of the family, and has no lo and hi."""
    begin = THRESHOLDS[name](None, None)
    if not isinstance(begin, Threshold):
        return None
    stops: dict[float, tuple[Level, Level]] = {}
    for percentile in PERCENTILES:
        try:
            threshold = THRESHOLDS[name](None, float(percentile))
        except CamkitError:
            continue
        stops[percentile] = (threshold.lo, threshold.hi)
    pair = (begin.lo, begin.hi)
    if set(stops.values()) == {pair}:
        return Rule(name, (), (pair,), begin.theta, 0, str(begin))
    levels = tuple(stops.values())
    return Rule(name, tuple(stops), levels, begin.theta, levels.index(pair) if pair in levels else 0, str(begin))
