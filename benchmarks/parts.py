"""Where the time goes between a JPEG and its box, its picture and its class map: the parts, each alone.

    python benchmarks/parts.py --images photos/ --model efficientnet-lite0

Milliseconds an image of processor's time on one thread, in which each part is done to all images in turn, the median of
rounds. `class map beside the pass` is what a class map of one image costs more than the network's pass.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torchvision.transforms import functional as F

from camkit import CAM, Localizer
from camkit.cli.allocator import keep_freed_memory
from camkit.data import ImageDataset, Sample, collate, find_images, read_image
from camkit.localization import Localization, localizations
from camkit.output.pictures import OverlayOptions

BATCH = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", required=True)
    parser.add_argument("--model", default="efficientnet-lite0")
    parser.add_argument("--count", type=int, default=32, help="Photographs, the first that there are.")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    files = list(find_images(options.images))[: options.count]
    if not files:
        sys.exit(f"{options.images}: no photographs")
    parts = of(options.model, files)
    spent: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(1 + options.rounds):  # the first warms up
        for name, part in parts.items():
            begun = time.process_time()
            part()
            spent[name].append(1000 * (time.process_time() - begun) / len(files))
    ms = {name: statistics.median(its[1:]) for name, its in spent.items()}
    single = [whole - bare for whole, bare in zip(spent["a class map alone"], spent["a pass alone"], strict=True)]
    ms["class map beside the pass"] = statistics.median(single[1:])
    print(f"{options.model}, {len(files)} photographs, {options.rounds} rounds, torch {torch.__version__}")
    for name, its in ms.items():
        print(f"{name:28} {its:.2f}")


def of(model: str, files: list) -> dict[str, Callable[[], object]]:
    """The parts, each for all images."""
    plain, faster = (Localizer(model, device="cpu", fit="stretch", batch_size=BATCH, optimize=asked)
                     for asked in (False, True))  # fmt: skip
    network, cam = plain.inference.classifier.model, CAM(plain.inference.classifier.model)
    data = ImageDataset(files, plain.preprocess)
    batches = [batch for start in range(0, len(files), BATCH)
               for batch in collate([data[i] for i in range(start, min(start + BATCH, len(files)))])[0]]  # fmt: skip
    samples = [sample for batch in batches for sample in batch.samples]
    one = batches[0].input[:1]
    sources = [file.source() for file in files]
    decoded = [read_image(source) for source in sources]
    sized = [F.resize(image, plain.preprocess.spec.size, antialias=True) for image in decoded]
    found: list[Localization] = [one for result in plain.stream(files, keep_image=True) for one in result]

    @torch.no_grad()
    def passes(model: Callable[[torch.Tensor], object], shown: list[torch.Tensor]) -> None:
        for images in shown:
            model(images)

    inputs, alone = [batch.input for batch in batches], [one] * len(files)
    return {
        "decoding": lambda: [read_image(source) for source in sources],
        "resizing": lambda: [F.resize(image, plain.preprocess.spec.size, antialias=True) for image in decoded],
        "normalising": lambda: [F.normalize(image / 255, (0.5,) * 3, (0.2,) * 3) for image in sized],
        "the network": lambda: passes(network, inputs),
        "optimized": lambda: [faster.inference.forward(batch) for batch in batches],
        "map and box": lambda: [boxed(plain, sample, one) for sample, one in zip(samples, found, strict=True)],
        "picture, drawn": lambda: [one.overlay() for one in found],
        "picture, and encoded": lambda: [OverlayOptions("jpeg").encoded(one) for one in found],
        "a pass alone": lambda: passes(network, alone),
        "a class map alone": lambda: passes(cam, alone),
    }


def boxed(localizer: Localizer, sample: Sample, one: Localization) -> list[Localization]:
    """From the class map to the box, at the image's size."""
    return localizations(
        sample, one.class_map[None], [one.label], [one.score], localizer.recipe, localizer.regions, None
    )


if __name__ == "__main__":
    main()
