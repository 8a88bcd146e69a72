"""camkit datasets: the formats that --dataset takes, with an example of each."""

from pathlib import Path

import click

from camkit.cli.groups import command, option, option_group
from camkit.cli.screen import json_option, wants_json, write_json
from camkit.cli.values import GivenPath
from camkit.data.formats.registry import READERS, Format
from camkit.errors import CamkitError


@command(short_help="List the data sets that --dataset takes, and what their files look like.")
@click.argument("contains", default="")
@option_group(
    "Data set",
    option("--root", type=GivenPath(path_type=Path), help="Say which format a folder, an archive or a file is in."),
    option("--split", default="val", show_default=True, help="With --root: the part of it that is asked for."),
)
@option_group("Results", json_option)
def datasets(contains: str, root: Path | None, split: str) -> None:
    """List the formats that --dataset takes, each with an example of its files, or those whose name contains CONTAINS.

    \b
    Examples:
      camkit datasets
      camkit datasets yolo
      camkit datasets --root my-data/ --split train
    """
    if root is not None:
        from camkit.data import find_format

        found = find_format(root, split)
        if wants_json():
            write_json({"dataset": found.name, "signs": list(found.signs)})
        else:
            click.echo(f"{root} is {found}: --dataset {found.name} --root {root}")
        return
    wanted = {name: one for name, one in READERS.items() if contains.lower() in name}
    if not wanted:
        raise CamkitError(f"no data set's name contains {contains!r}; camkit datasets lists all")
    if wants_json():
        listed = [{"name": name, "what": one.what, "corners": one.corners, "files": list(one.tree)}
                  for name, one in wanted.items()]  # fmt: skip
        write_json({"datasets": listed})
        return
    click.echo("\n\n".join(told(name, one) for name, one in wanted.items()))
    click.echo("\nauto finds out which of them --root is in. Corners: docs/formats.md")


def told(name: str, form: Format) -> str:
    """A format as the command prints it."""
    lines = [f"{name:<16} {form.what}", f"{'':<16} corners: {form.corners}"]
    for line in form.tree:
        path, _, meaning = line.partition("  ")
        lines.append(f"{'':<18} {path:<42} {meaning}".rstrip())
    return "\n".join(lines)
