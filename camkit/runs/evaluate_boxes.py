"""`camkit evaluate --boxes`: annotated images and a file of boxes to figures."""

from dataclasses import asdict
from pathlib import Path

from camkit.data.formats.coco_files import find_annotations
from camkit.data.found_files import read_found_boxes
from camkit.evaluation import BoxOf, Further, evaluate_boxes, predict_classes
from camkit.evaluation.further import NOTHING
from camkit.models import Classifier
from camkit.runs.class_lines import class_lines
from camkit.runs.closing import Report
from camkit.runs.evaluate import FILES, report_of
from camkit.runs.facts import model_facts
from camkit.runs.grouped import lines_of_groups
from camkit.runs.measured import lines_of_one, write_table
from camkit.runs.measurement import Measurement
from camkit.runs.options import RunOptions
from camkit.runs.results import held


@held(FILES)
def run_evaluate_boxes(
    boxes: Path,
    options: RunOptions,
    *,
    box_of: BoxOf = "own",
    other: Classifier | None = None,
    further: Further = NOTHING,
) -> Report:
    """Measure the boxes in a file.

    Parameters
    ----------
    boxes : Path
        See `camkit.data.found_files`.
    options : RunOptions
    box_of : {"own", "own-or-miss", "any"}
        See `evaluate_boxes`.
    other : Classifier, optional
        Names the classes.
    further : Further
        What is measured besides.

    Raises
    ------
    CamkitError
        If the call cannot be carried out.
    """
    listing = find_annotations(options.root, options.split)[0] if options.dataset == "coco" else None
    read = read_found_boxes(boxes, listing)
    run = Measurement(options)
    (dataset,) = run.datasets
    classes = None if other is None else predict_classes(
        other, dataset, fit=options.fit, batch_size=options.batch_size, workers=options.workers or 0,
        device=options.device, max_pixels=options.max_pixels, progress=options.progress("classifier"))  # fmt: skip
    found = evaluate_boxes(read, dataset, box_of=box_of, classes=classes, further=further, seed=options.seed,
                           max_pixels=options.max_pixels, progress=options.progress("evaluate"))  # fmt: skip
    matches = [] if classes is None else [classes.match]
    settings = {
        "boxes": str(boxes),
        "box_of": box_of,
        "classifier": None if other is None else model_facts(other),
        "further": asdict(further),
    }
    evaluation = found.evaluation
    lines = [*class_lines(matches, dataset), *lines_of_one(evaluation), *lines_of_groups(evaluation, options.out)]

    def write_images(new: Path) -> None:
        write_table(new / "per_image.csv", evaluation.per_image)
        write_table(new / "misses.csv", found.misses)

    return report_of(run, evaluation, matches, settings, lines, write_more=write_images)
