"""What camkit finds in every classifier of torchvision, or in one of each family of timm: a table with proof.

Weights are random, and nothing is left at its initial 0 or 1: gammas, betas, layer scales and running statistics are
perturbed, since a fresh network hides mistakes. Each head is found at one input size, and its class maps are then held
against the logits of inputs it has not seen: noise and a smooth pattern, at that size and at another, not square.
Beside that stands which share of the logits' variance over classes the maps carry, and whether the rest is the same for
all images.

    python benchmarks/heads.py --source torchvision --out docs/heads-torchvision.md
    python benchmarks/heads.py --source timm --only convnext --out docs/heads-timm.md
"""

import gc
import platform
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import click
import torch
from torch import nn
from torchvision import models

from camkit import CAM
from camkit.errors import CamkitError, HeadNotFound

COLUMNS = ("model", "kind", "offset", "share", "features", "map", "completeness", "moved", "sizes", "note")
# attention-pooled and class-token models beside the smallest of each family of timm
ATTENDING = (
    "resnet50_clip",
    "resnet50x4_clip",
    "vit_base_patch16_siglip_224",
    "vit_base_patch16_siglip_256",
    "deit3_small_patch16_224",
    "deit_small_patch16_224",
    "cait_xxs36_224",
    "vit_small_patch14_dinov2",
    "vit_small_patch14_reg4_dinov2",
    "beit_base_patch16_224",
    "xcit_tiny_12_p16_224",
)
SECOND_SIZE = (256, 192)
ATTENTION = ("attention pooling", "class token", "class attention", "class token and mean")
EXACT = 1e-4  # of the logits' range
Row = dict[str, str]


def perturb(model: nn.Module, images: torch.Tensor) -> None:
    """Give norms statistics of their own, shake constant parameters, redraw matrices that are almost 0."""
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.train()
        norm.momentum = None
    if norms:
        with torch.no_grad():
            model(images)
    for norm in norms:
        norm.eval()
        if norm.running_mean is not None:
            deviation = norm.running_var.sqrt()
            norm.running_mean += 0.2 * deviation * torch.randn_like(deviation)
            norm.running_var *= torch.rand_like(deviation) + 0.5
    for parameter in model.parameters():
        usual = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.0
        if parameter.ndim > 1 and parameter.std() < 0.01 * usual:
            parameter.data.normal_(0, usual)
        elif parameter.ndim and parameter.numel() and parameter.amin() == parameter.amax():
            parameter.data += 0.2 * torch.randn_like(parameter)


def unseen(size: tuple[int, int]) -> torch.Tensor:
    """Two inputs: noise, and a smooth picture of a few broad waves in each colour."""
    generator = torch.Generator().manual_seed(2)
    noise, coarse = torch.randn(1, 3, *size, generator=generator), torch.randn(1, 3, 4, 5, generator=generator)
    return torch.cat([noise, 2 * nn.functional.interpolate(coarse, size, mode="bicubic")])


@torch.no_grad()
def compare(cam: CAM, images: torch.Tensor) -> tuple[float, float, float]:
    """Largest difference between class maps and logits, and between the logits of two images, over the logits' range.

    The second says whether the first means anything: where the image moves nothing, biases alone would add up. The
    third is the maps' share of the logits' variance over classes.
    """
    features = cam.features(images)
    out = features.class_maps("all", "signed")
    total = out.maps.double().mean((-2, -1)) + out.offset
    spread = out.logits.max() - out.logits.min()
    moved = (out.logits[0] - out.logits[1]).abs().max()
    share = float(features.shares().mean()) if cam.head.pool is None else float("nan")
    return float((total - out.logits).abs().max() / spread), float(moved / spread), share


def examine(name: str, model: nn.Module, size: tuple[int, int]) -> Row:
    """One line of the table."""
    row = dict.fromkeys(COLUMNS, "") | {"model": name}
    generator = torch.Generator().manual_seed(1)
    perturb(model, torch.randn(2, 3, *size, generator=generator))
    try:
        cam = CAM(model, size)
    except HeadNotFound as error:
        return row | {"kind": "refused", "note": str(error)}
    place = cam.head.feature_map.place
    found, sizes = [], []
    for side in (size, SECOND_SIZE):
        try:
            found.append(compare(cam, unseen(side)))
        except (RuntimeError, AssertionError, ValueError, IndexError):
            if side == size:
                raise
            continue  # the network itself takes one size
        sizes.append("x".join(map(str, side)))
    errors, movements, shares = zip(*found, strict=True)
    return row | {
        "kind": cam.head.kind,
        "offset": cam.head.offset,
        "share": f"{sum(shares) / len(shares):.0%}",
        "features": f"{place.module or 'the model'} ({place.side}), {cam.head.channels}",
        "map": "x".join(map(str, cam.head.map_size)),
        "completeness": ", ".join(f"{error:.1e}" + ("" if error <= EXACT else " (!)") for error in errors),
        "moved": f"{min(movements):.1%}",
        "sizes": ", ".join(sizes),
        "note": "; ".join(cam.head.notes),
    }


def torchvision_models() -> list[tuple[str, float]]:
    """Names with the gigabytes of their parameters, small ones first."""
    sizes = {n: models.get_model_weights(n).DEFAULT.meta["num_params"] * 4 / 1e9 for n in models.list_models(models)}
    return sorted(sizes.items(), key=lambda one: one[1])


def settings(name: str) -> dict[str, bool]:
    return {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}


