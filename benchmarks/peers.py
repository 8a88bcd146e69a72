"""Every extractor of torchcam, grad-cam and captum against a network's own class maps, on the same annotated images.

    python benchmarks/peers.py --real REAL --out OUT
    python benchmarks/peers.py --model resnet50 --dataset cub --root CUB_200_2011/ --split test --out OUT

REAL (default: the variable CAMKIT_REAL) holds birds/ and cub-10/; without it name a model and a data set, as for
`camkit evaluate`. The classes of the maps are the annotated ones. A method that shows the network many images for one
map, as Score-CAM does, is measured on as many images as its budget allows, evenly spaced, and not at all below five.
OUT keeps a row a source, so that a run that was stopped goes on; the table is printed as Markdown.
"""

import argparse
import json
import os
import platform
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import torchvision

from camkit import CamkitError
from camkit.adapters import LIBRARIES, Peer
from camkit.cam import Prediction
from camkit.data import AnnotatedSet, Batch, read_dataset, read_size
from camkit.evaluation import evaluate
from camkit.inference import Inference
from camkit.metrics import compare
from camkit.metrics.iou import best_iou
from camkit.models import Classifier, load_classifier
from camkit.models.class_names import read_class_names
from camkit.recipe import RECIPES

RIGHT = 0.5  # IoU
LEAST = 5  # images, below which nothing is measured
OWN = {"camkit CAM": ("cam", "pas"), "camkit NWC": ("nwc", "nwc+pas")}  # min-max threshold, PaS


class Timed(Inference):
    """With the time of the class maps, too."""

    def forward(self, batch: Batch) -> Prediction:
        prediction = super().forward(batch)
        asked = prediction.class_maps

        def class_maps(*args: Any, **named: Any) -> Any:
            start = time.perf_counter()
            found = asked(*args, **named)
            self.seconds += time.perf_counter() - start
            return found

        object.__setattr__(prediction, "class_maps", class_maps)
        return prediction


def birds(real: Path) -> tuple[Classifier, AnnotatedSet]:
    """A MobileNetV2 of 964 species, on photographs of six of them."""
    network = load_classifier(f"{real}/birds/model.py:birds", f"{real}/birds/weights.safetensors")
    network = replace(network, class_names=read_class_names(real / "birds/labels.txt"))
    return network, read_dataset("csv", real / "cub-10", "birds")


def rows_of(inference: Timed, dataset: AnnotatedSet, fit: str, names: tuple[str, str], shown: int) -> dict[str, Any]:
    """The figures of a source's maps under the two thresholds, and each image's outcome."""
    recipes = {name: RECIPES[name] for name in names}
    inference.seconds = 0.0
    found = evaluate(inference, dataset, recipes, fit=fit)
    row: dict[str, Any] = {"shown": shown, "failed": len(found.failures)}
    for name, recipe in zip(names, ("minmax", "pas"), strict=True):
        of = found.localization[name]
        row[recipe] = [of["gt_loc"].value, of["gt_loc"].low, of["gt_loc"].high]
        row["v2"] = [of["max_box_acc_v2"].value, of["max_box_acc_v2"].low, of["max_box_acc_v2"].high]
        table = found.per_image[found.per_image["recipe"] == name]
        row[f"right_{recipe}"] = dict(zip(table["image"], table["gt_loc"].astype(bool).tolist(), strict=True))
    row["n"] = len(row["right_pas"])
    row["ms"] = 1000 * inference.seconds / len(dataset.records)
    return row


