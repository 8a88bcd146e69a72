"""Features that a frozen backbone gives: computed when an image is first seen, and kept.

A feature map takes ``C * h * w`` float32 numbers: 250 kB an image for MobileNetV2's 1280 x 7 x 7, 6.3 GB for 25,000
images; with output stride 8 sixteen times that. What is past the bound goes to a file that takes up disk only as it is
filled. Pooled features are not kept: pooling a kept map again costs nothing beside a forward pass.
"""

import shutil
import tempfile

import numpy as np
import torch

from camkit.cam import CAM
from camkit.errors import CamkitError
from camkit.training.minmax.stages import PlainFeatures

GIB = 2**30


class KeptFeatures:
    """Feature maps of a data set's images.

    Parameters
    ----------
    cam : CAM
        Its backbone must not change.
    images : int
        In the data set.
    memory : float
        GiB up to which they stay in memory. Past it they go to a temporary file (the variable TMPDIR says where),
        which is gone when this object or its process is, however that ends.
    processes : int
        That keep as much on this machine, within the same bound.

    Attributes
    ----------
    where : str
        In words.

    Raises
    ------
    CamkitError
        The disk is too small for them.
    """

    def __init__(self, cam: CAM, images: int, memory: float, processes: int = 1) -> None:
        self.cam = cam
        self.held = np.zeros(images, bool)
        shape = (images, cam.head.channels, *cam.head.map_size)
        gib = 4 * np.prod(shape, dtype=float) / GIB
        if gib * processes <= memory:
            self.maps, self.where = np.empty(shape, np.float32), f"{gib:.2g} GiB in memory"
            return
        folder = tempfile.gettempdir()
        free = shutil.disk_usage(folder).free / GIB
        if gib * processes > free:
            raise CamkitError(
                f"the feature maps of {images} images take {gib * processes:.3g} GiB and {folder} has {free:.3g} free: "
                "set TMPDIR to a larger disk, or train on fewer images"
            )
        with tempfile.TemporaryFile(prefix="camkit-features-") as file:  # without a name: gone with this process
            self.maps = np.memmap(file, np.float32, "w+", shape=shape)
        self.where = f"{gib:.3g} GiB on disk"

    def of(self, indices: list[int], images: torch.Tensor) -> PlainFeatures:
        """Features of images (B, 3, H, W) with these numbers; the network runs on those that are not kept yet."""
        missing = np.flatnonzero(~self.held[indices])
        if len(missing):
            rows = np.asarray(indices)[missing]
            self.maps[rows] = self.cam.features(images[missing]).features.cpu().numpy()
            self.held[rows] = True
        features = torch.from_numpy(self.maps[indices]).to(images.device)
        return PlainFeatures(features, self.cam.head.pooled(features))
