"""Preprocessing of other libraries as an `InputSpec`: exactly, or not at all."""

import numpy as np
import pytest
import torch
from PIL import Image
from small import Plain, perturb
from torch import nn
from torchvision import models, transforms
from torchvision.transforms import v2

from camkit import CamkitError, Localizer
from camkit.data import Preprocess
from camkit.input_spec import InputSpec
from camkit.models import input_spec_of
from camkit.models.preprocessing import own_input_spec

HALF = (0.5, 0.5, 0.5)


def refusal(call) -> str:
    with pytest.raises(CamkitError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def steps(*more, size=32, resize=40, version=transforms, interpolation=transforms.InterpolationMode.BILINEAR):
    return version.Compose([
        version.Resize(resize, interpolation=interpolation), version.CenterCrop(size), *more,
        transforms.ToTensor(), version.Normalize(HALF, HALF),
    ])  # fmt: skip


@pytest.mark.parametrize(
    "entry", [models.ResNet50_Weights.IMAGENET1K_V2, models.ViT_B_16_Weights.IMAGENET1K_SWAG_E2E_V1]
)
def test_published_weights_of_torchvision(entry):
    preset = entry.transforms()
    expected = InputSpec((preset.crop_size[0],) * 2, preset.resize_size[0], tuple(preset.mean), tuple(preset.std),
                         preset.interpolation.value)  # fmt: skip
    assert input_spec_of(entry) == input_spec_of(preset) == expected


@pytest.mark.parametrize("version", [transforms, v2])
def test_transforms_and_their_picture(version):
    made = steps(version=version)
    spec = input_spec_of(made)
    assert spec == InputSpec((32, 32), 40, HALF, HALF)
    photograph = torch.from_numpy(np.random.default_rng(0).integers(0, 255, (3, 90, 50), np.uint8))
    photograph = nn.functional.avg_pool2d(photograph.float(), 9, 1, 4).byte()
    shown, _ = Preprocess(spec, "crop")(photograph)
    theirs = made(Image.fromarray(photograph.movedim(0, -1).numpy()))
    assert (shown - theirs).abs().max() < 2.01 / 127.5  # two levels, by which Pillow's resizing differs


def test_a_squash_before_the_crop_is_kept():
    spec = input_spec_of(steps(resize=(40, 48), size=(32, 36)))
    assert (spec.size, spec.resize) == ((32, 36), (40, 48))
    shown, view = Preprocess(spec, "crop")(torch.zeros(3, 80, 240, dtype=torch.uint8))
    assert shown.shape == (3, 32, 36)
    assert view.window == (30.0, 8.0, 210.0, 72.0)  # 6 of 48 columns at 5 pixels each, 4 of 40 rows at 2


def test_the_size_changes_in_proportion():
    assert InputSpec().at((112, 168)) == InputSpec((112, 168), 128)
    assert InputSpec((32, 36), (40, 48)).at((64, 18)) == InputSpec((64, 18), (80, 24))


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (steps(transforms.Grayscale(3)), "does more than resize"),
        (steps(transforms.Pad(4)), "makes"),
        (steps(interpolation=transforms.InterpolationMode.NEAREST), "nearest"),
        (transforms.Compose([transforms.ToTensor(), transforms.Normalize(HALF, HALF)]), "no Resize"),
        (
            transforms.Compose([transforms.Resize(32), transforms.ToTensor(), transforms.Normalize(HALF, HALF)]),
            "aspect",
        ),
        ("imagenet", "a str is no preprocessing"),
        ({"mean": HALF}, "input_size"),
    ],
)
def test_what_cannot_be_said_is_refused(made, said):
    assert said in refusal(lambda: input_spec_of(made))


