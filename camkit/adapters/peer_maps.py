"""The maps of one method of a library for one network, image by image and class by class."""

from typing import Any

import torch
from torch import nn

from camkit.adapters.layers import Layers, choose_layers
from camkit.adapters.library import Ask, Library, Method
from camkit.adapters.own_copy import OwnCopy, undisturbed
from camkit.cam.logits import record
from camkit.errors import CamkitError

FEW = 8  # images through the network for one map: what shows it more, as Score-CAM does, makes batches of its own
SAME = 1e-3  # of a map's largest value: what an image may differ by in company and be its own still


class PeerMaps:
    """As of `camkit.cam.MapFunction`: class maps (N, K, h, w) of images and classes.

    The library works on a copy of the network (`OwnCopy`), so that whatever it hooks, replaces or leaves behind is none
    of the network's. A map is of one image and one class: where the first images in company are not what they are alone
    (a method that draws random numbers, say), and where a method makes many images of one, it is called for one image
    at a time. Random numbers are the same at each call. Several threads may ask; one is answered at a time.

    Parameters
    ----------
    library, method
    network : nn.Module
        In eval mode.
    images : Tensor (2, channels, H, W)
        To find out with.
    layers : tuple of str
        By name; camkit chooses where there are none.

    Raises
    ------
    CamkitError
        The layer is none, the network cannot be copied, or the method fails or gives no map.
    """

    def __init__(
        self, library: Library, method: Method, network: nn.Module, images: torch.Tensor, layers: tuple[str, ...] = ()
    ) -> None:
        self.library, self.method, self.network = library, method, network
        most = library.most_layers(method)
        if len(layers) > most:
            takes = "one layer" if most else f"no layer, its maps are {library.without_layer}"
            raise CamkitError(f"{library.name}:{method.__name__} takes {takes}: leave out @{','.join(layers)}")
        self.chosen = choose_layers(network, images, layers) if most else Layers((), "")
        self.own: OwnCopy | None = None
        recorded = record(network, images)
        self.output = recorded.output
        predicted = recorded.returned.argmax(1).tolist()
        alone = self._ask(images[:1], predicted[:1])
        self.map_size = (alone.shape[1], alone.shape[2])
        self.shown_alone = self.shown
        self.one_by_one = self.shown > FEW or not self._same_in_company(images, predicted, alone)

    def __call__(self, images: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        """Class maps (N, K, h, w)."""
        if not classes.numel():
            return images.new_zeros(*classes.shape, *self.map_size)
        size = 1 if self.one_by_one else max(1, len(images))
        maps = [
            torch.cat([self._ask(some, wanted) for some, wanted in
                       zip(images.split(size), batches(column.tolist(), size), strict=True)])
            for column in classes.T
        ]  # fmt: skip
        return torch.stack(maps, 1)

    def _same_in_company(self, images: torch.Tensor, classes: list[int], alone: torch.Tensor) -> bool:
        """Whether two images together have the maps that each has by itself."""
        try:
            together = self._ask(images, classes)
        except Exception:  # it takes one image at a time, or has no room for more
            return False
        apart = torch.cat([alone, self._ask(images[1:], classes[1:])])
        largest = float(apart.nan_to_num().abs().max())
        return torch.allclose(together, apart, rtol=0, atol=SAME * largest, equal_nan=True)

    def _ask(self, images: torch.Tensor, classes: list[int]) -> torch.Tensor:
        """Maps (n, h, w) of one class for each image."""
        with undisturbed(images.device):
            own = self._fresh()
            own.shown = 0
            whole = self.library.wants_tokens(self.method)
            layers = [own.inside.get_submodule(layer.name) for layer in self.chosen.layers] if whole else own.maps
            tokens = [(layer.prefix, layer.size) for layer in self.chosen.layers if layer.order == "tokens"]
            classifier = own.inside.get_submodule(self.chosen.classifier) if self._has_classifier(own) else None
            ask = Ask(own, images.detach().clone().requires_grad_(), classes, layers, classifier,
                      tokens[0] if tokens else None)  # fmt: skip
            try:
                maps = self.library.maps(self.method, ask).detach().to(images.device)
            except BaseException:
                self.own = None  # what it left behind is not known
                raise
        self.shown = own.shown
        if maps.ndim != 3 or len(maps) != len(images):
            raise CamkitError(
                f"{self.library.name}:{self.method.__name__} gives a tensor {tuple(maps.shape)} for {len(images)} "
                "images: no class map (h, w) for each"
            )
        return maps

    def _has_classifier(self, own: OwnCopy) -> bool:
        """Whether the head's class weights are those of a module."""
        name = self.chosen.classifier
        return bool(name) and name in dict(own.inside.named_modules())

    def _fresh(self) -> OwnCopy:
        """The copy; another one where the network's weights were moved, or something was left behind in it."""
        if self.own is None or not self.own.is_fresh(self.network):
            self.own = OwnCopy(self.network, self.output, self.chosen.layers)
        return self.own

    def facts(self) -> dict[str, Any]:
        """What a run records: a map depends on it."""
        return {
            "library": f"{self.library.name} {self.library.version}",
            "layer": str(self.chosen) or None,
            "layer_by": self.chosen.by or None,
        }

    def told(self) -> str:
        """A line for a run's end."""
        place = f"at {self.chosen}, {self.chosen.by}" if self.chosen.layers else self.library.without_layer
        stretched = self.library.stretches(len(self.chosen.layers))
        told = f"each stretched to [0, 1] by {self.library.name}; " if stretched else ""
        passes = f"{self.shown_alone} image{'s' * (self.shown_alone != 1)} through the network for a map"
        how = ", one image at a time" if self.one_by_one else ""
        return (
            f"maps by {self.library.name} {self.library.version}, {self.method.__name__}, {place}; {told}{passes}{how}"
        )


def batches(items: list[int], size: int) -> list[list[int]]:
    return [items[i : i + size] for i in range(0, len(items), size)]
