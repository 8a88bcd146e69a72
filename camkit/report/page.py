"""The page itself: the template filled in, with nothing in it that runs but its own script, and put in place whole."""

import base64
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from io import BytesIO
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from camkit._version import __version__
from camkit.data.names import written_text
from camkit.figures.heat import colours
from camkit.figures.palette import BOXES, FIRST, SECOND
from camkit.output.files import whole
from camkit.output.owned import claim
from camkit.report.charts import Chart, charts_of
from camkit.report.gallery import Gallery, Json
from camkit.report.place import MARK, folder_of
from camkit.report.runs import Run
from camkit.report.tables import SHOWN, Group, Pair, by_class, by_size, figures_of, pairs_of, settings_of

WIDEST = 1600  # pixels of a figure of a run's


@dataclass(frozen=True, eq=False)
class Page:
    """What the template is filled with.

    Attributes
    ----------
    gallery : Gallery
    facts : list of dict
        One an item, for the script.
    notes : sequence of (str, str)
        Runs, and what is missing or broken in them.
    problems : sequence of str
        Pictures that cannot be read.
    inline : bool
        Whether pictures are inside.
    """

    gallery: Gallery
    facts: list[Json]
    notes: Sequence[tuple[str, str]]
    problems: Sequence[str]
    inline: bool
    most_failures: int = 2000

    @property
    def runs(self) -> Sequence[Run]:
        """In the order given."""
        return self.gallery.runs

    @cached_property
    def labels(self) -> list[str]:
        """Of the columns."""
        return [self.gallery.label(number) for number in range(len(self.gallery.columns))]

    def columns_of(self, run: int) -> list[int]:
        """A run's columns among all."""
        return [number for number, (r, _, _) in enumerate(self.gallery.columns) if r == run]

    def figures(self, column: int) -> list[Any]:
        """A column's figures with intervals."""
        return figures_of(dict(self.gallery.columns[column][2].metrics))

    def charts(self) -> list[Chart]:
        """Accuracy over the threshold."""
        return charts_of(self.labels, [column for _, _, column in self.gallery.columns])

    def classes(self, column: int) -> list[Group]:
        """By class."""
        table = self.gallery.columns[column][2].table
        return by_class(table, [written_text(name) for name in self.gallery.classes[column]])

    def sizes(self, column: int) -> list[Group]:
        """By the truth's share of the image."""
        return by_size(self.gallery.columns[column][2].table)

    def pairs(self) -> list[Pair]:
        """Every two columns."""
        return pairs_of([column.table for _, _, column in self.gallery.columns])

    def settings(self, run: int) -> list[tuple[str, str]]:
        """What a run was told and says of itself, but for the classes' names."""
        record = {key: value for key, value in self.runs[run].record.items() if key not in ("classes", "splits")}
        return [(written_text(name), written_text(text)) for name, text in settings_of(record)]

    def pictures_of(self, run: int) -> list[tuple[str, str]]:
        """Figures that a run left, as data URLs: calibrate's surface, each analysis'."""
        of = self.runs[run]
        names = [*of.analyses, *(["surface"] if of.kind == "calibrate" else [])]
        found = [(name, picture_url(of.path / f"{name}.png")) for name in names]
        return [(name, url) for name, url in found if url]

    def failures(self) -> list[tuple[str, str, str]]:
        """Runs, images and reasons."""
        return [(run.name, image, reason) for run in self.runs for image, reason in run.failures]

    @staticmethod
    def estimates(held: Json) -> list[tuple[str, str, str, str, int]]:
        """An analysis' figures with intervals, those in groups with the group's name before them."""
        found = []
        for name, value in held.items():
            group = {name: value} if is_estimate(value) else {}
            if isinstance(value, dict) and not group:
                group = {f"{name} {key}": one for key, one in value.items() if is_estimate(one)}
            for label, one in group.items():
                ends = ["unbounded" if one[end] is None else f"{one[end]:.3f}" for end in ("value", "low", "high")]
                found.append((label, *ends, int(one["n"])))
        return found  # type: ignore[return-value]

    def script_data(self) -> Markup:
        """What the page's script reads, but for the images' details."""
        sliders = self.gallery.sliders
        levels = {level: i for i, level in enumerate(sliders.levels)}
        held = {
            "items": self.facts,
            "columns": self.gallery.column_facts(),
            "kinds": self.gallery.map_facts(),
            "thetas": sliders.thetas,
            "rules": [
                {"name": rule.name, "words": rule.words, "percentiles": rule.percentiles, "start": rule.start,
                 "theta": sliders.thetas.index(rule.theta),
                 "pairs": [[levels[lo], levels[hi]] for lo, hi in rule.levels]}
                for rule in sliders.rules
            ],
            "colours": base64.b64encode(colours().tobytes()).decode(),
            "inline": self.inline,
        }  # fmt: skip
        return Markup(for_script(json.dumps(held)))


