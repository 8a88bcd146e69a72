"""camkit train: a classifier from labelled images, measured after each epoch."""

import sys
from dataclasses import MISSING
from pathlib import Path
from typing import Any, get_args

import click

from camkit.cli.ending import finish
from camkit.cli.options import GivenPath, option_group
from camkit.errors import CamkitError
from camkit.training.config import FIELDS, TYPES, make_settings, parse_toml, read_config, typed
from camkit.training.presets import preset, presets
from camkit.training.settings import option, written
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
        return click.option("--method-option", name, type=key_value, metavar="KEY=VALUE", multiple=True, help=said)
    return _option(name, TYPES[name], default, said, one.metadata.get("choices"))


def _option(name: str, kind: Any, default: Any, said: str, choices: tuple[str, ...] | None) -> Any:
    """An option without a default of its own, so that a preset or file can give the value."""
    if kind is bool:
        flags = f"{option(name)}/--no-{name.replace('_', '-')}"
        return click.option(flags, name, default=None, help=f"{said}  [default: {'on' if default else 'off'}]")
    told = said if default in ("", ()) else f"{said}  [default: {written(default)}]"
    if get_args(kind):
        return click.option(option(name), name, type=comma_separated(get_args(kind)[0]), metavar="A,B,...", help=told)
    return click.option(option(name), name, type=click.Choice(choices) if choices else kind, help=told)


shorthand_options = option_group(*(_option(name, one.kind, one.default, one.help, one.choices)
                               for name, one in SHORTHANDS.items()))  # fmt: skip
settings_options = option_group(*map(_setting, FIELDS))


@click.command(short_help="Train a classifier, GAP or TAP, and measure localization after each epoch.")
@click.option("--out", type=GivenPath(file_okay=False, path_type=Path), help="Folder for the results.")
@click.option("--preset", "preset_name", metavar="NAME", help="Settings under a name; what else is given wins.")
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="TOML file with settings; it wins over --preset, and options win over it.",
)
@click.option("--list-presets", is_flag=True, help="List the presets and stop.")
@click.option(
    "--resume", is_flag=True, help="Go on where a run stopped; without other options, as OUT/config.toml says."
)
@click.option("--overwrite", is_flag=True, help="Remove what an earlier run left in --out.")
@shorthand_options
@settings_options
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
        click.echo("\n".join(presets()))
        return
    if out is None:
        raise CamkitError("--out is missing: name a folder for the results")
    layers = [preset(preset_name)] if preset_name else []
    held = out / "config.toml"
    if config or (resume and not layers and held.exists()):
        layers.append(read_config(config or held))
    given["method_options"] = dict(given["method_options"]) or None
    layers.append(typed({name: value for name, value in given.items() if value is not None}, "the command line"))
    settings = make_settings(*layers)

    from camkit.runs.train import run_train

    report = run_train(
        settings,
        out,
        resume=resume,
        overwrite=overwrite,
        show_progress=sys.stderr.isatty(),
        echo=click.echo,
    )
    finish(report)
