"""Class maps: their boxes in one line, and how they look."""

import numpy as np
import pytest
import torch
from small import Plain, perturb

from camkit import CAM, CamkitError, ClassMaps, Recipe, boxes_from_maps


def made(weighting="signed", classes="all"):
    torch.manual_seed(0)
    return CAM(perturb(Plain()), (32, 32))(torch.randn(3, 3, 32, 32), classes, weighting)


@pytest.mark.parametrize("name", ["cam", "pas", "nwc", "nwc+pas", "negative+ivr", "signed+max"])
def test_boxes_are_those_of_each_map_by_itself(name):
    recipe = Recipe.named(name)
    maps, sizes = made(recipe.weighting), [(20, 30), (40, 25), (64, 64)]
    boxes = maps.boxes(recipe, sizes)
    assert boxes.shape == (3, 5, 4)
    for i, size in enumerate(sizes):
        for k in range(5):
            score_map = recipe.score_maps(maps.maps[i, k], size).numpy()
            assert boxes[i, k].tolist() == boxes_from_maps(score_map, recipe.threshold).tolist()
    alike = maps.boxes(recipe, (20, 30))
    assert (alike[0] == boxes[0]).all()
    assert (alike == maps.boxes(recipe, np.array([20, 30]))).all()


def test_a_recipe_of_another_weighting_is_refused():
    with pytest.raises(CamkitError, match="weighting='positive'"):
        made("signed").boxes(Recipe.named("nwc"), (8, 8))
    with pytest.raises(CamkitError, match="2 sizes for 3 images"):
        made().boxes(Recipe.named("cam"), [(8, 8), (9, 9)])


def test_they_show_themselves():
    maps = made(classes=[1, 4])
    assert repr(maps) == "ClassMaps(3 images, classes [[1, 4], [1, 4], [1, 4]], maps 8x8, signed weights)"
    assert len(repr([maps, made()]).splitlines()) == 1
    assert maps._repr_png_().startswith(b"\x89PNG")
    _, *panels = maps.plot().figure.axes
    assert [panel.get_title() for panel in panels[:2]] == [f"class {k}: {maps.logits[0, k]:.2f}" for k in (1, 4)]
    assert (np.asarray(panels[5].images[0].get_array()) == maps.maps[2, 1].numpy()).all()
    nothing = ClassMaps(torch.full((1, 1, 2, 2), torch.nan), torch.zeros(1, 1).long(), torch.zeros(1, 1), None)
    assert nothing._repr_png_().startswith(b"\x89PNG")
