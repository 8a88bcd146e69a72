"""Class trees from files: what they say, and what is no tree."""

import pytest
import torch

from camkit.errors import CamkitError
from camkit.training.methods import read_tree

LABELS = ("crow", "jay", "gull")
TREE = "class,family,order\njay,Corvidae,Passeriformes\ncrow,Corvidae,Passeriformes\ngull,Laridae,Charadriiformes\n"


def test_each_class_has_its_superclasses(tmp_path):
    (tmp_path / "tree.csv").write_text(TREE, encoding="utf-8-sig")
    tree = read_tree(tmp_path / "tree.csv", LABELS)
    assert tree.levels == ("family", "order")
    assert tree.names == (("Corvidae", "Laridae"), ("Charadriiformes", "Passeriformes"))
    assert tree.parents.tolist() == [[0, 0, 1], [1, 1, 0]]
    assert tree.of(1, torch.tensor([2, 0, 2])).tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (TREE.replace("crow", "crown"), "line 3: 'crown' is no class of the data set; did you mean crow"),
        (TREE.replace("crow", "jay"), "line 3: 'jay' comes a second time"),
        (TREE[: TREE.index("gull")], "1 of 3 classes are missing, such as 'gull'"),
        (TREE.replace("crow,Corvidae,Passeriformes", "crow,Corvidae,Galliformes"),
         "no tree: family 'Corvidae' is in order 'Passeriformes' and in 'Galliformes'"),
        (TREE.replace(",Laridae", ","), "line 4: 3 filled cells"),
        (TREE.replace(",Laridae", ""), "line 4: 3 filled cells"),
        ("class\ncrow\njay\ngull\n", "two columns or more"),
        ("", "two columns or more"),
    ],
)  # fmt: skip
def test_what_is_no_tree_is_one_line(tmp_path, text, says):
    (tmp_path / "tree.csv").write_text(text)
    with pytest.raises(CamkitError, match=says) as refusal:
        read_tree(tmp_path / "tree.csv", LABELS)
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(CamkitError, match=r"no\.csv: cannot be read as a class tree: No such file"):
        read_tree(tmp_path / "no.csv", LABELS)
    (tmp_path / "no.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CamkitError, match="cannot be read as a class tree"):
        read_tree(tmp_path / "no.csv", LABELS)
