"""A model that changes after its extractor was made: the maps are those of the model as it is, or there are none."""

import pytest
import torch
from small import Functional, Plain, perturb
from torch import nn

from camkit import CAM, CamkitError
from camkit.cam.current import refuse_stale
from camkit.nn import ThresholdedAvgPool2d


def images(n: int = 3) -> torch.Tensor:
    return torch.rand(n, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def refusal(call) -> str | None:
    """What a call is refused with, None where it works."""
    try:
        call()
    except CamkitError as error:
        return str(error)
    return None


def complete(cam, model) -> None:
    x = images().to(next(model.parameters()).dtype)
    out = cam(x, "all", "signed")
    with torch.no_grad():
        torch.testing.assert_close(out.maps.mean((-2, -1)) + out.offset, model(x).float(), rtol=1e-4, atol=1e-4)


def head(*layers):
    model = Plain()
    model.fc = nn.Sequential(*layers, nn.Linear(8, 5))
    return model


MADE = {
    "plain": Plain,
    "no bias": lambda: Plain(bias=False),
    "functional": Functional,
    "dropout": lambda: head(nn.Dropout()),
    "layer norm": lambda: head(nn.LayerNorm(8)),
    "batch norm": lambda: head(nn.BatchNorm1d(8)),
    "two layers": lambda: head(nn.Linear(8, 8)),
    "mlp": lambda: head(nn.Linear(8, 8), nn.Hardswish()),
}
READ_ANEW = ("plain", "no bias", "functional", "dropout")


@pytest.fixture(params=MADE)
def made(request):
    torch.manual_seed(0)
    model = perturb(MADE[request.param]())
    return request.param, model, CAM(model, (32, 32))


def last(model) -> nn.Linear:
    return model.fc if isinstance(model.fc, nn.Linear) else model.fc[-1]


def trained(model) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    model(images()).square().mean().backward()
    optimizer.step()


CHANGES = {
    "a step of training": trained,
    "copied into": lambda model: last(model).weight.data.mul_(3),
    "set to another tensor": lambda model: setattr(last(model).weight, "data", torch.randn(5, 8)),
    "another parameter": lambda model: setattr(last(model), "weight", nn.Parameter(torch.randn(5, 8))),
    "other weights loaded": lambda model: model.load_state_dict({k: v + 1 for k, v in model.state_dict().items()}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_other_weights(made, change):
    """Weights that are parameters as they stand are read anew; others are refused where the maps miss the logits."""
    name, model, cam = made
    complete(cam, model) if name != "mlp" else cam(images(), "all")
    CHANGES[change](model)
    if name in READ_ANEW:
        complete(cam, model)
        assert torch.equal(cam.head.weight, last(model).weight)
        return
    # what was replayed may be the model's own tensors, which changed with it
    refused = refusal(lambda: complete(cam, model) if name != "mlp" else cam(images()))
    assert refused is None or ("make a new" in refused and "\n" not in refused)
    complete(CAM(model, (32, 32)), model) if name != "mlp" else CAM(model, (32, 32))(images())


@pytest.mark.parametrize("name", ["layer norm", "batch norm", "two layers"])
def test_weights_that_were_computed_of_several_parameters_are_refused_when_one_changes(name):
    torch.manual_seed(0)
    model = perturb(MADE[name]())
    cam = CAM(model, (32, 32))
    with torch.no_grad():
        last(model).weight[2, 3] += 1
    features = cam.features(images())
    assert features.pooled.shape == (3, 8)  # what needs no class weights is there
    with pytest.raises(CamkitError, match=r"miss the logits by .*make a new CAM"):
        features.class_maps("all")
    with pytest.raises(CamkitError, match="miss the logits"):
        features.class_weights("all")


def test_a_change_that_rounds_to_nothing_is_none():
    torch.manual_seed(0)
    model = perturb(head(nn.LayerNorm(8)))
    cam = CAM(model, (32, 32))
    with torch.no_grad():
        last(model).weight.add_(1e-8)
    complete(cam, model)


@pytest.mark.parametrize("name", READ_ANEW)
def test_another_linear_layer(name):
    """Also with another number of classes; not where it takes other channels, or is none."""
    torch.manual_seed(0)
    model = perturb(MADE[name]())
    cam = CAM(model, (32, 32))
    replaced = nn.Linear(8, 7, bias=name != "no bias")
    if isinstance(model.fc, nn.Linear):
        model.fc = replaced
    else:
        model.fc[-1] = replaced
    complete(cam, model)
    assert cam.head.num_classes == 7
    model.fc = nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 5))
    with pytest.raises(CamkitError, match="make a new"):
        cam(images())


def test_a_layer_that_is_put_behind_the_head_is_noticed():
    torch.manual_seed(0)
    model = perturb(Plain())
    cam = CAM(model, (32, 32))
    model.fc.register_forward_hook(lambda _m, _a, out: out.tanh())
    with pytest.raises(CamkitError, match="miss the logits"):
        cam(images())


def test_a_module_that_is_gone():
    torch.manual_seed(0)
    model = perturb(Plain())
    cam = CAM(model, (32, 32))
    model.body = model.features
    del model.features
    model.forward = lambda x: model.fc(model.pool(model.body(x)).flatten(1))
    with pytest.raises(CamkitError, match="no module features any more"):
        cam(images())
    model.features = nn.Identity()
    with pytest.raises(CamkitError, match="does not come by features"):
        cam(images())


def test_training_mode_is_refused_at_the_pass(made):
    _, model, cam = made
    model.train()
    for call in (cam, cam.features, cam.pooled):
        with pytest.raises(CamkitError, match=r"training mode.*call \.eval"):
            call(images())
    model.eval()
    cam(images())


def test_one_norm_in_training_mode_is_refused_at_the_pass():
    torch.manual_seed(0)
    model = perturb(Plain())
    cam = CAM(model, (32, 32))
    model.features[1].train()
    with pytest.raises(CamkitError, match="training mode"):
        cam(images())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_another_precision(made, dtype):
    name, model, cam = made
    model.to(dtype)
    refused = refusal(lambda: cam(images().to(dtype), "all"))
    if refused is not None:
        assert name not in READ_ANEW
        assert "make a new" in refused
        assert "\n" not in refused
        return
    out = cam(images().to(dtype), "all", "signed")
    with torch.no_grad():
        logits = model(images().to(dtype)).float()
    assert (out.maps.mean((-2, -1)) + out.offset - logits).abs().max() < 0.05 * logits.abs().max()


def test_images_of_another_precision_than_the_model():
    model = perturb(Plain())
    cam = CAM(model, (32, 32))
    with pytest.raises(CamkitError, match="fails on float64 images"):
        cam(images().double())


def test_a_pooling_of_our_own_is_held_against_the_logits_too():
    torch.manual_seed(0)
    model = perturb(Plain())
    model.pool = ThresholdedAvgPool2d(0.1)
    cam = CAM(model, (32, 32))
    trained(model)
    out = cam(images(), "all", "signed")
    weights = cam.features(images())
    torch.testing.assert_close(weights.pooled @ model.fc.weight.T + model.fc.bias, out.logits)
    model.pool.theta = 0.9
    cam(images())  # the extractor pools by the model's own layer, as it is now


def test_nan_weights_give_nan_maps_and_no_false_reason():
    model = perturb(Plain())
    cam = CAM(model, (32, 32))
    with torch.no_grad():
        model.fc.weight.fill_(float("nan"))
    assert cam(images(), "all").maps.isnan().all()
    model = perturb(head(nn.LayerNorm(8)))
    cam = CAM(model, (32, 32))
    with torch.no_grad():
        last(model).weight.fill_(float("nan"))
    assert cam(images(), "all").maps.isnan().all()


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_cancelling_terms_are_no_change(scale):
    """Logits near zero that are the difference of large sums, in every batch size down to none."""
    torch.manual_seed(0)
    model = perturb(Plain(num_classes=1))
    with torch.no_grad():
        model.fc.weight.mul_(1e4 * scale)
    cam = CAM(model, (32, 32))
    for seed in range(20):
        x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
        found = cam.features(x)
        with torch.no_grad():
            model.fc.bias.sub_(model(x)[0])
        cam(x, "all")
        assert found.logits.shape == (1, 1)
    empty = torch.zeros(0, 8)
    refuse_stale(cam.head, empty, torch.zeros(0, 1), 1e-7)


class Raises(Plain):
    error: BaseException | None = None

    def forward(self, x):
        if self.error is not None:
            raise self.error
        return super().forward(x)


@pytest.mark.parametrize(
    "error", [KeyError("x"), AssertionError(), SystemExit(3), ValueError("a\nb"), RecursionError()]
)
def test_whatever_a_model_raises_is_one_line_that_says_whose_error_it_is(error):
    model = perturb(Raises())
    cam = CAM(model, (32, 32))
    model.error = error
    with pytest.raises(CamkitError, match="model's own forward fails") as caught:
        cam(images())
    assert "\n" not in str(caught.value)
    assert type(error).__name__ in str(caught.value)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), torch.OutOfMemoryError("CUDA out of memory")])
