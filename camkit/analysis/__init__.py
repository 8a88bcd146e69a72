"""The papers' analyses of a classifier on annotated images: which of the three problems does it have?

Each takes observations (`observe`) and gives a `Finding`: table, summary, figure. `analyze` runs several in one go.
"""

from camkit.analysis.analyze import ANALYSES, Findings, analyze, requirements_of
from camkit.analysis.channels import channels, pooled_values
from camkit.analysis.dispersion import dispersion
from camkit.analysis.finding import Analysis, Finding
from camkit.analysis.intensity import intensity
from camkit.analysis.ioa import ioa
from camkit.analysis.masking import masking
from camkit.analysis.observation import MapObservation, Observation, Requirements
from camkit.analysis.observe import observe
from camkit.analysis.overlap import overlap
from camkit.analysis.sweep import sweep
from camkit.analysis.verdict import Answer, Sign, Verdict, verdict_of
from camkit.analysis.zipf import zipf

__all__ = [
    "ANALYSES",
    "Analysis",
    "Answer",
    "Finding",
    "Findings",
    "MapObservation",
    "Observation",
    "Requirements",
    "Sign",
    "Verdict",
    "analyze",
    "channels",
    "dispersion",
    "intensity",
    "ioa",
    "masking",
    "observe",
    "overlap",
    "pooled_values",
    "requirements_of",
    "sweep",
    "verdict_of",
    "zipf",
]
