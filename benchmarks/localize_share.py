"""`camkit.Localizer` against the slower of its two parts alone: reading and fitting images, and the network.

    python benchmarks/localize_share.py --images CUB_200_2011/images --model efficientnet-lite0

Each round does all three in turns, on the same photographs in the same process: reading alone (decoded and fitted),
the network alone (the localizer's own copy of it, on batches that are there already), and from files to boxes. Times
are of the clock and of the processor: on a machine that others share the clock says little, and the processor's time
leaves out what one core does beside another.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch.utils.data import BatchSampler

from camkit import Localizer
from camkit.data import Batch, ImageDataset, collate, find_images, read_batches

BATCH = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", required=True)
    parser.add_argument("--model", default="efficientnet-lite0")
    parser.add_argument("--count", type=int, default=96, help="Photographs, the first that there are.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="Of torch.")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    localizer = Localizer(options.model, device="cpu", fit="stretch", batch_size=BATCH, optimize=True)
    files = list(find_images(options.images))[: options.count]
    if not files:
        sys.exit(f"{options.images}: no photographs")
    data = ImageDataset(files, localizer.preprocess)
    batches: list[Batch] = []
    for start in range(0, len(files), BATCH):
        batches += collate([data[index] for index in range(start, min(start + BATCH, len(files)))])[0]

    def reading() -> None:
        for _ in read_batches(data, BatchSampler(range(len(files)), BATCH, drop_last=False), 0, []):
            pass

    def network() -> None:
        for batch in batches:
            localizer.inference.forward(batch)

    def all_of_it() -> None:
        for _ in localizer.stream(files):
            pass

    sides: dict[str, Callable[[], None]] = {"reading alone": reading, "network alone": network, "localize": all_of_it}
    clocks = {"clock": time.perf_counter, "processor": time.process_time}
    for side in sides.values():
        side()
    spent: dict[str, dict[str, list[float]]] = {name: {clock: [] for clock in clocks} for name in sides}
    for turn in range(options.rounds):
        names = list(sides)[turn % 3 :] + list(sides)[: turn % 3]
        for name in names:
            begun = {clock: read() for clock, read in clocks.items()}
            sides[name]()
            for clock, read in clocks.items():
                spent[name][clock].append(1000 * (read() - begun[clock]) / len(files))
    print(f"{options.model}, {len(files)} photographs, {options.threads} threads, {options.rounds} rounds: ms an image")
    for name, times in spent.items():
        print(f"{name:14} " + ", ".join(f"{clock} {statistics.median(its):.1f}" for clock, its in times.items()))
    for clock in clocks:
        pairs = zip(*(spent[name][clock] for name in sides), strict=True)
        shares = [max(read, net) / whole for read, net, whole in pairs]
        print(f"by the {clock}: {statistics.median(shares):.2f} of the slower alone "
              f"({min(shares):.2f} to {max(shares):.2f})")  # fmt: skip


if __name__ == "__main__":
    main()