def test_what_is_no_error_of_the_model_passes_through(error):
    model = perturb(Raises())
    cam = CAM(model, (32, 32))
    model.error = error
    with pytest.raises(type(error)):
        cam(images())
    model.error = None
    assert sum(len(m._forward_hooks) for m in model.modules()) == 0
    complete(cam, model)


def test_nan_in_one_image_is_that_images_own():
    """The weights are held against the first image with numbers; a head that changed is refused all the same."""
    model = perturb(Plain())
    cam = CAM(model, (32, 32))
    images = torch.rand(3, 3, 32, 32)
    whole = cam(images[1:]).maps
    images[0] = float("nan")
    maps = cam(images).maps
    assert maps[0].isnan().any()
    torch.testing.assert_close(maps[1:], whole)
    assert cam(images[:1]).maps.isnan().any()


def test_the_maps_of_every_image_that_are_handed_out_are_held_against_their_logits():
    """Here a class's logit changes for the second image alone: its map is refused, those of other classes are not."""
    torch.manual_seed(0)
    model = perturb(Plain(num_classes=50))
    cam = CAM(model, (32, 32))
    right = cam(images(), 3).maps

    def second(_module, _args, out):
        return out + 10 * torch.eye(3)[1][:, None] * torch.eye(50)[7]

    model.fc.register_forward_hook(second)
    with pytest.raises(CamkitError, match="miss the logits"):
        cam(images(), 7)
    with pytest.raises(CamkitError, match="miss the logits"):
        cam(images(), torch.tensor([3, 7, 3]))
    assert torch.equal(cam(images(), 3).maps, right)
    assert torch.equal(cam(images(), torch.tensor([7, 3, 7])).maps[1], right[1])
