"""Exact maps of two small vision transformers, of the last block and of all, against a CNN's CAM and other tools' maps.

    python benchmarks/vits.py --root TINY_IMAGENET --out OUT
    python benchmarks/vit_maps.py --root TINY_IMAGENET --networks OUT

All are measured on the same photographs of `val`, of the 20 classes that `benchmarks/vits.py` trains on, with the true
class given: GT-known Loc with the min-max threshold and with PaS, MaxBoxAccV2, and the share of the logit's variance
over classes that the maps carry. Differences are paired, against CAM of `tiny`, a CNN of all 100 classes. The peers
need the extra `peers`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import pandas as pd
import torch

from camkit.adapters import peer_named
from camkit.data import AnnotatedSet, map_classes, read_dataset, read_image
from camkit.data.preprocess import Preprocess
from camkit.evaluation import evaluate
from camkit.inference import Inference
from camkit.input_spec import InputSpec
from camkit.metrics import compare
from camkit.models import Classifier, load_classifier
from camkit.recipe import RECIPES

EVERY = 5
SPEC = InputSpec((64, 64), 64, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
PEERS = ("captum:InputXGradient", "torchcam:GradCAM@blocks.5", "torchcam:LayerCAM@blocks.5", "torchcam:LeGrad")


@dataclass(frozen=True)
class Source:
    """A network with a way to make maps of it."""

    network: str
    maps: str
    classifier: Classifier


def sources(networks: Path, names: tuple[str, ...]) -> Iterator[Source]:
    """`tiny`, then each transformer by its last block, all blocks and the peers."""
    yield Source("tiny", "CAM", load_classifier("tiny"))
    here = Path(__file__).parent
    for name in ("token", "map"):
        found = load_classifier(f"{here}/vits.py:{name}", str(networks / f"{name}.safetensors"))
        found = replace(found, input=SPEC, class_names=names)
        yield Source(name, "last block", found)
        yield Source(name, "all blocks", replace(found, token_blocks="all"))
        for peer in PEERS:
            try:
                yield Source(name, peer, replace(found, maps_by=peer_named(peer)))
            except ValueError as error:
                click.echo(f"{name}, {peer}: {error}")


def photographs(root: Path) -> AnnotatedSet:
    """Those of `val` whose class is one of the twenty, with the data set's names."""
    dataset = read_dataset("tiny-imagenet", root, "val")
    (some,) = map_classes({name: name if i % EVERY == 0 else None for i, name in enumerate(dataset.class_names or ())},
                          dataset)  # fmt: skip
    return some


def share(inference: Inference, dataset: AnnotatedSet) -> float | None:
    """Mean over 100 photographs of the share of the logits' variance over classes; None of maps that add up to none."""
    if not hasattr(inference.source, "head"):
        return None
    preprocess = Preprocess(inference.classifier.input)
    images = torch.stack([preprocess(read_image(record.read()))[0] for record in dataset.evenly(100).records])
    return float(inference.cam.features(images).shares().mean())


@click.command()
@click.option("--root", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--networks", type=click.Path(exists=True, path_type=Path), required=True)
def main(root: Path, networks: Path) -> None:
    """Print the table as Markdown."""
    dataset = photographs(root)
    names = tuple(name for i, name in enumerate(dataset.class_names or ()) if i % EVERY == 0)
    head = ("network", "maps", "n", "Top-1 Cls", "share", "GT-known Loc", "with PaS", "to tiny", "MaxBoxAccV2")
    print(f"| {' | '.join(head)} |\n" + "|---" * len(head) + "|")
    against: pd.Series | None = None
    for source in sources(networks, names):
        try:
            inference = Inference(source.classifier, "cpu", "fp32")
            found = evaluate(inference, dataset, {"cam": RECIPES["cam"], "pas": RECIPES["pas"]})
        except ValueError as error:
            print(f"| {source.network} | {source.maps} | {error} |" + " |" * 6)
            continue
        table = found.per_image[found.per_image["recipe"] == "pas"].set_index("image")["gt_loc"].astype(bool)
        against = table if against is None else against
        difference = compare(against[table.index].to_numpy(), table.to_numpy()).difference
        part = share(inference, dataset)
        figures = [found.localization["cam"]["gt_loc"], found.localization["pas"]["gt_loc"], difference,
                   found.localization["cam"]["max_box_acc_v2"]]  # fmt: skip
        cells: list[Any] = [source.network, source.maps, len(table), f"{found.classification['top1_cls'].value:.1f}",
                            "" if part is None else f"{part:.2f}"]  # fmt: skip
        cells += [f"{one.value:.1f} ({one.low:.1f} to {one.high:.1f})" for one in figures]
        print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
