"""The file of claims is well formed, and asks for nothing that is not there."""

from pathlib import Path

import pytest

from camkit.errors import CamkitError
from camkit.reproduction.claims import Term, parse, read_claims
from camkit.reproduction.experiments import EXPERIMENTS
from camkit.reproduction.plan import BUDGETS, DATA, cells, cells_for

FILE = Path(__file__).parents[2] / "seeds" / "claims.toml"
CLAIMS = read_claims(FILE)
ONE = """
[rule]
text = "r"
[[claim]]
id = "a"
paper = "p"
source = "s"
sentence = "It is."
comparisons = [{of = "x[f] - y[f]", above = 0}]
"""


def test_both_papers_claims_are_there():
    papers = [claim.paper for claim in CLAIMS.claims.values()]
    assert set(papers) == {"rethinking-cam", "minmaxcam"}
    assert min(papers.count(paper) for paper in set(papers)) >= 15
    assert all(claim.sentence.endswith(".") and claim.source for claim in CLAIMS.claims.values())


@pytest.mark.parametrize("budget", BUDGETS)
def test_every_budget_has_every_cell_that_a_claim_asks_for(budget):
    names = {cell.name for cell in cells(BUDGETS[budget])}
    assert {name for claim in CLAIMS.claims.values() for name in claim.cells()} <= names


@pytest.mark.parametrize("budget", BUDGETS)
def test_a_plan_is_in_order_and_of_experiments_that_exist(budget):
    seen, ids = set(), []
    for cell in cells(BUDGETS[budget]):
        assert cell.experiment in EXPERIMENTS
        assert set(cell.data) <= set(DATA)
        assert set(cell.after) <= seen
        seen.add(cell.name)
        ids.append(cell.id)
    assert len(ids) == len(set(ids))


def test_the_small_budget_takes_less_than_45_minutes():
    assert sum(cell.seconds for cell in cells(BUDGETS["small"])) < 45 * 60


def test_wanted_cells_bring_those_before_them():
    plan = cells(BUDGETS["small"])
    names = [cell.name for cell in cells_for(plan, ["minmax/vgg/chosen"])]
    assert names[0] == "cub/vgg/gap/none"
    assert names[-1] == "minmax/vgg/chosen"
    assert len(names) == 6


def test_a_sum_of_figures():
    assert parse("a/b@1[c:d] - e-f[g@h]") == (Term(1, "a/b@1", "c:d"), Term(-1, "e-f", "g@h"))
    for wrong in ("", "a", "a[b] c[d]", "a[b] -", "a[b] * c[d]"):
        with pytest.raises(ValueError, match=r"\S"):
            parse(wrong)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[rule]", "[rule", "TOML"),
        ('text = "r"', "", "KeyError"),
        (", above = 0", "", "ValueError"),
        ("above = 0", "above = 0, below = 1", "ValueError"),
        ("x[f] - y[f]", "x[f] y[f]", "should be"),
        ("[[claim]]", '[[elsewhere]]\nid = "e"\ndata = "d"\ntests = ["b"]\ncommands = []\n[[claim]]', "'b'"),
        ("[[claim]]", ONE.partition("[[claim]]")[2].join(("[[claim]]", "[[claim]]")), "two claims"),
    ],
)
def test_a_file_that_is_not_well_formed_is_refused(tmp_path, old, new, said):
    file = tmp_path / "claims.toml"
    file.write_text(ONE)
    assert list(read_claims(file).claims) == ["a"]
    file.write_text(ONE.replace(old, new))
    with pytest.raises(CamkitError, match=said) as refused:
        read_claims(file)
    assert str(file) in str(refused.value)


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(CamkitError, match="--claims"):
        read_claims(tmp_path / "none.toml")
    with pytest.raises(CamkitError, match="no claim is called 'x'"):
        CLAIMS.named(("x",))
    assert len(CLAIMS.named(("all",))) == len(CLAIMS.named(())) == len(CLAIMS.claims)
    assert [claim.id for claim in CLAIMS.named(("gap-bias",))] == ["gap-bias"]
