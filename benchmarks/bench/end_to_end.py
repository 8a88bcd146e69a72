"""From JPEGs to boxes, with and without pictures of them: camkit, a loop with torch-cam and OpenCV, and the floor."""

from collections.abc import Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import torch
from alternate import Settings, Work
from boxes import THRESHOLDS, component_tree, opencv_box
from networks import CONVOLUTIONAL, NETWORKS, network, photographs
from PIL import Image
from torchvision.transforms import functional as F

from camkit import Localizer
from camkit.boxes.tree import level_boxes
from camkit.cli.allocator import keep_freed_memory
from camkit.data import find_images
from camkit.metrics.wsol import levels_of, protocol_map, quantise
from camkit.output.pictures import OverlayOptions, drawn_ahead

GROUP = "JPEGs to boxes"
BATCH = 16
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PLAIN = {"MobileNetV2": 1.1, "ResNet50": 1.1, "EfficientNet-Lite0": 1.1}
FASTER = {"MobileNetV2": 1.8, "ResNet50": 1.2, "EfficientNet-Lite0": 1.3}
AGAINST_BARE = {"MobileNetV2": 1.4, "ResNet50": 1.1, "EfficientNet-Lite0": 1.15}
WITH_PICTURES = 1.5
WITH_LOOP = "PIL + torch-cam + OpenCV, threshold by threshold"
PEER, BARE = "PIL + torch-cam + OpenCV", "floor: bare forward pass"


def work(settings: Settings, folder: Path) -> Iterator[Work]:
    keep_freed_memory()  # on both sides
    paths = photographs(folder, 96 if settings.full else 32)
    for name in filter(settings.networks.search, CONVOLUTIONAL if settings.full else CONVOLUTIONAL[:1]):
        model = network(name)
        files = list(find_images([str(folder)]))
        plain, faster = (Localizer(model, device="cpu", fit="stretch", batch_size=BATCH, optimize=asked)
                         for asked in (False, True))  # fmt: skip
        images = torch.randn(BATCH, 3, 224, 224)

        def bare(model: torch.nn.Module = model, images: torch.Tensor = images) -> None:
            with torch.no_grad():
                for _ in range(len(paths) // BATCH):
                    model(images)

        peer = find_spec("torchcam") is not None
        others = {BARE: bare} | ({PEER: partial(loop, name, model, paths)} if peer else {})
        pictured = {PEER: partial(loop, name, model, paths, pictures=True)} if peer else {}
        for what, localizer, targets in (
            ("as it is", plain, {PEER: PLAIN[name]}),
            ("optimized", faster, {PEER: FASTER[name], BARE: AGAINST_BARE[name]}),
        ):
            sides = {"camkit": partial(boxes_of, localizer, files), **others}
            yield Work(GROUP, f"{name} {what}", sides, len(paths), {k: v for k, v in targets.items() if k in sides})
        if peer:
            sides = {"camkit": partial(at_all_thresholds, faster, files),
                     WITH_LOOP: partial(loop, name, model, paths, every=True)}  # fmt: skip
            yield Work(GROUP, f"{name} optimized, {len(THRESHOLDS)} thresholds", sides, len(paths), {WITH_LOOP: 4.0})
        if settings.full:
            compiled = Localizer(model, device="cpu", fit="stretch", batch_size=BATCH, optimize=True, compile=True)
            sides = {"camkit": partial(boxes_of, compiled, files), **others}
            yield Work(GROUP, f"{name} optimized and compiled", sides, len(paths))
        for format_ in ("png", "jpeg"):
            sides = {
                "camkit": partial(draw, faster, files, OverlayOptions(format_)),
                "floor: without pictures": partial(boxes_of, faster, files),
                **pictured,
            }
            targets = {"floor: without pictures": 0.8} | ({PEER: WITH_PICTURES} if pictured else {})
            yield Work(GROUP, f"{name} optimized, with pictures ({format_})", sides, len(paths), targets)


def boxes_of(localizer: Localizer, files: Sequence) -> list:
    return list(localizer.stream(files))


def at_all_thresholds(localizer: Localizer, files: Sequence) -> list[np.ndarray]:
    """The box at each of the thresholds, on the 224x224 pixels that evaluators look at."""
    levels = levels_of(THRESHOLDS)
    found = (one for result in localizer.stream(files) for one in result)
    return [level_boxes(quantise(protocol_map(one.class_map)), "border")[levels] for one in found]


def draw(localizer: Localizer, files: Sequence, options: OverlayOptions) -> None:
    """Localize and encode pictures, as `camkit localize` does before it writes them."""
    results = ((file, found) for file, found in zip(files, localizer.stream(files, keep_image=True), strict=True))
    for *_, encoded in drawn_ahead(results, options, lambda _: True):
        for one in encoded:
            one.result()


def loop(
    name: str, model: torch.nn.Module, paths: Sequence[Path], pictures: bool = False, every: bool = False
) -> list[tuple[int, ...]]:
    """As one writes it by hand: PIL, torch-cam's CAM, OpenCV.

    The picture is torch-cam's overlay, saved as PNG; `every` threshold is the evaluators' loop.
    """
    from torchcam.methods import CAM  # noqa: PLC0415
    from torchcam.utils import overlay_mask  # noqa: PLC0415

    boxes = []
    with CAM(model, NETWORKS[name].features, NETWORKS[name].classifier) as extractor:
        for start in range(0, len(paths), BATCH):
            images = [Image.open(path).convert("RGB") for path in paths[start : start + BATCH]]
            pixels = [F.resize(F.pil_to_tensor(image), [224, 224], antialias=True) for image in images]
            batch = torch.stack([F.normalize(one / 255, MEAN, STD) for one in pixels])
            with torch.no_grad():
                scores = model(batch)
                maps = extractor(scores.argmax(1).tolist(), scores)[0]
            for image, found in zip(images, maps, strict=True):
                box = opencv_box(found.numpy(), image.size[::-1])
                boxes.append(box)
                if every:
                    component_tree.one_opencv(cv2.resize(found.double().numpy(), (224, 224)), THRESHOLDS)
                if pictures:
                    picture = np.array(overlay_mask(image, F.to_pil_image(found, mode="F"), alpha=0.5))
                    cv2.rectangle(picture, box[:2], box[2:], (255, 214, 10), 2)
                    Image.fromarray(picture).save(BytesIO(), "PNG")
    return boxes
