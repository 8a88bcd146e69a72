"""`--maps-by LIBRARY:METHOD[@LAYER]`: an extractor of another library by name."""

from dataclasses import dataclass

from torch import nn

from camkit.adapters.captum import Captum
from camkit.adapters.grad_cam import GradCam
from camkit.adapters.library import Library, Method
from camkit.adapters.peer_maps import PeerMaps
from camkit.adapters.torchcam import Torchcam
from camkit.cam import FunctionMaps
from camkit.cam.extractor import example_images, refuse_training, unwrap
from camkit.errors import user_errors

LIBRARIES: dict[str, Library] = {library.name: library for library in (Torchcam(), GradCam(), Captum())}


@dataclass(frozen=True)
class Peer:
    """An extractor of another library: a `camkit.cam.MapsBy`.

    Attributes
    ----------
    name : str
        ``LIBRARY:METHOD`` or ``LIBRARY:METHOD@LAYER``, with commas between several layers.
    library : Library
    method : type
    layers : tuple of str
        Names of modules; none where camkit chooses.
    """

    name: str
    library: Library
    method: Method
    layers: tuple[str, ...] = ()

    def source(self, network: nn.Module, input_size: tuple[int, int]) -> FunctionMaps:
        """Its maps of a network; see `PeerMaps`.

        Raises
        ------
        CamkitError
            The network is in training mode, or the method fails on an image of noise.
        """
        network = unwrap(network)
        refuse_training(network)
        images = example_images(network, input_size)
        with user_errors(self.name, "give maps"):
            maps = PeerMaps(self.library, self.method, network, images, self.layers)
        return FunctionMaps(network, lambda _network: maps, self.name, input_size, map_size=maps.map_size,
                            facts=maps.facts(), notes=(maps.told(),))  # fmt: skip


def peer_named(spec: str) -> Peer | None:
    """The extractor of that name; None where the name is of no such library.

    Raises
    ------
    CamkitError
        The library is not installed, or has no such extractor: the message lists what it has.
    """
    name, colon, rest = spec.partition(":")
    if not colon or name not in LIBRARIES:
        return None
    method, _, layers = rest.partition("@")
    library = LIBRARIES[name]
    return Peer(spec, library, library.method(method), tuple(filter(None, layers.split(","))))
