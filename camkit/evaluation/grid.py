"""Weightings times thresholds: the recipes that one pass over the images measures together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from camkit.boxes import THRESHOLDS, Normalization, ThresholdRule
from camkit.cam import built_in_weightings, heads_of, why_not
from camkit.errors import CamkitError
from camkit.evaluation.protocols import protocol_named
from camkit.evaluation.source import EvaluationSource, has_class_weights
from camkit.inference import Inference
from camkit.recipe import Recipe

BASELINE = "signed+minmax"


@dataclass(frozen=True)
class Grid:
    """What is crossed with what.

    Attributes
    ----------
    weightings : sequence of str, or None
        None for all of camkit's own that hold on the network. On maps without class weights there is none to choose.
    thresholds : mapping from name to ThresholdRule, or None
        None for all published rules (`THRESHOLDS`) that the protocol has. "max" is of the map as it is, all others of
        the map after min-max normalisation.
    against : str, optional
        The recipe that the others are compared with; CAM under min-max where it is there, else the first.
    """

    weightings: Sequence[str] | None = None
    thresholds: Mapping[str, ThresholdRule] | None = None
    against: str | None = None

    def cross(self, sources: Sequence[EvaluationSource], protocol: str) -> "Crossed":
        """The recipes, for all of the sources.

        Raises
        ------
        CamkitError
            No recipe has the baseline's name, or the protocol does not take a rule that was named.
        """
        weightings, notes = weightings_for(sources, self.weightings)
        thresholds, more = thresholds_for(protocol, self.thresholds)
        weighted = all(map(has_class_weights, sources))
        recipes = {
            name_of_cell(weighting if weighted else "", threshold): Recipe(weighting, rule, normalization_of(threshold))
            for weighting in weightings
            for threshold, rule in thresholds.items()
        }
        against = self.against or (BASELINE if BASELINE in recipes else next(iter(recipes)))
        if against not in recipes:
            raise CamkitError(f"no recipe is called {against!r}: choose one of {', '.join(recipes)}")
        ordered = {against: recipes[against], **recipes}
        return Crossed(ordered, list(weightings) if weighted else [""], list(thresholds), notes + more)


@dataclass(frozen=True)
class Crossed:
    """Recipes by name, the baseline first, and the names that they are crossed of, in order.

    Attributes
    ----------
    recipes : dict from name to Recipe
        See `name_of_cell`.
    weightings, thresholds : list of str
        One weighting "" for maps without class weights.
    notes : list of str
        What does not hold and is left out, and why.
    """

    recipes: dict[str, Recipe]
    weightings: list[str]
    thresholds: list[str]
    notes: list[str] = field(default_factory=list)


def name_of_cell(weighting: str, threshold: str) -> str:
    """What `Recipe.named` calls a recipe, ``positive+pas``; of maps without class weights the threshold alone."""
    return f"{weighting}+{threshold}" if weighting else threshold


def normalization_of(threshold: str) -> Normalization:
    """Before the threshold of that name: the maximum is a share of the map as it is."""
    return "none" if threshold == "max" else "minmax"


def weightings_for(sources: Sequence[EvaluationSource], asked: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """The weightings for all of these sources, and a line for each that is left out of all there are."""
    if not all(map(has_class_weights, sources)):
        return ["signed"], []
    if asked is not None:
        return list(dict.fromkeys(asked)), []
    heads = [head for one in sources if isinstance(one, Inference) for head in heads_of(one.source)]
    reasons = {name: next(filter(None, (why_not(name, head) for head in heads)), "") for name in built_in_weightings()}
    left_out = [f"note: weighting {name} is left out: {reason}" for name, reason in reasons.items() if reason]
    return [name for name, reason in reasons.items() if not reason], left_out


def thresholds_for(
    protocol: str, asked: Mapping[str, ThresholdRule] | None
) -> tuple[dict[str, ThresholdRule], list[str]]:
    """The rules that a protocol takes, and a line for each that is left out of all there are."""
    rules: dict[str, ThresholdRule] = {name: rule(None, None) for name, rule in THRESHOLDS.items()}
    rules = rules if asked is None else dict(asked)
    notes = []
    for name in list(rules):
        try:
            protocol_named(protocol).check(Recipe("signed", rules[name], normalization_of(name)))
        except CamkitError as error:
            reason = f"{protocol} maps are between 0 and 1, where minmax is the same rule"
            if asked is not None:
                raise CamkitError(f"threshold {name} is of the map as it is, and {reason}: leave it out") from error
            notes.append(f"note: threshold {name} is left out: {reason}")
            del rules[name]
    return rules, notes
