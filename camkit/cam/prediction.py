"""What a map source says of a batch of images: logits, and class maps of whatever classes are asked for."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch

from camkit.cam.class_maps import ClassMaps
from camkit.errors import CamkitError

Classes = torch.Tensor | Sequence[int] | int | str | None


class Prediction(ABC):
    """What one forward pass of a map source leaves.

    Attributes
    ----------
    logits : Tensor (N, all classes), float32
    """

    logits: torch.Tensor

    @abstractmethod
    def class_maps(self, classes: Classes = None, weighting: str = "signed") -> ClassMaps:
        """Class maps of the wanted classes.

        Parameters
        ----------
        classes : None, int, "all", sequence of int, Tensor (N,) or (N, K)
            None: the predicted class of each image. One int or several: these classes for every image. A tensor: each
            image its own; ``prediction.top(5)`` gives the five predicted ones.
        weighting : str
            A name in `camkit.cam.WEIGHTINGS`, such as "signed" (CAM) or "positive" (NWC), or one of your own. An image
            of which a weighting has no map (`camkit.cam.Domain`) gets NaN.

        Raises
        ------
        CamkitError
            The classes are none of the model's, or the source has no such weighting.
        """

    def probabilities(self) -> torch.Tensor:
        """Each class's probability (N, K): softmax, or sigmoid of a single logit."""
        return self.logits.softmax(1) if self.logits.shape[1] > 1 else self.logits.sigmoid()

    def top(self, k: int) -> torch.Tensor:
        """The k classes with the highest logits, best first, (N, k)."""
        return self.logits.topk(min(k, self.logits.shape[1]), dim=1).indices

    def choose(self, classes: Classes) -> torch.Tensor:
        """Class indices (N, K) in any of the forms that `class_maps` takes."""
        n, total = self.logits.shape
        device = self.logits.device
        if classes is None:
            return self.top(1)
        if isinstance(classes, str):
            if classes != "all":
                raise CamkitError(f"classes={classes!r}: give indices, None for the predicted class, or 'all'")
            return torch.arange(total, device=device).expand(n, -1)
        if isinstance(classes, torch.Tensor):
            index = classes.to(device)
            index = index[:, None] if index.ndim == 1 else index
        else:
            index = torch.as_tensor([classes] if isinstance(classes, int) else list(classes), device=device).expand(
                n, -1
            )
        if index.ndim != 2 or len(index) != n or index.is_floating_point():
            raise CamkitError(
                f"classes has shape {tuple(index.shape)} for {n} images: (N,) or (N, K) integers are wanted"
            )
        if index.numel() and (int(index.min()) < 0 or int(index.max()) >= total):
            raise CamkitError(
                f"class {int(index.min() if index.min() < 0 else index.max())} of a model with {total} classes"
            )
        return index.long()
