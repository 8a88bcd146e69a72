"""What camkit finds in every classifier of torchvision, or in one of each family of timm: a table with proof.

Weights are random, and nothing is left at its initial 0 or 1: gammas, betas, layer scales and running statistics are
perturbed, since a fresh network hides mistakes. Each head is found at one input size, and its class maps are then held
against the logits of inputs it has not seen: noise and a smooth pattern, at that size and at another, not square.
Beside that stands which share of the logits' variance over classes the maps carry, and whether the rest is the same for
all images. The table is written after each model, and says by which versions of camkit and PyTorch each row was made: a
run that was stopped goes on with `--resume`, which makes rows of other versions of camkit anew. With `--small` networks
that take long have fewer blocks or smaller images, and their rows say so.

    python benchmarks/heads.py --source torchvision --resume --out docs/heads-torchvision.md
    python benchmarks/heads.py --source timm --small --resume --only convnext --out docs/heads-timm.md
"""

import gc
import math
import platform
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import click
import torch
from torch import nn
from torchvision import models

from camkit import CAM, __version__
from camkit.errors import CamkitError, HeadNotFound

COLUMNS = (
    "model", "camkit", "torch", "kind", "offset", "share", "features", "map", "completeness", "moved", "sizes", "note",
)  # fmt: skip
# attention-pooled and class-token models beside the smallest of each family of timm
ATTENDING = (
    "resnet50_clip",
    "resnet101_clip",
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
TOKENS = {"depth": 2, "embed_dim": 192, "num_heads": 3}  # what --small leaves of a vision transformer
SMALL_TIMM = {
    "resnet50_clip": {"img_size": 128},
    "resnet101_clip": {"img_size": 128},
    "resnet50x4_clip": {"img_size": 128},
    "vit_base_patch16_siglip_224": TOKENS,
    "vit_base_patch16_siglip_256": TOKENS,
    "vit_small_patch14_dinov2": {"img_size": 224, "depth": 4, "dynamic_img_size": True},
    "vit_small_patch14_reg4_dinov2": {"img_size": 224, "depth": 4, "dynamic_img_size": True},
    "beit_base_patch16_224": TOKENS,
}
SMALL_TORCHVISION = {
    "vit_l_16": {"patch_size": 16, "num_heads": 16, "hidden_dim": 1024, "mlp_dim": 4096},
    "vit_l_32": {"patch_size": 32, "num_heads": 16, "hidden_dim": 1024, "mlp_dim": 4096},
    "vit_h_14": {"patch_size": 14, "num_heads": 16, "hidden_dim": 1280, "mlp_dim": 5120},
}
SECOND_SIZES = ((256, 192), (280, 196))  # the first that a network takes: patches of 14 do not divide 256
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


@torch.no_grad()
def takes(model: nn.Module, size: tuple[int, int]) -> bool:
    """Whether the network runs on images of a size: some are made for one."""
    try:
        model(torch.zeros(1, 3, *size))
    except (RuntimeError, AssertionError, ValueError, IndexError):
        return False
    return True


def empty_row(name: str) -> Row:
    return dict.fromkeys(COLUMNS, "") | {"model": name, "camkit": __version__, "torch": torch.__version__}


def examine(name: str, model: nn.Module, size: tuple[int, int]) -> Row:
    """One line of the table."""
    row = empty_row(name)
    generator = torch.Generator().manual_seed(1)
    perturb(model, torch.randn(2, 3, *size, generator=generator))
    try:
        cam = CAM(model, size)
    except HeadNotFound as error:
        return row | {"kind": "refused", "note": str(error)}
    place = cam.head.feature_map.place
    found, sizes = [], []
    second = next((side for side in SECOND_SIZES if takes(model, side)), None)
    for side in (size, second) if second else (size,):
        try:
            found.append(compare(cam, unseen(side)))
        except HeadNotFound as error:  # heads that attend are found anew at each size
            before, here = sizes[0], "x".join(map(str, side))
            return row | {"kind": "refused", "note": f"read at {before}, and refused at {here}: {error}"}
        sizes.append("x".join(map(str, side)))
    errors, movements, shares = zip(*found, strict=True)
    return row | {
        "kind": cam.head.kind,
        "offset": cam.head.offset,
        "share": percent(sum(shares) / len(shares)),
        "features": f"{place.module or 'the model'} ({place.side}), {cam.head.channels}",
        "map": "x".join(map(str, cam.head.map_size)),
        "completeness": ", ".join(f"{error:.1e}" + ("" if error <= EXACT else " (!)") for error in errors),
        "moved": f"{min(movements):.1%}",
        "sizes": ", ".join(sizes),
        "note": "; ".join(cam.head.notes),
    }


def percent(share: float) -> str:
    return "" if math.isnan(share) else f"{round(100 * share)}%"


def torchvision_models() -> list[str]:
    """Small ones first."""
    return sorted(models.list_models(models), key=lambda name: gigabytes("torchvision", name))


def settings(name: str) -> dict[str, bool]:
    return {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}


def extra_timm() -> ModuleType:
    import timm  # noqa: PLC0415 - only who asks for it needs it
    import timm.data  # noqa: PLC0415

    return timm


def timm_models(known: set[str]) -> Iterator[str]:
    """The smallest model of each of timm's families (its modules), and those that attend.

    Families with a model in `known` have that one, without counting parameters, which takes longer than the rest.
    """
    timm = extra_timm()
    for family in timm.list_modules():
        members = timm.list_models(module=family)
        before = known & (set(members) - set(ATTENDING)) or known & set(members)
        if before:
            yield from sorted(before)
            continue
        sizes = {}
        for name in members:
            with suppress(Exception):  # some cannot be made without numbers
                sizes[name] = gigabytes("timm", name)
        names = sizes or dict.fromkeys(members[:1], 0.0)
        if names:
            yield min(names, key=names.__getitem__)
    yield from ATTENDING


def gigabytes(source: str, name: str) -> float:
    """Of parameters, without memory for them."""
    if source == "torchvision":
        return models.get_model_weights(name).DEFAULT.meta["num_params"] * 4 / 1e9
    with torch.device("meta"):
        return sum(p.numel() for p in extra_timm().create_model(name).parameters()) * 4 / 1e9


def covered(source: str, names: set[str]) -> str:
    """How much of a library some models stand for."""
    if source == "torchvision":
        return f"of {len(models.list_models(models))}"
    timm = extra_timm()
    families = [set(timm.list_models(module=family)) for family in timm.list_modules()]
    return f"of {sum(bool(family & names) for family in families)} of {len(families)} families"


def build(source: str, name: str, *, small: bool) -> tuple[nn.Module, tuple[int, int], str]:
    """A random network in eval mode, the size of its images, and what was made smaller."""
    torch.manual_seed(0)
    if source == "torchvision":
        if small and name in SMALL_TORCHVISION:
            side = 8 * SMALL_TORCHVISION[name]["patch_size"]
            model = models.VisionTransformer(side, num_layers=4, **SMALL_TORCHVISION[name])
            return model.eval(), (side, side), "made with 4 blocks"
        return models.get_model(name, weights=None, **settings(name)).eval(), (224, 224), ""
    timm = extra_timm()
    changed = SMALL_TIMM.get(name, {}) if small else {}
    model = timm.create_model(name, **changed).eval()
    _, height, width = timm.data.resolve_model_data_config(model)["input_size"]
    said = "made with " + ", ".join(f"{key}={value}" for key, value in changed.items()) if changed else ""
    return model, (changed.get("img_size", height), changed.get("img_size", width)), said


def read_table(path: Path) -> list[Row]:
    """The rows that an earlier call left."""
    lines = path.read_text().splitlines() if path.exists() else []
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    rows = [dict(zip(cells[0], row, strict=True)) for row in cells[1:]] if cells else []
    return [dict.fromkeys(COLUMNS, "") | row for row in rows]


def write_table(path: Path, source: str, command: str, rows: list[Row]) -> None:
    old = sum(row["camkit"] != __version__ for row in rows)
    kinds = Counter(row["kind"] for row in rows)
    handled = sum(n for kind, n in kinds.items() if kind not in {"refused", "failed", "skipped"})
    exact = {"exact", "folded", "score pooling", *ATTENTION}
    within = sum(row["kind"] in exact and "!" not in row["completeness"] for row in rows)
    library = sys.modules[source]
    stated = f"{source} {library.__version__}"
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
        "the same for all images; camkit, torch: the versions that made the row (rows of camkit 0.1.0 "
        "state neither share nor offset). "
        "Moved: the largest difference between the logits of the two inputs, over the same range (the smaller of the "
        "two sizes): the maps add up although the image moves the logits that far.",
        "",
        f"n = {len(rows)} {covered(source, {row['model'] for row in rows})}: {handled} handled, "
        + ", ".join(f"{n} {kind}" for kind, n in kinds.most_common())
        + f". {within} exact, folded, score pooling or by attention within 1e-4. "
        f"{len(rows) - old} rows are of camkit {__version__}, {old} of versions before it.",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|" + "---|" * len(COLUMNS),
        *("| " + " | ".join(row[c].replace("|", "/") for c in COLUMNS) + " |" for row in rows),
        "",
    ]
    path.write_text("\n".join(text))


