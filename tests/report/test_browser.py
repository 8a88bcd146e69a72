"""The page in a real browser, headless: sliders, filters, keys, hostile names, no request, no error, axe.

Without Chromium or playwright these skip; `.ci/run` installs both where it can.
"""

import json
import shutil

import numpy as np
import pytest
from report_runs import IMAGES, call

from camkit.boxes import THRESHOLDS, boxes_at_taus
from camkit.data.names import written_path
from camkit.output.class_maps import ClassMapReader
from camkit.recipe import RECIPES
from camkit.report.runs import read_run

playwright = pytest.importorskip(
    "playwright.sync_api", reason="the page's tests need playwright: pip install playwright"
)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="the page's tests need Chromium: apt-get install chromium")

WIDE, NARROW = (1600, 1000), (400, 800)


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium):
    """Opens a page; at the end: no error, no warning, no dialog, no request but for the page's own files."""
    told, contexts = [], []

    def open_page(path, size=WIDE, scheme="light"):
        context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        contexts.append(context)
        tab = context.new_page()
        tab.set_default_timeout(180_000)  # on a busy machine
        tab.on("console", lambda message: told.append(f"{message.type}: {message.text}"))
        tab.on("pageerror", lambda error: told.append(f"error: {error}"))
        tab.on("dialog", lambda dialog: (told.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        own = (path.as_uri(), path.with_name(f"{path.stem}_files").as_uri(), "data:", "blob:")
        tab.on("request", lambda request: None if request.url.startswith(own) else told.append(request.url))
        tab.goto(path.as_uri())
        tab.wait_for_load_state("load")
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert told == []


EVERY_STOP = """
([rule, step]) => {
  const at = (id) => document.getElementById(id);
  const move = (id, value) => { at(id).value = value; at(id).dispatchEvent(new Event("input", { bubbles: true })); };
  move("rule", rule);
  const many = !at("percentile-label").hidden;
  const found = [];
  for (let p = 0; p <= (many ? Number(at("percentile").max) : 0); p += step) {
    if (many) move("percentile", p);
    for (let t = 0; t <= Number(at("theta").max); t++) {
      move("theta", t);
      const rect = document.querySelector("#frame .box.cut .line");
      const drawn = rect && ["x", "y", "width", "height"].map((name) => Number(rect.getAttribute(name)));
      found.push([many ? at("percentile-value").textContent : null, at("theta-value").textContent,
                  at("box").textContent, drawn, at("iou").textContent]);
    }
  }
  return found;
}
"""


@pytest.mark.parametrize("kind", [0, 1])
def test_sliders_move_the_box_to_where_the_library_has_it(page, runs, opened, kind):
    tab = opened(page)
    tab.locator(".card").nth(5).click()
    tab.select_option("#kind", str(kind))
    weighting = ("signed", "positive")[kind]
    saved = ClassMapReader(runs.ablated / "class_maps.npz")[5]
    recipe = next(recipe for recipe in RECIPES.values() if recipe.weighting == weighting)
    score_map = recipe.score_maps(saved.maps[weighting][None], saved.size)[0].numpy()
    names = tab.eval_on_selector_all("#rule option", "options => options.map(option => option.textContent)")
    assert names[: len(THRESHOLDS)] == list(THRESHOLDS)
    for number, name in enumerate(names):
        stops = tab.evaluate(EVERY_STOP, [str(number), 25 if name == "ivr" else 1])
        taus = [float(THRESHOLDS[name](float(t), None if p is None else float(p))(score_map)) for p, t, *_ in stops]
        boxes = boxes_at_taus(score_map, taus).tolist()
        assert len(stops) >= 101
        for (_, _, told, drawn, _), box in zip(stops, boxes, strict=True):
            empty = box[2] <= box[0]
            assert told == ("empty" if empty else ", ".join(map(str, box)))
            assert drawn == (None if empty else [box[0], box[1], box[2] - box[0], box[3] - box[1]])
        assert len({tuple(box) for box in boxes}) > 20


def test_the_view_begins_where_the_run_cut(page, runs, opened):
    tab = opened(page)
    table = read_run(runs.ablated).columns[0].table
    for place in range(3):
        tab.locator(".card").nth(place).click()
        row = table.iloc[place]
        assert tab.text_content("#box") == ", ".join(str(row[side]) for side in ("x0", "y0", "x1", "y1"))
        assert float(tab.text_content("#iou")) == pytest.approx(row["iou"], abs=5e-4)
        tab.keyboard.press("Escape")


def test_wsol_boxes_are_looked_up_on_their_grid(page, runs, opened):
    tab = opened(page)
    tab.select_option("#first", label="wsol")
    tab.locator(".card").nth(4).click()
    row = read_run(runs.wsol).columns[0].table.iloc[4]
    assert tab.text_content("#box") == ", ".join(str(row[side]) for side in ("x0", "y0", "x1", "y1"))
    assert float(tab.text_content("#iou")) == pytest.approx(row["iou"], abs=5e-4)


def test_hostile_names_are_shown_as_text(page, opened):
    tab = opened(page)
    names = tab.locator(".card .name").all_text_contents()
    assert {'"><script>alert(1)<.png', "</script><img src=x onerror=alert(1)>.png", "a{{ 7*7 }}.png"} <= set(names)
    tab.locator(".card").first.click()
    assert tab.text_content("#view-name") == '"><script>alert(1)<.png'
    assert tab.locator("img[src=x]").count() == 0


def test_filters_and_orders(page, runs, opened):
    tab = opened(page)
    table = read_run(runs.ablated).columns[0].table
    count = tab.locator("#count")

    def shown():
        tab.wait_for_timeout(150)
        return tab.locator(".card .name").all_text_contents()

    tab.select_option("#outcome", "found")
    assert len(shown()) == table["gt_loc"].sum()
    assert count.text_content().startswith(f"{table['gt_loc'].sum()} of ")
    tab.select_option("#outcome", "failed")
    assert shown() == ["broken.png"]
    tab.select_option("#outcome", "")
    tab.fill("#iou-low", "0.2")
    tab.fill("#iou-high", "0.6")
    assert len(shown()) == table["iou"].between(0.2, 0.6).sum()
    tab.click("text=Show all")
    assert len(shown()) >= IMAGES + 1
    tab.fill("#name", "drawn/0")
    assert len(shown()) == sum(name.startswith("drawn/0") for name in table["image"]) * 2  # localize: two ranks
    tab.fill("#name", "")
    tab.select_option("#sort", "iou")
    tab.check("#descending")
    best = [written_path(name) for name in table.sort_values("iou", ascending=False, kind="stable")["image"]]
    assert shown()[:IMAGES] == best
    tab.select_option("#second", label="ablated: NWC")
    tab.select_option("#sort", "difference")
    gain = read_run(runs.ablated).columns[1].table["iou"] - table["iou"]
    assert shown()[0] == written_path(table["image"][gain.idxmax()])
    tab.click("text=Show all")
    classes = tab.eval_on_selector_all("#class option", "options => options.map(option => option.value)")
    tab.select_option("#class", classes[1])
    assert 0 < len(shown()) < IMAGES + 1
    tab.click("text=Show all")
    tab.fill("#area-low", "101")
    assert shown() == []
    assert tab.is_visible("#none")


def test_everything_by_keyboard(page, opened):
    tab = opened(page)
    tab.locator(".card").first.focus()
    tab.keyboard.press("ArrowRight")
    second = tab.evaluate("document.activeElement.getAttribute('aria-label')")
    assert second == tab.locator(".card").nth(1).get_attribute("aria-label")
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.keyboard.press("End")
    assert tab.evaluate("Number(document.activeElement.parentElement.getAttribute('aria-posinset'))") == len(
        json.loads(tab.text_content("#data"))["items"]
    )
    tab.keyboard.press("Home")
    tab.keyboard.press("Enter")
    assert tab.is_visible("#view")
    assert tab.text_content("#place").startswith("1 of")
    tab.locator("#close").focus()
    tab.keyboard.press("ArrowRight")
    assert tab.text_content("#place").startswith("2 of")
    before = tab.text_content("#theta-value")
    tab.locator("#theta").focus()
    tab.keyboard.press("ArrowRight")
    assert float(tab.text_content("#theta-value")) == pytest.approx(float(before) + 0.01)
    assert tab.text_content("#place").startswith("2 of")
    tab.keyboard.press("Escape")
    assert not tab.is_visible("#view")
    tab.wait_for_function("Number(document.activeElement.parentElement?.getAttribute('aria-posinset')) === 2")
    tab.locator("[role=tab]").first.focus()
    tab.keyboard.press("ArrowRight")
    assert tab.is_visible("#figures")
    assert not tab.is_visible("#pictures")


def test_pictures_are_there_inside_and_beside(page, runs, opened, tmp_path):
    call("report", runs.plain, "--out", tmp_path / "page.html", "--inline-limit", "0")
    for path in (page, tmp_path / "page.html"):
        tab = opened(path)
        tab.wait_for_function("[...document.querySelectorAll('.card img')].every(one => one.complete)")
        widths = tab.eval_on_selector_all(".card img", "all => all.map(one => one.naturalWidth)")
        assert len(widths) >= 10
        assert min(widths) > 0


@pytest.fixture
def clean():
    """Checks that axe finds nothing in a tab, and that nothing is wider than its window."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python")

    def check(tab, where):
        found = axe.Axe().run(tab)
        assert found.violations_count == 0, f"{where}: {found.generate_report()}"
        assert tab.evaluate("document.documentElement.scrollWidth") <= tab.viewport_size["width"], where

    return check


@pytest.mark.parametrize("size", [WIDE, NARROW])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_overflows(page, opened, clean, size, scheme):
    tab = opened(page, size, scheme)
    clean(tab, "pictures")
    tab.evaluate("document.getElementById('count').scrollIntoView()")
    tab.locator(".card").nth(2).click()
    clean(tab, "view")
    tab.keyboard.press("Escape")
    for name in ("figures", "groups", "failures", "settings"):
        tab.click(f"#tab-{name}")
        clean(tab, name)
    tab.click("#theme")
    clean(tab, "the other colours")


def test_the_page_of_an_analysis(place, opened, clean):
    """Photographs with their truth, and nothing to choose boxes of."""
    out = place / "out/analysed"
    call("analyze", "zipf", "--model", f"{place}/net.py:build", "--dataset", "csv", "--root", place, "--out", out,
         expect=(1,))  # fmt: skip
    call("report", out)
    tab = opened(out / "report.html", NARROW)
    assert tab.inner_text("#count") == f"{IMAGES + 1} pictures"  # with the one that failed
    assert not tab.locator("#first").is_visible()
    assert not tab.locator("#second").is_visible()
    clean(tab, "pictures")
    tab.locator(".card").nth(2).click()
    clean(tab, "view")
    tab.keyboard.press("Escape")
    tab.click("#tab-figures")
    assert "zipf" in tab.inner_text("#figures").lower()


def test_the_theme_is_switched(page, opened):
    tab = opened(page, scheme="dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    before = tab.evaluate(paper)
    tab.click("#theme")
    assert tab.evaluate(paper) != before
    assert np.mean([int(part) for part in tab.evaluate(paper)[4:-1].split(",")]) > 200
