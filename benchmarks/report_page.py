"""How fluent the page is with many images: a made run, its page's building, and the page in a headless Chromium.

    python benchmarks/report_page.py --images 5000 --work /tmp/page

Needs playwright and Debian's chromium, as tests/report/test_browser.py does.
"""

import argparse
import json
import resource
import shutil
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from playwright.sync_api import sync_playwright

from camkit.metrics.intervals import accuracy
from camkit.output.class_maps import CLASS_MAPS, ClassMapWriter, SavedMaps
from camkit.recipe import RECIPES
from camkit.runs.report import run_report

SCROLL = """
async () => {
  const times = [];
  let before = performance.now();
  for (let i = 0; i < 120; i++) {
    scrollBy(0, 900);
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    times.push(now - before);
    before = now;
  }
  times.sort((a, b) => a - b);
  return { median: times[60], p95: times[114], most: times[119], cards: document.querySelectorAll(".card").length };
}
"""
FILTER = """
async () => {
  const at = (id) => document.getElementById(id);
  const begin = performance.now();
  at("sort").value = "difference";
  at("outcome").value = "missed";
  at("sort").dispatchEvent(new Event("input", { bubbles: true }));
  const before = at("count").textContent;
  while (at("count").textContent === before) await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
  return performance.now() - begin;
}
"""


def make_run(folder: Path, images: int) -> Path:
    """A run of ablate with two recipes, as its files are: drawn photographs, made maps."""
    rng, out = np.random.default_rng(0), folder / "run"
    (folder / "photographs").mkdir(parents=True)
    out.mkdir()
    recipes = {name: RECIPES[name] for name in ("cam", "nwc+pas")}
    rows, listing = [], ["image,label,x0,y0,x1,y1"]
    with ClassMapWriter(out / CLASS_MAPS) as writer:
        for i in range(images):
            name, size = f"photographs/{i:05}.jpg", (60, 80)
            coarse = rng.integers(0, 255, (6, 8, 3), np.uint8)
            Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC).save(folder / name, quality=85)
            maps = {weighting: torch.from_numpy(rng.random((7, 7), np.float32)) for weighting in ("signed", "positive")}
            writer.add(SavedMaps(size, None, maps))
            truth = (10, 10, 10 + int(rng.integers(10, 60)), 10 + int(rng.integers(10, 45)))
            listing.append(f"{name},{i % 100},{','.join(map(str, truth))}")
            for recipe in recipes:
                iou = float(rng.random())
                rows.append((recipe, name, i % 100, i % 100, *truth, 0.3, 0.3, iou, iou >= 0.5))
    (folder / "val.csv").write_text("\n".join(listing) + "\n")
    columns = ["recipe", "image", "label", "predicted", "x0", "y0", "x1", "y1", "share", "truth_share", "iou", "gt_loc"]
    table = pd.DataFrame(rows, columns=columns)
    table.to_csv(out / "per_image.csv", index=False)
    metrics = {}
    for recipe in recipes:
        found = accuracy(table[table["recipe"] == recipe]["gt_loc"].to_numpy(bool))
        metrics[recipe] = {"gt_loc": {**vars(found), "threshold_split": "fixed beforehand", "thresholds": []}}
    (out / "metrics.json").write_text(json.dumps(metrics))
    held = {name: recipe.to_dict() for name, recipe in recipes.items()}
    settings = {"model": "made", "recipes": held, "dataset": "csv", "root": str(folder), "split": "val"}
    table.assign(n=images)[["recipe", "n"]].drop_duplicates().to_csv(out / "ablation.csv", index=False)
    (out / "run.json").write_text(json.dumps({"settings": settings, "images": images}))
    return out


def main() -> None:
    """Make, build, look."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--work", type=Path, required=True)
    given = parser.parse_args()
    shutil.rmtree(given.work, ignore_errors=True)
    out = make_run(given.work, given.images)
    before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    report = run_report([out], given.work / "page.html")
    built, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print("\n".join(report.lines))
    size = (given.work / "page.html").stat().st_size / 1e6
    print(f"built in {built:.1f} s, {size:.1f} MB of HTML; memory {before / 1024:.0f} -> {after / 1024:.0f} MB")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1600, "height": 1000})
        tab.goto((given.work / "page.html").as_uri())
        tab.wait_for_load_state("load")
        paint = tab.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        load = tab.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
        scroll, sifted = tab.evaluate(SCROLL), tab.evaluate(FILTER)
        tab.evaluate("scrollTo(0, 0)")
        begin = time.perf_counter()
        tab.locator(".card").first.click()
        opened = time.perf_counter() - begin
        browser.close()
    print(f"first paint {paint:.0f} ms, loaded {load:.0f} ms; a step of the scroll {scroll['median']:.0f} ms (95 %: "
          f"{scroll['p95']:.0f}, most {scroll['most']:.0f}), {scroll['cards']} cards in the document; sort and filter "
          f"{sifted:.0f} ms; large view {1000 * opened:.0f} ms")  # fmt: skip


if __name__ == "__main__":
    main()
