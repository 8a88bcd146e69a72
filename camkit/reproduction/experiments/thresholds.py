"""Whether one network's best threshold serves another."""

import numpy as np

from camkit.boxes import MaxThreshold
from camkit.evaluation import evaluate
from camkit.recipe import Recipe
from camkit.reproduction.bench import Bench, reading
from camkit.reproduction.experiments.outcomes import measured
from camkit.reproduction.measured import Measured
from camkit.reproduction.plan import Cell

THETAS = [round(0.05 * i, 2) for i in range(1, 20)]


def thetas(cell: Cell, bench: Bench) -> Measured:
    """GT-known Loc of plain CAM at every theta."""
    settings, data = cell.settings, cell.data[-1]
    classifier = bench.trained(cell.after[0], cell.seed) if cell.after else bench.network(settings["network"])
    recipes = {f"{theta}": Recipe("signed", MaxThreshold(theta)) for theta in THETAS}
    found = evaluate(bench.inference(classifier), bench.data(data, settings["split"], settings.get("limit")), recipes,
                     step=0.1, progress=bench.progress, **reading(settings, bench))  # fmt: skip
    every = measured(found, data)
    outcomes = {name: values for name, values in every.outcomes.items() if name.endswith(":gt_loc")}
    return Measured(every.images, outcomes, facts=every.facts)


def compare_thetas(cell: Cell, bench: Bench) -> Measured:
    """Each network's theta is chosen on its images of even number; both are measured on the first one's others."""
    own, other = (bench.of(name, cell.seed) for name in cell.after)
    chosen = [best_theta(one) for one in (own, other)]
    outcomes = {
        name: list(own.outcomes[f"{theta}:gt_loc"][1::2]) for name, theta in zip(("own", "other"), chosen, strict=True)
    }
    return Measured(own.images[1::2], outcomes, facts=dict(zip(("own", "other"), chosen, strict=True)))


def best_theta(found: Measured) -> float:
    """The theta with the highest GT-known Loc on images of even number; of equals the lowest."""
    return max(THETAS, key=lambda theta: float(np.mean(found.outcomes[f"{theta}:gt_loc"][::2])))
