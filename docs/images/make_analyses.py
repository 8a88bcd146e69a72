"""Draws the figures of docs/analyses.md from what `camkit analyze all` wrote, without the data set's photographs.

python docs/images/make_analyses.py OUT docs/images
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from camkit import figures


def main(out: Path, target: Path) -> None:
    def table(name: str) -> pd.DataFrame:
        return pd.read_csv(out / f"{name}.csv")

    def summary(name: str) -> dict:
        return json.loads((out / f"{name}.json").read_text())

    zipf, sweep, channels, dispersion = table("zipf"), table("sweep"), table("channels"), table("dispersion")
    best = sweep.iloc[int(sweep["gt_loc"].to_numpy().argmax())]
    drawn = {
        "ioa": figures.plot_ioa(table("ioa"), summary("ioa")["rule"], np.linspace(0, 1, 21)),
        "zipf": figures.plot_zipf(
            zipf[~zipf["constant"]], table("zipf-curves"), [], summary("zipf")["theta"], summary("zipf")["percentile"]
        ),
        "channels": figures.plot_channels(channels[channels["fires"] > 0], table("channels-images")),
        "overlap": figures.plot_overlap(table("overlap-curve"), table("overlap-map"), None),
        "dispersion": figures.plot_dispersion(dispersion[dispersion["class_size"] > 1]),
        "intensity": figures.plot_intensity(table("intensity"), summary("intensity")["between_images"]),
        "masking": figures.plot_masking(table("masking")),
        "sweep": figures.plot_surface(sweep, (best["weighting"], best["percentile"], best["theta"])),
    }
    for name, ax in drawn.items():
        with (target / f"analysis-{name}.png").open("wb") as file:
            figures.save_figure(ax, file, "png")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
