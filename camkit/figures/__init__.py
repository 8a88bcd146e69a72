"""Pictures. Arrays and tables in, pixels or a matplotlib Axes out."""

from camkit.figures.curves import plot_curve
from camkit.figures.localization import overlay, plot_localization
from camkit.figures.loss_weights import plot_loss_weights
from camkit.figures.surfaces import plot_surface

__all__ = ["overlay", "plot_curve", "plot_localization", "plot_loss_weights", "plot_surface"]