def measured(classifier: Classifier, dataset: AnnotatedSet, settings: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """A row a source, camkit's own first; what cannot be had has its reason."""
    own = Timed(classifier, "cpu", "fp32")
    rows_of(own, dataset.evenly(32), settings.fit, OWN["camkit CAM"], 1)  # what is compiled or read once is so now
    for name, recipes in OWN.items():
        if (settings.out / f"{name.replace(' ', '-')}.json").exists():
            yield {"source": name}
            continue
        yield {"source": name, "layer": "", **rows_of(own, dataset, settings.fit, recipes, 1)}
    for library in LIBRARIES.values():
        for name in library.methods() if library.installed else ():
            spec = f"{library.name}:{name}"
            if not re.search(settings.only, spec):
                continue
            if (settings.out / f"{spec.replace(':', '-')}.json").exists():
                yield {"source": spec}
                continue
            peer = Peer(spec, library, library.method(name))
            try:
                inference = Timed(replace(classifier, maps_by=peer), "cpu", "fp32")
                shown = inference.source.function.shown_alone
                some = dataset.evenly(min(len(dataset.records), settings.budget // shown))
                if len(some.records) < LEAST:
                    yield {"source": spec, "shown": shown, "why": f"{shown:,} images through the network for a map"}
                    continue
                layer = inference.source.facts["layer"] or ""
                yield {"source": spec, "layer": layer, **rows_of(inference, some, settings.fit, ("cam", "pas"), shown)}
            except CamkitError as error:
                yield {"source": spec, "why": str(error).removeprefix(f"{spec} fails to give maps: ")}


def interval(three: list[float]) -> str:
    return f"{three[0]:.1f} ({three[1]:.1f} to {three[2]:.1f})"


def report(rows: list[dict[str, Any]]) -> Iterator[str]:
    """The table, and what is not in it."""
    cam, nwc = (next(row for row in rows if row["source"] == f"camkit {name}") for name in ("CAM", "NWC"))
    best = pd.Series(nwc["right_pas"])
    yield ("| maps by | time (images) | GT-known Loc, min-max | with PaS | against camkit NWC + PaS, paired "
           "| MaxBoxAccV2 |")  # fmt: skip
    yield "|---" * 6 + "|"
    for row in (row for row in rows if "why" not in row):
        right = pd.Series(row["right_pas"])
        difference = compare(best[right.index].to_numpy(bool), right.to_numpy(bool)).difference
        against = "" if row["source"] == "camkit NWC" else (
            f"{difference.value:+.1f} ({difference.low:+.1f} to {difference.high:+.1f})")  # fmt: skip
        fewer, times = f", n {row['n']}" if row["n"] < cam["n"] else "", row["ms"] / cam["ms"]
        shown = f" ({row['shown']:,})" if row["shown"] > 1 else ""
        cells = [f"{row['source']}{fewer}", f"{times:,.{1 if times < 10 else 0}f}{shown}", interval(row["minmax"]),
                 interval(row["pas"]), against, interval(row["v2"])]  # fmt: skip
        yield f"| {' | '.join(cells)} |"
    yield f"\nTimes are of camkit CAM's {cam['ms']:.0f} ms; in brackets the images that the network sees for one map."
    yield "\n| not measured | why |\n|---|---|"
    for row in (row for row in rows if "why" in row):
        yield f"| {row['source']} | {row['why']} |"


def whole_images(dataset: AnnotatedSet) -> str:
    """What boxes round all of each image would have."""
    right = []
    for record in dataset.records:
        try:
            height, width = read_size(record.read(), record.image, dataset.upright)
        except CamkitError:
            continue
        right.append(float(best_iou(torch.tensor([[0, 0, width, height]]), record.boxes)) >= RIGHT)
    return (
        f"a box round the whole image is right on {sum(right)} of {len(right)} ({100 * sum(right) / len(right):.1f} %)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, default=os.environ.get("CAMKIT_REAL"))
    parser.add_argument("--model")
    parser.add_argument("--weights", default="DEFAULT")
    parser.add_argument("--dataset")
    parser.add_argument("--root", type=Path)
    parser.add_argument("--split", default="val")
    parser.add_argument("--fit", default="keep")
    parser.add_argument("--limit", type=int, default=300, help="photographs, evenly spaced")
    parser.add_argument("--budget", type=int, default=6000, help="images through the network, of a method of many")
    parser.add_argument("--only", type=re.compile, default="", help="regular expression of LIBRARY:METHOD")
    parser.add_argument("--out", type=Path, required=True)
    settings = parser.parse_args()
    if settings.model:
        classifier = load_classifier(settings.model, settings.weights)
        dataset = read_dataset(settings.dataset, settings.root, settings.split)
    elif settings.real:
        classifier, dataset = birds(settings.real)
    else:
        parser.error("give --model, --dataset and --root, or --real")
    settings.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for row in measured(classifier, dataset.evenly(settings.limit), settings):
        file = settings.out / f"{row['source'].replace(':', '-').replace(' ', '-')}.json"
        if len(row) > 1:
            file.write_text(json.dumps(row, indent=1))
        rows.append(json.loads(file.read_text()))
        print(row["source"], {key: value for key, value in rows[-1].items() if "right" not in key}, flush=True)
    print("\n".join(report(rows)))
    print(f"\n{whole_images(dataset.evenly(settings.limit))}")
    versions = ", ".join(f"{one.name} {one.version}" for one in LIBRARIES.values() if one.installed)
    print(f"\n{versions}, torch {torch.__version__}, torchvision {torchvision.__version__}, Python "
          f"{platform.python_version()}, {torch.get_num_threads()} threads, fit {settings.fit}")  # fmt: skip


if __name__ == "__main__":
    main()
