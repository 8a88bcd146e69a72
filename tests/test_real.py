"""Real weights on real photographs, where CAMKIT_REAL names a folder with them."""

import torch
from skimage.data import camera, chelsea, coffee, rocket

from camkit import CAM, Localizer, load_classifier
from camkit.data.in_memory import as_pixels


def real_mobilenet(real):
    return load_classifier(f"{real}/mobilenet_v2/model.py:mobilenet_v2", f"{real}/mobilenet_v2/weights.safetensors")


def test_completeness_on_photographs(real):
    classifier = real_mobilenet(real)
    cam = CAM(classifier.model, classifier.input.size)
    assert cam.head.kind == "exact"
    found = Localizer(classifier)
    inputs = torch.stack([found.preprocess(as_pixels(image))[0] for image in (chelsea(), coffee())])
    out = cam(inputs, "all", "signed")
    spread = out.logits.amax() - out.logits.amin()
    assert (out.maps.mean((-2, -1)) + out.offset - out.logits).abs().max() < 1e-4 * spread


def test_what_it_calls_the_demonstration_photographs(real):
    names = (real / "mobilenet_v2" / "labels.txt").read_text().splitlines()
    found = Localizer(real_mobilenet(real), class_names=names, fit="stretch")([chelsea(), coffee(), rocket(), camera()])
    assert [f.name.split(",")[0] for f in found] == ["Egyptian cat", "espresso", "missile", "tripod"]
