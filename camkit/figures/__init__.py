"""Pictures. Arrays and tables in, pixels or a matplotlib Axes out."""

from camkit.figures.localization import overlay, plot_localization

__all__ = ["overlay", "plot_localization"]
