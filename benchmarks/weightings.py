"""What the maps of all weightings cost, as a share of one forward pass.

    python benchmarks/weightings.py --model resnet50 --weights none --batch 16 --rounds 15

One process, alternating: a forward pass with CAM's map of each image's class; the same with the maps of every one of
camkit's weightings. Medians, and the ratio of each round's pair.
"""

import argparse
import statistics
import time

import torch

from camkit.cam import CAM, built_in_weightings, why_not
from camkit.models import load_classifier


def seconds(cam: CAM, images: torch.Tensor, weightings: list[str]) -> float:
    begun = time.perf_counter()
    features = cam.features(images)
    classes = features.top(1)
    for weighting in weightings:
        features.class_maps(classes, weighting)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="resnet50")
    parser.add_argument("--weights", default="none")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=15)
    settings = parser.parse_args()
    classifier = load_classifier(settings.model, settings.weights)
    cam = CAM(classifier.model, classifier.input.size)
    images = torch.randn(settings.batch, 3, *classifier.input.size)
    every = [name for name in built_in_weightings() if not why_not(name, cam.head)]
    for weightings in (["signed"], every):
        seconds(cam, images, weightings)
    pairs = [(seconds(cam, images, ["signed"]), seconds(cam, images, every)) for _ in range(settings.rounds)]
    alone, together = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(second / first for first, second in pairs)
    print(f"{settings.model}, {cam.kind} head, {cam.num_classes} classes, batch {settings.batch}: "
        f"CAM {1e3 * alone:.1f} ms, "
          f"all {len(every)} weightings {1e3 * together:.1f} ms, ratio {ratio:.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