@click.command()
@click.option("--source", type=click.Choice(["torchvision", "timm"]), default="torchvision", show_default=True)
@click.option("--only", multiple=True, help="Models whose name contains this, in this order; other rows stay.")
@click.option("--resume", is_flag=True, help="Leave out models that --out has a row of, by this version of camkit.")
@click.option("--small", is_flag=True, help="Fewer blocks or a smaller image for some large networks; rows say so.")
@click.option("--largest", default=6.0, show_default=True, help="Gigabytes of parameters; larger models are skipped.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True)
def main(source: str, only: tuple[str, ...], resume: bool, small: bool, largest: float, out: Path) -> None:
    """Look at every model and write the table after each."""
    smaller = " --small" * small
    command = f"python benchmarks/heads.py --source {source}{smaller} --resume --largest {largest:g} --out {out}"
    rows = {row["model"]: row for row in read_table(out)}
    done = {name for name, row in rows.items() if resume and row["camkit"] == __version__}
    names: Iterable[str] = torchvision_models() if source == "torchvision" else timm_models(set(rows))
    if only:
        matched = {name: [number for number, part in enumerate(only) if part in name] for name in names}
        names = sorted((name for name, numbers in matched.items() if numbers), key=lambda name: matched[name][0])
    for name in names:
        if name in done:
            continue
        done.add(name)
        start = time.perf_counter()
        size = 0.0 if small and name in SMALL_TIMM | SMALL_TORCHVISION else gigabytes(source, name)
        if size > largest and name in rows and rows[name]["kind"] != "skipped":
            continue  # what a machine with more memory has found
        if size > largest:
            row = empty_row(name) | {"kind": "skipped", "note": f"{size:.1f} GB of parameters"}
        else:
            try:
                model, side, changed = build(source, name, small=small)
                row = examine(name, model, side)
                row["note"] = "; ".join(note for note in (changed, row["note"]) if note)
            except (Exception, CamkitError) as error:  # a network that fails is a row too
                reason = str(error).strip().splitlines() or [""]
                row = empty_row(name) | {"kind": "failed", "note": f"{type(error).__name__}: {reason[0][:200]}"}
        gc.collect()
        rows[name] = row
        click.echo(f"{time.perf_counter() - start:6.1f} s  {' | '.join(row.values())}")
        write_table(out, source, command, [rows[model] for model in sorted(rows)])


if __name__ == "__main__":
    main()
