"""On a GPU, where there is one: maps, thresholds and boxes beside a large batch in bfloat16."""

from collections.abc import Iterator

import torch
from alternate import Settings, Work
from networks import network

from camkit import CAM, Recipe

GROUP = "On the GPU"


def work(settings: Settings) -> Iterator[Work]:
    if not torch.cuda.is_available():
        return
    model, batch = network("ResNet50").cuda(), 256 if settings.full else 64
    cam, recipe = CAM(model), Recipe.named("nwc+pas")
    images = torch.randn(batch, 3, 224, 224, device="cuda")

    def bare() -> None:
        with torch.no_grad(), torch.autocast("cuda", torch.bfloat16):
            model(images)
        torch.cuda.synchronize()

    def boxes() -> None:
        with torch.autocast("cuda", torch.bfloat16):
            found = cam(images, weighting=recipe.weighting)
        found.boxes(recipe, (224, 224))

    sides = {"camkit": boxes, "floor: bare forward pass": bare}
    targets = {"floor: bare forward pass": 0.9}
    yield Work(GROUP, f"ResNet50 in bf16, batch {batch}, maps to boxes", sides, batch, targets)
