"""How often each 95 % interval holds the truth, at 20, 50, 200 and 1,000 images.

    python benchmarks/interval_coverage.py

Proportions and paired differences are summed over all outcomes there are; the others are drawn, 2,000 samples each (500
of 1,000 images), from the populations of tests/populations.py, whose figures are known. "Plain bootstrap"
is what camkit 0.1.0 had, every draw choosing its own threshold: a fifth of the samples.
"""

import sys
from pathlib import Path

import numpy as np

from camkit.metrics.intervals import Estimate

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
import populations

SIZES = (20, 50, 200, 1000)
THRESHOLDS = 50
DIFFERENCES = ((0.3, 0.1), (0.2, 0.15), (0.1, 0.05), (0.02, 0.01))


def bootstrap(correct: np.ndarray, rng: np.random.Generator) -> Estimate:
    n, criteria, thresholds = correct.shape
    counts = rng.multinomial(n, np.full(n, 1 / n), size=300).astype(np.float32)
    drawn = (counts @ correct.reshape(n, -1).astype(np.float32)).reshape(-1, criteria, thresholds)
    low, high = np.quantile(100 * drawn.max(axis=2).mean(axis=1) / n, [0.025, 0.975])
    return Estimate(float(low), float(low), float(high), n)


def row(name: str, values: list[float]) -> None:
    print(f"| {name} | {' | '.join(f'{100 * value:.1f}' for value in values)} |", flush=True)


def main() -> None:
    print("| figure | n = 20 | 50 | 200 | 1,000 |\n|---|---|---|---|---|")
    for share in (0.3, 0.5, 0.7, 0.9):
        row(f"right or wrong, {share:.0%} right", [populations.of_proportion(n, np.array([share]))[0] for n in SIZES])
    everywhere = np.linspace(0.05, 0.95, 181)
    row("right or wrong, mean over 5 % to 95 %", [populations.of_proportion(n, everywhere).mean() for n in SIZES])
    for better, worse in DIFFERENCES:
        name = f"paired difference, {better:.0%} better and {worse:.0%} worse"
        row(name, [populations.of_paired_difference(n, better, worse) for n in SIZES])
    samples = {n: 500 if n == 1000 else 2000 for n in SIZES}
    for name in populations.SHARES:
        row(f"mean, {name}", [populations.of_mean(name, n, 4000) for n in SIZES])
    row("PxAP", [populations.of_pxap(n, samples[n]) for n in SIZES])
    for name in populations.curves(THRESHOLDS):
        row(name, [populations.of_best(name, n, samples[n], THRESHOLDS) for n in SIZES])
        plain = [populations.of_best(name, n, samples[n] // 5, THRESHOLDS, bootstrap) for n in SIZES]
        row(f"{name}: plain bootstrap", plain)


if __name__ == "__main__":
    main()
