"""camkit demo: the main job on the embedded model and photographs, without a network."""

import sys
from pathlib import Path

import click

PHOTOGRAPHS = ("chelsea", "coffee", "rocket", "camera")


@click.command(short_help="Run the main job on the embedded model and photographs.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default="camkit-demo", show_default=True)
@click.option("--overwrite", is_flag=True, help="Remove what an earlier run left in --out.")
def demo(out: Path, overwrite: bool) -> None:
    """Run the main job on the embedded classifier and four photographs that come with scikit-image.

    \b
    Example:
      camkit demo && ls camkit-demo/overlays
    """
    import skimage.data
    from skimage.io import imsave

    from camkit.models import load_classifier
    from camkit.runs.localize import run_localize

    photographs = out / "photographs"
    photographs.mkdir(parents=True, exist_ok=True)
    for name in PHOTOGRAPHS:
        imsave(photographs / f"{name}.png", getattr(skimage.data, name)(), check_contrast=False)
    report = run_localize(
        load_classifier("tiny"),
        images=str(photographs),
        out=out,
        overwrite=overwrite,
        show_progress=sys.stderr.isatty(),
    )
    click.echo("\n".join(report.lines))
    sys.exit(1 if report.failed else 0)
