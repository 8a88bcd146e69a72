"""The library in a few lines: boxes from the embedded classifier, then the class maps themselves.

python examples/in_python.py
"""

import torch
from skimage.data import chelsea, coffee

import camkit

localizer = camkit.Localizer("tiny")
for found in localizer([chelsea(), coffee()]):
    print(f"{found.name}: x0, y0, x1, y1 = {found.box}, probability {found.score:.2f}")
    # In a notebook, `found` alone shows the picture; found.plot() draws it into a matplotlib Axes.

# The same by hand. One forward pass serves every class and weighting.
classifier = camkit.load_classifier("tiny")
image = torch.from_numpy(coffee()).permute(2, 0, 1)
prepared, view = localizer.preprocess(image)
with camkit.CAM(classifier.model, classifier.input.size) as cam:
    features = cam.features(prepared[None])
    signed = features.class_maps(weighting="signed")
    positive = features.class_maps(weighting="positive")
print(f"head: {cam.head.kind}, map {tuple(signed.maps.shape)}")
print(f"mean of the signed map + offset: {(signed.maps.mean((-2, -1)) + signed.offset).item():.4f}")
print(f"the logit:                       {signed.logits.max().item():.4f}")

for name in ("cam", "nwc", "pas", "nwc+pas"):
    recipe = camkit.Recipe.named(name)
    maps = positive.maps if recipe.weighting == "positive" else signed.maps
    boxes, tau = recipe.boxes(recipe.score_maps(maps[0], view.size))
    print(f"{name:8} box {boxes[0].tolist()}, map cut at {tau[0]:.3f}")
