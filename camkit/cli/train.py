"""camkit train: a classifier from labelled images, measured after each epoch."""

from collections.abc import Iterator
from dataclasses import MISSING, replace
from functools import reduce
from pathlib import Path
from typing import Any, get_args

import click

from camkit.cli.catalog import METHODS, POOLS, Preset, why_no_model
from camkit.cli.checks import check_inputs, check_weights
from camkit.cli.elsewhere import near
from camkit.cli.groups import Decorator, command, option_group
from camkit.cli.groups import option as as_option
from camkit.cli.options import make_result_options
from camkit.cli.prepare import found_format, prepare, say_where
from camkit.cli.screen import finish, say, shows_progress, wants_json, write_json
from camkit.cli.values import device
from camkit.errors import CamkitError
from camkit.training.config import FIELDS, TYPES, make_settings, parse_toml, read_config, typed
from camkit.training.presets import preset, presets
from camkit.training.settings import TrainSettings, option, written
from camkit.training.shorthands import SHORTHANDS


def comma_separated(kind: type) -> Any:
    """Values with commas between them, all of one kind."""

    def parse(value: str) -> tuple[Any, ...]:
        try:
            return tuple(kind(part) for part in value.split(",")) if value else ()
        except ValueError:
            raise click.BadParameter(f"{value!r}: write numbers with commas between them") from None

    return parse


def key_value(value: str) -> tuple[str, Any]:
    """``KEY=VALUE``, the value as in TOML, or else as text."""
    key, equals, said = value.partition("=")
    if not (key and equals):
        raise click.BadParameter(f"{value!r}: write KEY=VALUE, such as p=0.5")
    try:
        return key, parse_toml(f"value = {said}", value)["value"]
    except CamkitError:
        return key, said


def _setting(name: str) -> Any:
    """The option for one of the settings."""
    one = FIELDS[name]
    said, default = one.metadata["help"], "" if one.default is MISSING else one.default
    if name == "method_options":
        return as_option("--method-option", name, type=key_value, metavar="KEY=VALUE", multiple=True, help=said)
    return _option(name, TYPES[name], default, said, one.metadata.get("choices"))


def _option(name: str, kind: Any, default: Any, said: str, choices: tuple[str, ...] | None) -> Any:
    """An option without a default of its own, so that a preset or file can give the value."""
    if kind is bool:
        flags = f"{option(name)}/--no-{name.replace('_', '-')}"
        return as_option(flags, name, default=None, help=f"{said}  [default: {'on' if default else 'off'}]")
    told = said if default in ("", ()) else f"{said}  [default: {written(default)}]"
    if get_args(kind):
        return as_option(option(name), name, type=comma_separated(get_args(kind)[0]), metavar="A,B,...", help=told)
    return as_option(option(name), name, type=click.Choice(choices) if choices else kind, help=told)


# In which group of --help each setting is; those that no group names are of training.
TRAINING = "Training"
GROUPS = {
    "Data set": ("dataset", "root", "split", "val_split"),
    "Network": ("backbone", "pool", "weights", "output_stride", "dilation"),
    "Method": ("method", "method_options", "adl_at"),
    "MinMaxCAM": tuple(SHORTHANDS),
    "Images": ("size", "resize", "crop_scale", "flip", "flip_vertical", "jitter"),
    "Validation": ("val_every", "val_recipe", "best", "pseudo_boxes"),
    TRAINING: (),
    "Running": ("precision", "workers", "device", "truncated", "cache", "accumulate", "save_every", "tensorboard"),
}


def groups() -> Iterator[Decorator]:
    """The settings as groups of options."""
    grouped = {name for names in GROUPS.values() for name in names}
    for title, names in (GROUPS | {TRAINING: tuple(name for name in FIELDS if name not in grouped)}).items():
        if title == "MinMaxCAM":
            yield option_group(title, *(_option(name, one.kind, one.default, one.help, one.choices)
                                        for name, one in SHORTHANDS.items()))  # fmt: skip
        else:
            yield option_group(title, *map(_setting, names))