def is_estimate(held: Any) -> bool:
    """Whether it is a figure with its interval; an end without bound is null."""
    return isinstance(held, dict) and {"value", "low", "high", "n"} <= held.keys() and isinstance(held["n"], int)


def for_script(text: str) -> str:
    """JSON as it can stand in a script element: nothing in it ends the element or begins a comment."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def asset(name: str) -> str:
    """A file of the page's own."""
    return resources.files("camkit.report").joinpath("assets", name).read_text(encoding="utf-8")


def policy(style: str, script: str, *, inline: bool) -> str:
    """The Content-Security-Policy: the page's own style and script, known by their digests, and no request to anywhere.

    Where pictures lie beside the page it may show those, and nothing from elsewhere.
    """
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    images = "data: blob:" if inline else "data: blob: 'self' file:"
    return (f"default-src 'none'; style-src 'sha256-{digests[0]}'; script-src 'sha256-{digests[1]}'; "
            f"img-src {images}; base-uri 'none'; form-action 'none'")  # fmt: skip


def render(page: Page, stage: Path, pictures: str) -> Iterator[str]:
    """The page in pieces, so that memory does not hold it.

    Parameters
    ----------
    page : Page
    stage : Path
        With ``details.jsonl`` and ``pictures/``.
    pictures : str
        The folder beside the page, as its addresses have it.
    """
    environment = Environment(loader=PackageLoader("camkit.report", "assets"), autoescape=True,
                              undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # fmt: skip
    environment.filters["plain"] = written_text
    style = palette() + asset("page.css")
    script = asset("page.js")
    yield from environment.get_template("page.html.j2").generate(
        page=page, style=Markup(style), script=Markup(script), mark=Markup(MARK), version=__version__,
        policy=policy(style, script, inline=page.inline), details=details(stage), folder=pictures, shown=SHOWN,
        pictures=inlined(stage) if page.inline else (),
    )  # fmt: skip


def palette() -> str:
    """The colours of camkit's figures, as the style sheet's variables."""
    named = {"truth": BOXES["truth"][0], "first": BOXES["percentile"][0], "second": BOXES["max"][0],
             "ink": FIRST.colour, "amber": SECOND.colour}  # fmt: skip
    return ":root{" + "".join(f"--camkit-{name}:{colour};" for name, colour in named.items()) + "}\n"


def details(stage: Path) -> Iterator[Markup]:
    """The images' details, a chunk at a time; `for_script` has been over them."""
    with (stage / "details.jsonl").open(encoding="ascii") as file:
        for line in file:
            yield Markup(line.rstrip("\n"))


def inlined(stage: Path) -> Iterator[tuple[str, str]]:
    """Names and base64 of all pictures, thumbnails first: they are wanted first."""
    names = sorted(os.listdir(stage / "pictures"), key=lambda name: (not name.endswith("s.jpg"), name))
    for name in names:
        yield name.removesuffix(".jpg"), base64.b64encode((stage / "pictures" / name).read_bytes()).decode()


def picture_url(path: Path) -> str:
    """A PNG that camkit drew as a data URL, at most `WIDEST` pixels wide; empty where it is none."""
    try:
        with Image.open(path, formats=["PNG"]) as image:
            picture = image.convert("RGB")
    except Exception:  # Pillow raises nearly every type on a broken file; a figure is a copy of numbers on the page
        return ""
    if picture.width > WIDEST:
        picture = picture.resize((WIDEST, round(picture.height * WIDEST / picture.width)))
    file = BytesIO()
    picture.quantize(128).save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def publish(page: Page, stage: Path, out: Path) -> None:
    """Put the page in place, and its pictures beside it where they are not inside."""
    beside = folder_of(out)
    old = stage / "old"
    with whole(out) as file:
        for piece in render(page, stage, beside.name):
            file.write(piece)
        file.flush()
        if beside.exists():
            os.replace(beside, old)
        try:
            if not page.inline:
                claim(stage / "pictures", sorted(os.listdir(stage / "pictures")))
                os.replace(stage / "pictures", beside)
        except OSError:
            if old.exists():
                os.replace(old, beside)
            raise
    shutil.rmtree(old, ignore_errors=True)
