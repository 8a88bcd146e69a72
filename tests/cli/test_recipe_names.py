"""Names that are told before torch is loaded are the library's: weightings, thresholds, recipes, methods, pools."""

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from camkit.adapters import LIBRARIES
from camkit.boxes import THRESHOLDS
from camkit.cam import built_in_weightings, weighting_named
from camkit.cam.weightings import FAMILIES
from camkit.cli import catalog, cli, recipe_names
from camkit.errors import CamkitError
from camkit.nn.pooling import POOLS
from camkit.recipe import RECIPES, SHORT, Recipe, threshold_named
from camkit.training.methods.registry import METHODS


def test_the_names_are_the_librarys():
    assert set(recipe_names.WEIGHTINGS) == set(built_in_weightings())
    assert set(recipe_names.PARAMETERS) == set(FAMILIES)
    assert set(recipe_names.THRESHOLDS) == set(THRESHOLDS)
    assert set(recipe_names.RECIPES) == set(RECIPES)
    assert set(recipe_names.SHORT) == set(SHORT)
    assert {name: library.module for name, library in LIBRARIES.items()} == recipe_names.LIBRARIES
    assert set(catalog.METHODS) == set(METHODS)
    assert set(catalog.POOLS) == set(POOLS)


PARTS = ["finer", "ccam", "ccam-agnostic", "signed", "gradcam++", "top", "top5", "top0", "t1b1", ":", "0.6", ".5", "3",
         "0", "-1", "1e3", "x", "min", "max", "p", "p30", "p90", "p101", "pas", "+", "cam", "nwc", ""]  # fmt: skip
NAMES = st.lists(st.sampled_from(PARTS), max_size=5).map("".join)


def refused(read, name):
    try:
        read(name)
    except CamkitError:
        return True
    return False


@pytest.mark.parametrize(
    ("why_not", "read"),
    [
        (recipe_names.why_no_weighting, weighting_named),
        (recipe_names.why_no_threshold, threshold_named),
        (recipe_names.why_no_recipe, Recipe.named),
    ],
    ids=["weighting", "threshold", "recipe"],
)
@given(name=NAMES)
def test_what_is_refused_early_is_refused_later(why_not, read, name):
    """Early and late say the same of any name, so that nothing that works is refused and nothing wrong slips by."""
    assert bool(why_not(name)) == refused(read, name), why_not(name)


@pytest.mark.parametrize(
    ("kind", "value", "says"),
    [
        (recipe_names.SEVERAL_WEIGHTINGS, "all,signed", "is no list of names"),
        (recipe_names.SEVERAL_WEIGHTINGS, "signed,,positive", "is no list of names"),
        (recipe_names.SEVERAL_WEIGHTINGS, "signed,postive", "did you mean positive?"),
        (recipe_names.SEVERAL_RECIPES, "all", "recipe 'all' is unknown"),
        (recipe_names.PUBLISHED_THRESHOLDS, "max,p30:max", "no threshold is called 'p30:max'"),
        (recipe_names.THRESHOLD, "no/file.py:rule", "no/file.py: there is no such file"),
        (recipe_names.SOURCE, "GradCAM", "'GradCAM' makes no maps: give torchcam:NAME"),
    ],
)
def test_lists_and_files(kind, value, says):
    with pytest.raises(click.BadParameter, match=says.replace("?", "[?]")):
        kind.convert(value, None, None)


def test_completion_offers_them():
    context, option = click.Context(cli), click.Option(["--x"])
    offered = [one.value for one in recipe_names.SEVERAL_WEIGHTINGS.shell_complete(context, option, "signed,p")]
    assert offered == ["signed,positive"]
    done = CliRunner().invoke(cli, prog_name="camkit", env={
        "_CAMKIT_COMPLETE": "bash_complete", "COMP_WORDS": "camkit localize --threshold p", "COMP_CWORD": "3",
    })  # fmt: skip
    assert done.output == "plain,pas\n"