preset_options = option_group(
    "Settings under a name, or from a file",
    as_option("--preset", "preset_name", metavar="NAME", type=Preset(),
              help="Settings under a name; what else is given wins."),
    as_option("--list-presets", is_flag=True, help="List the presets and stop."),
    as_option("--config", type=click.Path(dir_okay=False, path_type=Path),
              help="TOML file with settings; it wins over --preset, and options win over it."),
)  # fmt: skip

result_options = make_result_options(
    as_option("--resume", is_flag=True,
              help="Go on where a run stopped; without other options, as OUT/config.toml says."),
)  # fmt: skip


def settings_options(decorated: Any) -> Any:
    """Every setting as an option."""
    return reduce(lambda command, group: group(command), reversed(list(groups())), decorated)


@command(short_help="Train a classifier, GAP or TAP, and measure localization after each epoch.")
@preset_options
@settings_options
@result_options
def train(
    out: Path | None,
    preset_name: str | None,
    config: Path | None,
    list_presets: bool,
    resume: bool,
    overwrite: bool,
    **given: Any,
) -> None:  # fmt: skip
    """Train a classifier: OUT gets best.safetensors, last.safetensors, config.toml, log.csv, curve.png and run.json.

    \b
    Examples:
      camkit train --dataset shapes --root n=2000 --backbone vgg-small --pool tap:0.1 --weights none \\
          --size 64 --resize 64 --epochs 20 --lr 0.02 --out shapes-tap
      camkit train --preset rethinking/cub/vgg16-tap --root CUB_200_2011/ --out cub-vgg16-tap
      camkit train --resume --out cub-vgg16-tap
      torchrun --nproc-per-node 4 -m camkit train --preset rethinking/ilsvrc/vgg16-tap --root imagenet/ --out run
      camkit localize --model cub-vgg16-tap/best.safetensors --images photos/ --out found
    """
    if list_presets:
        if wants_json():
            write_json({"presets": list(presets())})
        else:
            click.echo("\n".join(presets()))
        return
    unnamed = out is None
    where: dict[str, Any] = {"out": out, "resume": resume, "overwrite": overwrite}
    prepare(where, silent=True)
    layers = [preset(preset_name)] if preset_name else []
    out = Path(where["out"])
    held = out / "config.toml"
    if config or (resume and not layers and held.exists()):
        layers.append(read_config(config or held))
    given["method_options"] = dict(given["method_options"]) or None
    layers.append(typed({name: value for name, value in given.items() if value is not None}, "the command line"))
    settings = make_settings(*layers)
    check_settings(settings)
    settings = replace(settings, dataset=found_format(settings.dataset, settings.root, settings.split))

    if unnamed:
        say_where(out)

    from camkit.runs.train import run_train

    report = run_train(
        settings,
        out,
        resume=resume,
        overwrite=overwrite,
        show_progress=shows_progress(),
        echo=say,
    )
    finish(report)


def check_settings(settings: TrainSettings) -> None:
    """Refuse names that are unknown and files that are not there, before torch is loaded.

    Raises
    ------
    CamkitError
    """
    check_inputs({"root": settings.root, "dataset": settings.dataset})
    unknown = [why_no_model(name) for name in (settings.backbone, f"wsol:{settings.backbone}")]
    if all(unknown):
        raise CamkitError(f"--backbone: {unknown[0]}")
    check_weights(settings.weights)
    device(settings.device)
    kind = settings.pool.partition(":")[0]
    if kind not in POOLS:
        raise CamkitError(f"--pool: no pooling {settings.pool!r}{near(kind, POOLS)}; known are {', '.join(POOLS)}")
    if ".py" in settings.method:  # whose path may hold anything
        return
    for name in settings.method.split("+"):
        if name not in METHODS:
            raise CamkitError(f"--method: no method {name!r}{near(name, METHODS)}; use {', '.join(METHODS)} or "
                              "path/to/file.py:Name")  # fmt: skip
