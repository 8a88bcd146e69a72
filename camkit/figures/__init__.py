"""Pictures. Arrays and tables in, pixels or a matplotlib Axes out."""

from camkit.figures.curves import plot_curve
from camkit.figures.localization import overlay, plot_localization
from camkit.figures.surfaces import plot_surface
from camkit.figures.training import plot_training

__all__ = ["overlay", "plot_curve", "plot_localization", "plot_surface", "plot_training"]
