"""Pictures. Arrays and tables in, pixels or a matplotlib Axes out."""

from camkit.figures.ablation import plot_ablation
from camkit.figures.by_class import plot_by_class
from camkit.figures.calibration import plot_calibration
from camkit.figures.channels import plot_channels
from camkit.figures.class_maps import plot_class_maps
from camkit.figures.comparison import ComparisonRow, plot_comparison
from camkit.figures.curves import plot_curve, plot_curves
from camkit.figures.examples import Example
from camkit.figures.forest import plot_forest
from camkit.figures.gains import plot_grid
from camkit.figures.grid import grid
from camkit.figures.ioa import plot_ioa
from camkit.figures.localization import plot_localization
from camkit.figures.overlap import plot_overlap
from camkit.figures.overlay import overlay, picture_size
from camkit.figures.palette import as_png, save_figure
from camkit.figures.pooled_features import plot_dispersion, plot_intensity, plot_masking
from camkit.figures.recipes import plot_recipes
from camkit.figures.surfaces import plot_surface
from camkit.figures.sweep import plot_sweep
from camkit.figures.training import plot_training
from camkit.figures.zipf import plot_zipf

__all__ = [
    "ComparisonRow",
    "Example",
    "as_png",
    "grid",
    "overlay",
    "picture_size",
    "plot_ablation",
    "plot_by_class",
    "plot_calibration",
    "plot_channels",
    "plot_class_maps",
    "plot_comparison",
    "plot_curve",
    "plot_curves",
    "plot_dispersion",
    "plot_forest",
    "plot_grid",
    "plot_intensity",
    "plot_ioa",
    "plot_localization",
    "plot_masking",
    "plot_overlap",
    "plot_recipes",
    "plot_surface",
    "plot_sweep",
    "plot_training",
    "plot_zipf",
    "save_figure",
]
