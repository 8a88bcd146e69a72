"""Small runs on drawn pictures with hostile names, and the page of them."""

import csv
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from report_runs import IMAGES, MODEL, NAMES, call, draw


@pytest.fixture(scope="session")
def place(tmp_path_factory) -> Path:
    """A model, pictures with a listing, and one file that is no picture."""
    root = tmp_path_factory.mktemp("report")
    (root / "net.py").write_text(MODEL)
    rng = np.random.default_rng(5)
    with (root / "val.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "label", "x0", "y0", "x1", "y1"])
        for i in range(IMAGES):
            name = NAMES[i] if i < len(NAMES) else f"drawn/{i:02}.png"
            picture, box = draw(rng)
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            picture.save(root / name, "PNG")
            table.writerow([f"./{name}", i % 2, *box])
        table.writerow(["broken.png", 0, 0, 0, 5, 5])
    (root / "broken.png").write_bytes(b"no picture")
    return root


@pytest.fixture(scope="session")
def runs(place):
    """A folder a command: evaluate and ablate with maps, the wsol protocol, a crop, and localize."""
    model = ("--model", f"{place}/net.py:build")
    data = ("--dataset", "csv", "--root", place, "--step", "0.05")
    outs = SimpleNamespace(
        **{name: place / "out" / name for name in ("ablated", "wsol", "cropped", "found", "plain", "mapped")}
    )
    call("ablate", *model, *data, "--save-maps", "--out", outs.ablated, expect=(1,))
    call("evaluate", *model, *data, "--protocol", "wsol", "--save-maps", "--out", outs.wsol, expect=(1,))
    call("evaluate", *model, *data, "--out", outs.plain, expect=(1,))
    (place / "classes.csv").write_text("dataset,model\n0,1\n1,0\n")  # the model counts the other way round
    call("evaluate", *model, *data, "--class-map", place / "classes.csv", "--save-maps", "--out", outs.mapped,
         expect=(1,))  # fmt: skip
    call("localize", *model, "--images", place, "--save-maps", "--no-overlays", "--fit", "crop", "--threshold", "ivr",
         "--out", outs.cropped, expect=(1,))  # fmt: skip
    call("localize", *model, "--images", place, "--save-maps", "--no-overlays", "--topk", "2", "--out", outs.found,
         expect=(1,))  # fmt: skip
    return outs


@pytest.fixture(scope="session")
def page(runs, place) -> Path:
    """The page of three of them."""
    out = place / "page.html"
    call("report", runs.ablated, runs.wsol, runs.found, "--out", out)
    return out
