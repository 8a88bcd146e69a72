"""Class maps against the bare forward pass, and against the peers' extractors where they are installed."""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import torch
from alternate import Settings, Work
from networks import NETWORKS, network

from camkit import CAM

GROUP = "Class maps"
GRADIENT = 1.3  # times as fast as any gradient method


def work(settings: Settings) -> Iterator[Work]:
    for name in filter(settings.networks.search, NETWORKS):
        model = network(name)
        cam = CAM(model)
        batches = (1, 16, 64) if settings.full else (1, 16) if name in ("MobileNetV2", "ResNet50") else (1,)
        for batch in batches:
            images = torch.randn(batch, 3, 224, 224)
            yield maps(name, model, cam, images)
            if batch == 16:
                yield in_bfloat16(name, model, cam, images)
                yield several(name, cam, images, 5, "5 classes, batch {}")
                if settings.full:
                    yield several(name, cam, images, model(images[:1]).shape[1], "all classes, batch {}")


def maps(name: str, model: torch.nn.Module, cam: CAM, images: torch.Tensor) -> Work:
    def bare() -> torch.Tensor:
        with torch.no_grad():
            return model(images)

    least = 0.97 if len(images) == 1 else 0.99
    sides: dict[str, Callable[[], object]] = {"camkit": lambda: cam(images), "floor: bare forward pass": bare}
    peers = _peers(name, model, images) if len(images) <= 16 and NETWORKS[name].features else {}
    targets = {"floor: bare forward pass": least, **{one: 1.0 if one == "torch-cam CAM" else GRADIENT for one in peers}}
    return Work(GROUP, f"{name}, 1 class, batch {len(images)}", sides | peers, len(images), targets)


def in_bfloat16(name: str, model: torch.nn.Module, cam: CAM, images: torch.Tensor) -> Work:
    def bare() -> torch.Tensor:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            return model(images)

    def found() -> object:
        with torch.autocast("cpu", torch.bfloat16):
            return cam(images)

    floor = "floor: bare forward pass"
    return Work(GROUP, f"{name} in bf16, 1 class, batch {len(images)}", {"camkit": found, floor: bare}, len(images),
                {floor: 0.99})  # fmt: skip


def several(name: str, cam: CAM, images: torch.Tensor, classes: int, what: str) -> Work:
    def found() -> object:
        passed = cam.features(images)
        return passed.class_maps(passed.top(classes))

    sides = {"camkit": found, "floor: 1 class": lambda: cam(images)}
    return Work(GROUP, f"{name}, {what.format(len(images))}", sides, len(images), {"floor: 1 class": 0.99})


def _peers(name: str, model: torch.nn.Module, images: torch.Tensor) -> dict[str, Callable[[], object]]:
    """As their documentation shows them, of the predicted class of each image."""
    where, sides = NETWORKS[name], {}
    layer = model.get_submodule(where.features)
    if find_spec("torchcam"):
        from torchcam.methods import CAM as TorchCAM  # noqa: PLC0415, N811
        from torchcam.methods import GradCAM  # noqa: PLC0415

        sides["torch-cam CAM"] = _torchcam(model, images, lambda: TorchCAM(model, where.features, where.classifier),
                                            gradients=False)  # fmt: skip
        sides["torch-cam GradCAM"] = _torchcam(model, images, lambda: GradCAM(model, where.features), gradients=True)
    if find_spec("pytorch_grad_cam"):
        from pytorch_grad_cam import GradCAM as Jacobs  # noqa: PLC0415

        def jacobs() -> object:
            with Jacobs(model=model, target_layers=[layer]) as extractor:
                return extractor(input_tensor=images, targets=None)

        sides["grad-cam GradCAM"] = jacobs
    if find_spec("captum"):
        from captum.attr import LayerGradCam  # noqa: PLC0415

        def captum() -> object:
            with torch.no_grad():
                classes = model(images).argmax(1)
            return LayerGradCam(model, layer).attribute(images, classes)

        sides["captum LayerGradCam"] = captum
    return sides


def _torchcam(
    model: torch.nn.Module, images: torch.Tensor, make: Callable[[], Any], *, gradients: bool
) -> Callable[[], object]:
    def run() -> object:
        with make() as extractor, torch.set_grad_enabled(gradients):
            scores = model(images)
            return extractor(scores.argmax(1).tolist(), scores)

    return run
