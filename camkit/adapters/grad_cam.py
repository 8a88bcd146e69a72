"""grad-cam (pytorch_grad_cam): its extractors take images and targets, and give arrays at the size of the input."""

import inspect

import numpy as np
import torch

from camkit.adapters.library import Ask, Library, Method, parameters

EVERY_LAYER = "FullGrad"  # passes over the layers that it is given


class GradCam(Library):
    """Class maps as its extractors give them: without what is negative, resized to the input, stretched to [0, 1]."""

    name, module = "grad-cam", "pytorch_grad_cam"
    stretched_from = 0
    without_layer = "of every layer with a bias"

    def methods(self) -> dict[str, Method]:
        import pytorch_grad_cam

        return {name: one for name, one in sorted(vars(pytorch_grad_cam).items())
                if inspect.isclass(one) and "target_layers" in parameters(one)
                and "targets" in parameters(getattr(one, "forward", one))}  # fmt: skip

    def most_layers(self, method: Method) -> int:
        return 0 if method.__name__ == EVERY_LAYER else super().most_layers(method)

    def maps(self, method: Method, ask: Ask) -> torch.Tensor:
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        # not as a context manager, which swallows an IndexError
        extractor = method(ask.network, ask.layers)
        if "target_idx" in parameters(method.forward):  # given targets, it would leave out what it is named for
            each = [extractor(image[None], targets=None, target_idx=one)
                    for image, one in zip(ask.images, ask.classes, strict=True)]  # fmt: skip
            return torch.from_numpy(np.concatenate(each))
        return torch.from_numpy(extractor(ask.images, targets=[ClassifierOutputTarget(one) for one in ask.classes]))
