"""Several analyses at once: every image is read once and goes through the network once for all of them."""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from html import escape
from typing import Any

from camkit.analysis.channels import Channels, Pooled
from camkit.analysis.dispersion import Dispersion
from camkit.analysis.finding import Analysis, Finding
from camkit.analysis.intensity import Intensity
from camkit.analysis.ioa import IoA
from camkit.analysis.masking import Masking
from camkit.analysis.observation import MapObservation, Requirements
from camkit.analysis.observe import observe
from camkit.analysis.overlap import Coincidence, Overlap
from camkit.analysis.sweep import Sweep
from camkit.analysis.verdict import Verdict, verdict_of
from camkit.analysis.zipf import Falloff, Zipf
from camkit.data import AnnotatedSet
from camkit.errors import CamkitError
from camkit.figures import Example
from camkit.inference import Inference, Progress, no_progress
from camkit.localization import Failure

# Of what images leave for analyses.
PARTS = (Pooled, Coincidence, Falloff, Example)

ANALYSES: dict[str, type[Analysis[Any]]] = {
    analysis.name: analysis for analysis in (IoA, Zipf, Channels, Overlap, Dispersion, Intensity, Masking, Sweep)
}


@dataclass(frozen=True, eq=False)
class Findings:
    """What `analyze` found.

    Attributes
    ----------
    findings : dict from name to Finding
    failures : list of Failure
        Images, and lines of the data set, without a result.
    left_out : tuple of str
        Analyses that the data set cannot be asked for.
    passes : int
        Forward passes an image.
    """

    findings: dict[str, Finding]
    failures: list[Failure]
    left_out: tuple[str, ...]
    passes: int

    @property
    def verdict(self) -> Verdict:
        """Which of the papers' problems the classifier has; `camkit.analysis.verdict` has the rule."""
        return verdict_of(self.findings)

    def __repr__(self) -> str:
        return f"Findings({', '.join(self.findings)}; {len(self.failures)} failed)"

    def _repr_html_(self) -> str:
        parts = [f"<div><code>{escape(repr(self))}</code></div>"]
        for finding in self.findings.values():
            notes = "".join(f"<div>{escape(note)}</div>" for note in finding.notes)
            picture = b64encode(finding._repr_png_()).decode()
            parts.append(f"<div><code>{escape(repr(finding))}</code>{notes}"
                         f'<img alt="{escape(finding.name)}" src="data:image/png;base64,{picture}"></div>')  # fmt: skip
        return "".join(parts)


def requirements_of(*names: str) -> Requirements:
    """What the analyses of these names want of each image, for `observe`."""
    return _combined(make_analyses(names))


def make_analyses(names: Sequence[str], settings: Mapping[str, Mapping[str, Any]] | None = None) -> list[Analysis[Any]]:
    """Analyses by name, each with its settings; "all" is every one.

    Raises
    ------
    CamkitError
        No or an unknown name.
    """
    wanted = list(ANALYSES) if "all" in names else list(dict.fromkeys(names))
    unknown = [name for name in wanted if name not in ANALYSES]
    if unknown or not wanted:
        raise CamkitError(f"no analysis is called {', '.join(unknown) or 'nothing'}: choose all, {', '.join(ANALYSES)}")
    return [ANALYSES[name](**(settings or {}).get(name, {})) for name in wanted]


def analyze(
    inference: Inference,
    dataset: AnnotatedSet,
    names: Sequence[str] = ("all",),
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    progress: Progress = no_progress,
    **reading: Any,
) -> Findings:
    """Run analyses over a split of a data set.

    Parameters
    ----------
    inference : Inference
    dataset : AnnotatedSet
        Its records need a label. Without a single ground-truth box "all" leaves out the analyses that need boxes.
    names : sequence of str
        "ioa", "zipf", "channels", "overlap", "dispersion", "intensity", "masking", "sweep", or "all".
    settings : mapping from name to mapping, optional
        What the function of that name takes: ``{"zipf": {"theta": 0.2}}``.
    progress : Progress
    **reading
        fit, batch_size, workers, max_pixels, as of `observe`.

    Raises
    ------
    CamkitError
        An unknown name, a data set without what an analysis needs, classes that the model does not have, or no image
        that could be analysed.

    Examples
    --------
    >>> from camkit import analysis, load_classifier
    >>> from camkit.data import read_dataset
    >>> from camkit.inference import Inference
    >>> inference = Inference(load_classifier("tiny"), "cpu", "fp32")
    >>> dataset = read_dataset("tiny-imagenet", "tiny-imagenet/", "val")  # doctest: +SKIP
    >>> found = analysis.analyze(inference, dataset, ["ioa", "zipf"])  # doctest: +SKIP
    >>> found.findings["zipf"].table  # doctest: +SKIP
    >>> found.findings["zipf"].plot()  # doctest: +SKIP
    """
    analyses = Analyses(dataset, names, settings)
    failures = [Failure("", problem) for problem in dataset.problems]
    for measured in progress(analyses.images(inference, dataset, **reading), len(dataset.records)):
        failures.append(measured) if isinstance(measured, Failure) else analyses.add(measured)
    return analyses.findings(failures)


class Analyses:
    """Several analyses on their way over the images of a split.

    Parameters
    ----------
    dataset : AnnotatedSet
        The whole of it.
    names, settings
        As of `analyze`.

    Raises
    ------
    CamkitError
        An unknown name, or a data set without what an analysis needs.
    """

    def __init__(
        self, dataset: AnnotatedSet, names: Sequence[str], settings: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        wanted = make_analyses(names, settings)
        left_out = [] if dataset.has_boxes else [analysis.name for analysis in wanted if analysis.requirements.boxes]
        if left_out and "all" not in names:
            raise CamkitError(
                f"{', '.join(left_out)} needs ground-truth boxes and {dataset.name} has none in split "
                f"{dataset.split!r}: choose another split or analysis"
            )
        self.dataset, self.left_out, self.done = dataset, tuple(left_out), 0
        self.analyses = [analysis for analysis in wanted if analysis.name not in left_out]
        self.requirements = _combined(self.analyses)

    def images(self, inference: Inference, dataset: AnnotatedSet, **reading: Any) -> Iterator[list[Any] | Failure]:
        """What each image of the split, or of a part of it, leaves for each analysis, in order."""

        def measure(observation: MapObservation) -> list[Any]:
            return [analysis.measure(observation) for analysis in self.analyses]

        return observe(inference, dataset, self.requirements, measure, **reading)

    def slim(self, measured: Sequence[Any]) -> list[Any]:
        """What an image leaves, without what `add` would drop."""
        return [analysis.slim(part) for analysis, part in zip(self.analyses, measured, strict=True)]

    def add(self, measured: Sequence[Any]) -> None:
        """Take in an image."""
        self.done += 1
        for analysis, part in zip(self.analyses, measured, strict=True):
            analysis.add(part)

    def findings(self, failures: list[Failure]) -> Findings:
        """What all images together say; `CamkitError` where there is none."""
        if not self.done:
            raise CamkitError(
                f"none of the {len(failures)} images of {self.dataset.name} could be analysed: {failures[0].reason}"
            )
        findings = {analysis.name: analysis.finding() for analysis in self.analyses}
        return Findings(findings, failures, self.left_out, self.requirements.passes)


def _combined(analyses: Sequence[Analysis[Any]]) -> Requirements:
    return reduce(Requirements.__or__, (analysis.requirements for analysis in analyses), Requirements(head=False))
