"""Networks whose weights are computed: LoRA, parametrizations, weight and spectral norm, quantised layers."""

import pytest
import torch
from small import Plain, perturb
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from camkit import CAM, CamkitError


def images():
    return torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def says(model):
    with torch.no_grad():
        return model(images())


def complete(cam, model):
    out = cam(images(), "all", "signed")
    torch.testing.assert_close(out.logits, says(model))
    torch.testing.assert_close(out.maps.mean((-2, -1)) + out.offset, out.logits, rtol=1e-4, atol=1e-4)


def right_or_refused(cam, model):
    """After a change: the maps are those of the network as it is now, or the extractor says that it is out of date."""
    try:
        complete(cam, model)
    except CamkitError as error:
        assert "CAM(model)" in str(error)  # noqa: PT017 - either is right
    complete(CAM(model, (32, 32)), model)


class LoRA(nn.Module):
    """A linear layer with adapters of low rank (Hu et al., ICLR 2022, Eq. 3), one of them on."""

    def __init__(self, base: nn.Linear, rank: int = 2) -> None:
        super().__init__()
        self.base, self.active = base, "first"
        self.down = nn.ModuleDict({n: nn.Linear(base.in_features, rank, bias=False) for n in ("first", "second")})
        self.up = nn.ModuleDict({n: nn.Linear(rank, base.out_features, bias=False) for n in ("first", "second")})
        for one in self.up.values():
            nn.init.zeros_(one.weight)  # as adapters start

    def forward(self, x):
        if not self.active:
            return self.base(x)
        return self.up[self.active](self.down[self.active](x)) + self.base(x)

    @torch.no_grad()
    def merge(self):
        self.base.weight += self.up[self.active].weight @ self.down[self.active].weight
        self.active = ""


@pytest.fixture
def model():
    torch.manual_seed(0)
    return perturb(Plain())


def test_lora_through_training_switching_and_merging(model):
    model.fc = lora = LoRA(model.fc)
    cam = CAM(model, (32, 32))
    complete(cam, model)
    for change in (
        lambda: [nn.init.normal_(one.weight) for one in lora.up.values()],
        lambda: setattr(lora, "active", "second"),
        lambda: setattr(lora, "active", ""),
        lambda: setattr(lora, "active", "first"),
        lora.merge,
    ):
        cam, before = CAM(model, (32, 32)), says(model)
        change()
        assert change == lora.merge or not torch.allclose(before, says(model))
        right_or_refused(cam, model)


class Doubled(nn.Module):
    def forward(self, weight):
        return 2 * weight


@pytest.mark.parametrize(
    ("wrap", "name"),
    [
        (parametrizations.weight_norm, "original0"),
        (parametrizations.spectral_norm, "original"),
        (lambda fc: parametrize.register_parametrization(fc, "weight", Doubled()), "original"),
    ],
    ids=["weight norm", "spectral norm", "a function"],
)
def test_parametrized_class_weights(model, wrap, name):
    wrap(model.fc)
    model.eval()
    cam = CAM(model, (32, 32))
    complete(cam, model)
    with torch.no_grad():
        model.fc.parametrizations.weight.get_parameter(name).mul_(torch.linspace(1, 3, 5)[:, None])
    right_or_refused(cam, model)
    cam = CAM(model, (32, 32))
    parametrize.remove_parametrizations(model.fc, "weight")
    right_or_refused(cam, model)


def test_a_parametrized_backbone(model):
    parametrizations.weight_norm(model.features[0])
    complete(CAM(model.eval(), (32, 32)), model)


@pytest.mark.filterwarnings("ignore")
def test_a_dynamically_quantised_layer_is_right_or_refused(model):
    quantize = getattr(torch.ao.quantization, "quantize_dynamic", None)
    engines = [one for one in torch.backends.quantized.supported_engines if one != "none"]
    if quantize is None or not engines:
        pytest.skip("this build of PyTorch quantises no layers")
    torch.backends.quantized.engine = engines[0]
    quantised = quantize(model, {nn.Linear}, dtype=torch.qint8)
    try:
        cam = CAM(quantised, (32, 32))
    except CamkitError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either is right
        return
    complete(cam, quantised)


def test_peft(model):
    peft = pytest.importorskip("peft", reason="needs peft: pip install peft")
    wrapped = peft.get_peft_model(model, peft.LoraConfig(target_modules=["fc"], r=2, init_lora_weights=False)).eval()
    cam = CAM(wrapped, (32, 32))
    complete(cam, wrapped)
    wrapped.add_adapter("other", peft.LoraConfig(target_modules=["fc"], r=2, init_lora_weights=False))
    wrapped.set_adapter("other")
    wrapped.eval()
    right_or_refused(cam, wrapped)
    with wrapped.disable_adapter():
        right_or_refused(cam, wrapped)
    cam = CAM(wrapped, (32, 32))
    wrapped.merge_adapter()
    right_or_refused(cam, wrapped)
    complete(CAM(wrapped.merge_and_unload(), (32, 32)), wrapped)
