"""What pages take for granted, in small: photographs, a network, data sets in their official layouts, weights to load.

Nothing here is measured: networks have random weights and images are drawn. The commands and the files are real.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

NET = """
import torch
from torch import nn

SIZE = 64


def build():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
"""
PREAMBLES = {
    "README.md": """
import torch
from my_net import build

model, images, labels = build().eval(), torch.rand(2, 3, 64, 64), torch.tensor([0, 1])
score_maps = torch.rand(2, 48, 64)
"""
}
"""Names that a page's Python uses and does not make."""


def photos(folder: Path) -> None:
    from PIL import Image
    from skimage import data

    (folder / "photos").mkdir()
    for name in ("chelsea", "coffee", "rocket"):
        Image.fromarray(getattr(data, name)()).save(folder / f"photos/{name}.png")
    (folder / "list.txt").write_text("photos/chelsea.png\nphotos/coffee.png\n")


def found(folder: Path) -> None:
    """A run of localize."""
    import subprocess

    command = ["-m", "camkit", "localize", "--model", "tiny", "--images", "photos/", "--out", "found"]
    subprocess.run([sys.executable, *command], cwd=folder, check=True, capture_output=True)


def my_net(folder: Path) -> None:
    from safetensors.torch import save_file

    (folder / "my_net.py").write_text(NET)
    names: dict = {}
    exec(NET, names)
    save_file(names["build"]().state_dict(), folder / "my.safetensors")


def table(folder: Path) -> None:
    """data/: a CSV for each split."""
    from miniatures import drawings, save

    for split, seed in (("train", 0), ("val", 1), ("test", 2)):
        rows = ["image,label,x0,y0,x1,y1"]
        for number, drawing in enumerate(drawings(12, 2, 64, seed)):
            save(folder / f"data/images/{split}-{number}.png", drawing.image)
            rows.append(f"{split}-{number}.png,{drawing.label}," + ",".join(map(str, drawing.box.tolist())))
        (folder / f"data/{split}.csv").write_text("\n".join(rows) + "\n")


def imagenet(folder: Path) -> None:
    from miniatures import ilsvrc

    ilsvrc(folder / "imagenet", wnids=("n02123045", "n07920052"))


def cub(folder: Path) -> None:
    import miniatures

    miniatures.cub(folder / "CUB_200_2011")


def wsol(folder: Path) -> None:
    """metadata/ in the public layout, and their_maps/ of its test images."""
    import numpy as np
    from miniatures import openimages

    openimages(folder / "metadata")
    rng = np.random.default_rng(0)
    for image in (folder / "metadata/test/image_ids.txt").read_text().split():
        place = folder / f"their_maps/{image}.npy"
        place.parent.mkdir(parents=True, exist_ok=True)
        np.save(place, rng.random((14, 14), np.float32))


def pretrained(folder: Path) -> None:
    """Random weights where torchvision keeps ResNet50's published ones."""
    import torch
    from torchvision.models import ResNet50_Weights, resnet50

    place = folder.parent / "torch/hub/checkpoints" / os.path.basename(ResNet50_Weights.DEFAULT.url)
    place.parent.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    torch.save(resnet50(weights=None).state_dict(), place)


STAND_INS: dict[str, tuple[Callable[[Path], None], ...]] = {
    "README.md": (photos, my_net, table, imagenet, cub, wsol, pretrained),
    "docs/how-to/boxes.md": (photos,),
    "docs/how-to/notebook.md": (photos, found),
    "docs/how-to/other-tools.md": (photos,),
}
"""By page; a page that is not named brings everything itself."""