def test_configurations():
    timm = {"input_size": (3, 32, 40), "crop_pct": 0.8, "mean": HALF, "std": HALF, "interpolation": "bicubic"}
    assert input_spec_of(timm) == InputSpec((32, 40), 40, HALF, HALF, "bicubic")
    assert input_spec_of({**timm, "crop_mode": "squash"}).resize == (40, 50)
    assert "pads" in refusal(lambda: input_spec_of({**timm, "crop_mode": "border"}))
    clip = {"size": 32, "mean": HALF, "std": HALF, "interpolation": "bicubic", "resize_mode": "shortest"}
    assert input_spec_of(clip) == InputSpec((32, 32), 32, HALF, HALF, "bicubic")
    assert input_spec_of({**clip, "size": (32, 24), "resize_mode": "squash"}).resize == (32, 24)
    assert "pads" in refusal(lambda: input_spec_of({**clip, "resize_mode": "longest"}))


def test_a_localizer_takes_it():
    network = perturb(Plain())
    expected = InputSpec((32, 32), 40, HALF, HALF)
    assert Localizer(network, device="cpu", processor=steps()).preprocess.spec == expected
    assert "give one of them" in refusal(lambda: Localizer(network, processor=steps(), input_spec=expected))


def test_what_a_network_says_of_itself():
    network, expected = perturb(Plain()), InputSpec((32, 32), 40, HALF, HALF)
    assert own_input_spec(network) is None
    assert Localizer(network, device="cpu").preprocess.spec == InputSpec()
    network.transforms = steps()
    for wrapped in (network, nn.DataParallel(network).eval()):
        assert Localizer(wrapped, device="cpu").preprocess.spec == expected
    network.transforms = [nn.Linear(2, 2)]  # another thing of that name
    assert own_input_spec(network) is None
    network.pretrained_cfg = {"input_size": (3, 32, 32), "crop_pct": 0.8, "mean": HALF, "std": HALF,
                              "interpolation": "bilinear"}  # fmt: skip
    assert own_input_spec(network) == expected
    assert Localizer(network, input_spec=InputSpec(), device="cpu").preprocess.spec == InputSpec()


def test_image_processors():
    tf = pytest.importorskip("transformers", reason="needs transformers: pip install 'camkit[hf]'")
    square, crop = {"height": 36, "width": 36}, {"height": 32, "width": 32}
    for processor, expected in (
        (tf.ViTImageProcessor(size=crop), InputSpec((32, 32), (32, 32), HALF, HALF)),
        (tf.DeiTImageProcessor(size=square, crop_size=crop), InputSpec((32, 32), (36, 36), HALF, HALF, "bicubic")),
        (tf.ConvNextImageProcessor(size={"shortest_edge": 56}), InputSpec((56, 56), 64, HALF, HALF, "bicubic")),
        (tf.ViTImageProcessor(size=crop, do_normalize=False), InputSpec((32, 32), (32, 32), (0,) * 3, (1,) * 3)),
        (tf.ViTImageProcessor(size=crop, rescale_factor=1 / 127.5, image_mean=[1] * 3, image_std=[1] * 3),
         InputSpec((32, 32), (32, 32), HALF, HALF)),
    ):  # fmt: skip
        found = input_spec_of(processor)
        assert (found.size, found.resize, found.interpolation) == (
            expected.size,
            expected.resize,
            expected.interpolation,
        )
        torch.testing.assert_close((found.mean, found.std), (expected.mean, expected.std), rtol=1e-6, atol=0)
    for processor, said in (
        (tf.ViTImageProcessor(size=crop, resample=0), "nearest"),
        (tf.ViTImageProcessor(size=crop, do_resize=False), "do_resize"),
        (tf.CLIPImageProcessor(size={"shortest_edge": 32}, do_center_crop=False), "aspect"),
        (tf.MobileViTImageProcessor(), "do_flip_channel_order"),
        (tf.LevitImageProcessor(size={"shortest_edge": 32}, crop_size=crop), "InputSpec|does more|makes"),
    ):
        message = refusal(lambda processor=processor: input_spec_of(processor))
        assert any(one in message for one in said.split("|"))