def extra_timm() -> ModuleType:
    import timm  # noqa: PLC0415 - only who asks for it needs it
    import timm.data  # noqa: PLC0415

    return timm


def timm_models(done: set[str]) -> Iterator[tuple[str, float]]:
    """The smallest model of each of timm's families (its modules), by counting parameters without memory for them.

    Families with a model in `done` are left out before the counting, which takes longer than the rest.
    """
    timm = extra_timm()
    for family in timm.list_modules():
        if done & set(timm.list_models(module=family)):
            continue
        sizes = {}
        for name in timm.list_models(module=family):
            with suppress(Exception), torch.device("meta"):  # some cannot be made without numbers
                sizes[name] = gigabytes(timm.create_model(name))
        names = sizes or dict.fromkeys(timm.list_models(module=family)[:1], 0.0)
        if names:
            smallest = min(names, key=names.__getitem__)
            yield smallest, names[smallest]
    for name in set(ATTENDING) & set(timm.list_models()) - done:
        with torch.device("meta"):
            yield name, gigabytes(timm.create_model(name))


def gigabytes(model: nn.Module) -> float:
    return sum(p.numel() for p in model.parameters()) * 4 / 1e9


def build(source: str, name: str) -> tuple[nn.Module, tuple[int, int]]:
    """A random network in eval mode, and the size of its images."""
    torch.manual_seed(0)
    if source == "torchvision":
        return models.get_model(name, weights=None, **settings(name)).eval(), (224, 224)
    timm = extra_timm()
    model = timm.create_model(name).eval()
    _, height, width = timm.data.resolve_model_data_config(model)["input_size"]
    return model, (height, width)


def read_table(path: Path) -> list[Row]:
    """The rows that an earlier call left."""
    lines = path.read_text().splitlines() if path.exists() else []
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    rows = [dict(zip(cells[0], row, strict=True)) for row in cells[1:]] if cells else []
    return [dict.fromkeys(COLUMNS, "") | {c: row[c] for c in COLUMNS if c in row} for row in rows]


def write_table(path: Path, source: str, command: str, rows: list[Row], total: int) -> None:
    kinds = Counter(row["kind"] for row in rows)
    handled = sum(n for kind, n in kinds.items() if kind not in {"refused", "failed", "skipped"})
    exact = {"exact", "folded", "score pooling", *ATTENTION}
    within = sum(row["kind"] in exact and "!" not in row["completeness"] for row in rows)
    library = sys.modules[source]
    stated = f"torch {torch.__version__}, {source} {library.__version__}"
    what = (
        "every classifier of torchvision" if source == "torchvision" else "the smallest model of every family of timm"
    )
    text = [
        f"# What camkit finds in {what}",
        "",
        f"`{command}`  ",
        f"{stated}, Python {platform.python_version()}, CPU, float32; random weights, perturbed norms and constants.",
        "Completeness: the largest `|maps.mean + offset - logits|` of all classes over the logits' range, over two "
        "inputs that the search did not see (noise, a smooth picture), at each of the sizes; (!) marks one above 1e-4. "
        "Share: of the logits' variance over classes, what the maps carry on these inputs; offset: whether the rest is "
        "the same for all images. "
        "Moved: the largest difference between the logits of the two inputs, over the same range (the smaller of the "
        "two sizes): the maps add up although the image moves the logits that far.",
        "",
        f"n = {len(rows)} of {total}: {handled} handled, "
        + ", ".join(f"{n} {kind}" for kind, n in kinds.most_common())
        + f". {within} exact, folded, score pooling or by attention within 1e-4.",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|" + "---|" * len(COLUMNS),
        *("| " + " | ".join(row[c].replace("|", "/") for c in COLUMNS) + " |" for row in rows),
        "",
    ]
    path.write_text("\n".join(text))


@click.command()
@click.option("--source", type=click.Choice(["torchvision", "timm"]), default="torchvision", show_default=True)
@click.option("--only", multiple=True, help="Models whose name contains this; rows of the others stay as they are.")
@click.option("--resume", is_flag=True, help="Leave out models that --out has a row of already.")
@click.option("--largest", default=6.0, show_default=True, help="Gigabytes of parameters; larger models are skipped.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True)
def main(source: str, only: tuple[str, ...], resume: bool, largest: float, out: Path) -> None:
    """Look at every model and write the table after each."""
    rows = {row["model"]: row for row in read_table(out)}
    done = set(rows) if resume else set()
    total = len(models.list_models(models)) if source == "torchvision" else len(extra_timm().list_modules())
    for name, size in torchvision_models() if source == "torchvision" else timm_models(done):
        if (only and not any(part in name for part in only)) or name in done:
            continue
        start = time.perf_counter()
        if size > largest:
            row = dict.fromkeys(COLUMNS, "") | {"model": name, "kind": "skipped"}
            row["note"] = f"{size:.1f} GB of parameters"
        else:
            try:
                row = examine(name, *build(source, name))
            except (Exception, CamkitError) as error:  # a network that fails is a row too
                reason = str(error).strip().splitlines() or [""]
                row = dict.fromkeys(COLUMNS, "") | {"model": name, "kind": "failed"}
                row["note"] = f"{type(error).__name__}: {reason[0][:200]}"
        gc.collect()
        rows[name] = row
        click.echo(f"{time.perf_counter() - start:6.1f} s  {' | '.join(row.values())}")
        write_table(out, source, f"python {' '.join(sys.argv)}", [rows[model] for model in sorted(rows)], total)


if __name__ == "__main__":
    main()
