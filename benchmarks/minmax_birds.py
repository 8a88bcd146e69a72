"""MinMaxCAM on photographs of birds: a backbone whose maps cover too little, and one whose cover too much.

    python benchmarks/minmax_birds.py --root CUB_200_2011 --out OUT

`vgg` is vgg-small-bn from nothing at 64 pixels; `lite0-16` is EfficientNet-Lite0 from ImageNet's weights with its last
stride taken away. Each is trained plainly, then its fc is fine-tuned with four pairs of loss weights, of which
MaxBoxAccV2 on three photographs of each class of the training split chooses one; and it is trained with MinMaxCAM's two
stages from the start (`camkit train --method minmax`). All is measured on the test split, for several seeds. The cells
are those of `camkit reproduce --budget small`, and OUT may be that command's: what is there is not computed again.
"""

from dataclasses import replace
from pathlib import Path

import click

from camkit.reproduction.claims import Term
from camkit.reproduction.plan import BUDGETS, CUB_TEST, CUB_TRAIN, WEIGHTS, cells, cells_for, train_cell
from camkit.reproduction.run import Run, reproduce
from camkit.reproduction.verdicts import measure

BACKBONES = ("vgg", "lite0-16")
V2 = "cam:max_box_acc_v2"


@click.command()
@click.option("--root", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--seeds", default=3, show_default=True)
def main(root: Path, out: Path, seeds: int) -> None:
    """Print the tables as Markdown."""
    budget = replace(BUDGETS["small"], seeds=seeds)
    names = [f"minmax/{backbone}/chosen" for backbone in BACKBONES]
    both_stages = [
        train_cell("cub", backbone, "gap", "minmax", seed, budget, CUB_TRAIN, CUB_TEST)
        for backbone in BACKBONES for seed in range(seeds)
    ]  # fmt: skip
    plan = cells_for([*cells(budget), *both_stages], [*names, *(cell.name for cell in both_stages)])
    run = reproduce(plan, "small", {"cub": root}, out, device="auto", tell=print)
    print("\n".join(report(run)))


def report(run: Run) -> list[str]:
    """What the maps cover beyond the object, and MaxBoxAccV2 before and after."""
    lines = ["| backbone | box less truth, share of the image | fine-tuning fc | MaxBoxAccV2 | against fc fine-tuned "
             "without losses | box less truth |", "|---|---|---|---|---|---|"]  # fmt: skip
    for backbone in BACKBONES:
        base, near = f"cub/{backbone}/gap/none", f"minmax/{backbone}"
        lines.append(f"| {backbone} | {of(run, (1, base, 'cam:excess'))} | none | {of(run, (1, base, V2))} | | |")
        tried = [f"{near}/crr{crr}-frr{frr}" for crr, frr in WEIGHTS]
        for cell in (*tried, f"{near}/chosen", f"cub/{backbone}/gap/minmax"):
            against = base if cell.startswith("cub") else tried[0]
            gain = of(run, (1, cell, V2), (-1, against, V2))
            lines.append(f"| | | {cell.rpartition('/')[2]} | {of(run, (1, cell, V2))} | {gain} | "
                         f"{of(run, (1, cell, 'cam:excess'))} |")  # fmt: skip
    return lines


def of(run: Run, *terms: tuple[int, str, str]) -> str:
    """A sum of figures with its interval over images and seeds."""
    found = measure([Term(*term) for term in terms], run.of)
    signed = "+" if len(terms) > 1 or "excess" in terms[0][2] else ""
    return f"{found.value:{signed}.2f} ({found.low:{signed}.2f} to {found.high:{signed}.2f})"


if __name__ == "__main__":
    main()
