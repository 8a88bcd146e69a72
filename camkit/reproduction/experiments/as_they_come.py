"""Networks as they come: every recipe, the papers' analyses, the signs of the last layer's weights."""

import numpy as np
import pandas as pd

from camkit.analysis import Findings, analyze
from camkit.cam import find_fc
from camkit.evaluation import evaluate
from camkit.metrics.localization import IOU_AT_LEAST
from camkit.recipe import RECIPES
from camkit.reproduction.bench import Bench, reading
from camkit.reproduction.experiments.outcomes import SHOWN, Outcomes, column, measured
from camkit.reproduction.measured import Measured
from camkit.reproduction.plan import Cell

STEP = 0.01  # between the thresholds of MaxBoxAcc and PxAP
ONE_PASS, MORE_PASSES = ("ioa", "zipf", "channels", "overlap"), ("dispersion", "intensity", "masking")


def evaluate_network(cell: Cell, bench: Bench) -> Measured:
    """CAM, NWC, PaS and both, from one pass."""
    settings = cell.settings
    data = bench.data(cell.data[-1], settings["split"], settings.get("limit"))
    inference = bench.inference(bench.network(settings["network"], settings.get("output_stride")))
    found = evaluate(inference, data, RECIPES, step=STEP, progress=bench.progress, **reading(settings, bench))
    return measured(found, cell.data[-1])


def analyse(cell: Cell, bench: Bench) -> Measured:
    """Every analysis; those that show the network other images only where all inputs have one size."""
    settings = cell.settings
    data = bench.data(cell.data[-1], settings["split"], settings.get("limit"))
    names = (*ONE_PASS, *MORE_PASSES) if settings["fit"] == "stretch" else ONE_PASS
    found = analyze(bench.inference(bench.network(settings["network"])), data, names, progress=bench.progress,
                    **reading(settings, bench))  # fmt: skip
    return of_analyses(found, cell.data[-1])


def of_analyses(found: Findings, data: str) -> Measured:
    """What each image counts for, of every analysis that was made."""
    rows = {name: finding.table for name, finding in found.findings.items()}
    if "channels" in rows:
        rows["channels"] = found.findings["channels"].series["images"]
    tables: dict[str, pd.DataFrame] = {}
    estimates = {}
    if "ioa" in rows:
        summary = found.findings["ioa"].summary
        tables["ioa"] = ioa_by_image(rows["ioa"], summary["rule"])
        estimates = {"ioa:overlap": summary["overlap"]} if "overlap" in summary else {}
    if "zipf" in rows:
        tables["zipf"] = zipf_by_image(rows["zipf"])
    if "intensity" in rows:
        tables["intensity"] = intensity_by_image(rows["intensity"])
    for name in ("channels", "overlap", "dispersion", "masking"):
        if name in rows:
            tables[name] = rows[name].set_index("image")
    if "dispersion" in tables:
        several = tables["dispersion"]["class_size"] > 1  # an image that is alone is its own centre
        renamed = tables["dispersion"].rename(columns=lambda name: name.removeprefix("distance_"))
        tables["dispersion"] = renamed[["image", "object"]].where(several)
    images = list(dict.fromkeys(image for table in tables.values() for image in table.index))
    outcomes: Outcomes = {}
    for name, table in tables.items():
        numbers = table.select_dtypes(["number", "bool"]).drop(columns="label", errors="ignore").reindex(images)
        outcomes |= {f"{name}:{figure}": column(numbers[figure]) for figure in numbers}
    failed = [f"{failure.image}: {failure.reason}" for failure in found.failures]
    facts = {"failed": failed[:SHOWN], "failures": len(failed)}
    return Measured(tuple(f"{data}/{image}" for image in images), outcomes, estimates, facts)


def ioa_by_image(table: pd.DataFrame, rule: str) -> pd.DataFrame:
    """A row an image: IoA of both parts, and the share of the image inside boxes, by the analysis' own rule."""
    chosen = table[table["rule"] == rule].drop_duplicates(["image", "part"])
    wide = chosen.pivot_table(index="image", columns="part", values="ioa", sort=False, dropna=False)
    wide["truth"] = chosen.drop_duplicates("image").set_index("image")["truth"]
    wide["negative_inside"] = (wide["negative"] > 0.5).where(wide["negative"].notna()).astype(float)
    return wide


def zipf_by_image(table: pd.DataFrame) -> pd.DataFrame:
    """A row an image, and its figures once more under ``@concentrated`` or ``@level`` in these quarters."""
    used = table[~table["constant"]].set_index("image").drop(columns=["constant"])
    for standard in ("max", "percentile"):
        used[f"right_{standard}"] = 100.0 * (used[f"iou_{standard}"] >= IOU_AT_LEAST)
    quarter = max(1, len(used) // 4)  # the table is in descending order of concentration
    parts = {"concentrated": used.iloc[:quarter], "level": used.iloc[-quarter:]}
    names = [f"{what}_{standard}" for what in ("share", "right") for standard in ("max", "percentile")]
    return used.assign(**{f"{name}@{part}": its[name] for part, its in parts.items() for name in names})


def intensity_by_image(table: pd.DataFrame) -> pd.DataFrame:
    """A row an image, a figure for each intensity."""
    wide = table.pivot_table(index="image", columns="intensity", values=["distance", "cosine", "length"], sort=False)
    figures, intensities = (wide.columns.get_level_values(level) for level in (0, 1))
    wide.columns = pd.Index([f"{figure}@{at:g}" for figure, at in zip(figures, intensities, strict=True)])
    return wide


def weights(cell: Cell, bench: Bench) -> Measured:
    """The share of negative weights of each class; classes stand where images stand elsewhere."""
    cam = bench.inference(bench.network(cell.settings["network"])).cam
    weight = find_fc(cam.model, cam.head).weight.detach().flatten(1).cpu().numpy()
    classes = tuple(f"class {number}" for number in range(len(weight)))
    return Measured(classes, {"negative": np.mean(weight < 0, axis=1).tolist()})
