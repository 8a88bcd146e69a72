"""DDT over a set of images: a folder of maps, which every command takes with --maps. PSOL makes its pseudo boxes so.

python examples/codetect.py --model vgg16 --dataset cub --root CUB_200_2011/ --split train --out maps/
camkit evaluate --maps maps/ --threshold 0:max --theta 0 --normalize none --dataset cub --root CUB_200_2011/ \
        --split train --out measured
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from camkit.data import read_dataset
from camkit.evaluation import codetect
from camkit.inference import Inference
from camkit.localization import Failure
from camkit.models import load_classifier


def main() -> int:
    """Write a map an image; how many failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "dataset", "root", "split", "out"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--weights", default="DEFAULT")
    options = parser.parse_args()
    dataset = read_dataset(options.dataset, Path(options.root), options.split)
    several = len({record.image for record in dataset.records}) < len(dataset.records)
    failed = 0
    for found in codetect(Inference(load_classifier(options.model, options.weights), "auto", "fp32"), dataset):
        if isinstance(found, Failure):
            print(found.image, found.reason, file=sys.stderr)
            failed += 1
            continue
        record, one = found
        path = Path(options.out) / f"{record.image}{f'.{record.label}' if several else ''}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, one.numpy())
    return failed


if __name__ == "__main__":
    sys.exit(main() > 0)
