"""Commands whose `--help` lists options in named groups, and which name all that is missing in a line to copy."""

import shlex
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from typing import Any, TypeGuard

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

HELP = "Help"
DEMO = "demo"  # the parameter that stands for network and images


class Option(click.Option):
    """Click's, in a group of `--help`.

    Parameters
    ----------
    needed : str
        What stands for its value in a line to copy; such an option has to be given. Empty for all others.
    unless : tuple of str
        Parameters, one of which makes it needless.
    """

    group = HELP

    def __init__(self, *args: Any, needed: str = "", unless: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.needed, self.unless = needed, tuple(unless)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        record = super().get_help_record(ctx)
        required = record is not None and self.needed and not set(self.unless) - {DEMO}
        return (record[0], f"{record[1]}  [required]") if record and required else record

    @property
    def said(self) -> str:
        """What it is called in messages."""
        return self.opts[0]

    @property
    def example(self) -> str:
        """How it is written in a line to copy."""
        return self.opts[0] if self.is_flag else f"{self.opts[0]} {self.needed}"


class Argument(click.Argument):
    """Click's, that has to be given, with what stands for it in a line to copy."""

    unless = ()

    def __init__(self, *args: Any, needed: str, **kwargs: Any) -> None:
        super().__init__(*args, **{"required": False, **kwargs})
        self.needed = self.example = needed

    @property
    def said(self) -> str:
        """What it is called in messages."""
        return (self.metavar or str(self.name)).rstrip(".")


def option(*names: str, **settings: Any) -> Decorator:
    """`click.option` for an `Option`."""
    return click.option(*names, cls=Option, **settings)


def option_group(title: str, *options: Decorator) -> Decorator:
    """Options as one decorator, listed by --help below the title, in the order written here."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        return reduce(lambda decorated, one: _entitled(one(decorated), title), reversed(options), command)

    return decorate


def _entitled(command: Callable[..., Any], title: str) -> Callable[..., Any]:
    """The command, whose latest option belongs to the group `title`."""
    command.__click_params__[-1].group = title  # type: ignore[attr-defined]
    return command


class Missing(click.UsageError):
    """The call lacks what it needs; the message has a line that works."""


class Command(click.Command):
    """A command with groups of options."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                groups.setdefault(getattr(parameter, "group", HELP), []).append(record)
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        rest = super().parse_args(ctx, args)
        if not ctx.resilient_parsing and (missing := [one for one in self.params if _is_missing(one, ctx.params)]):
            raise Missing(_in_words(missing, f"{ctx.command_path} {shlex.join(given)}".strip()), ctx)
        return rest


def _is_missing(parameter: click.Parameter, given: dict[str, Any]) -> TypeGuard[Option | Argument]:
    """Whether it has to be given, and was not."""
    return (
        isinstance(parameter, (Option, Argument))
        and bool(parameter.needed)
        and not given.get(parameter.name or "")
        and not any(given.get(name) for name in parameter.unless)
    )


def _in_words(missing: Sequence[Option | Argument], call: str) -> str:
    *most, last = [one.said for one in missing]
    told = f"{', '.join(most)} and {last} are missing" if most else f"{last} is missing"
    line = " ".join([call, *(one.example for one in missing)])
    demo = [one for one in missing if DEMO not in one.unless]
    if len(demo) == len(missing):
        return f"{told}, as in: {line}"
    return f"{told}, as in: {line}; on drawn images: {' '.join([call, *(one.example for one in demo), '--demo'])}"


class Group(click.Group):
    """Commands in sections.

    Parameters
    ----------
    sections : dict from title to commands
    """

    def __init__(self, *args: Any, sections: dict[str, Sequence[click.Command]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sections = sections
        for commands in sections.values():
            for command in commands:
                self.add_command(command)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return [command.name or "" for commands in self.sections.values() for command in commands]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        for title, commands in self.sections.items():
            with formatter.section(title):
                formatter.write_dl([(command.name or "", command.get_short_help_str(100)) for command in commands])


def given_options(names: Iterable[str]) -> list[str]:
    """Those of a command's options that its user wrote."""
    context = click.get_current_context()
    return [
        f"--{name.replace('_', '-')}"
        for name in names
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    ]


def command(name: str | None = None, **settings: Any) -> Callable[[Callable[..., Any]], Command]:
    """`click.command` for a `Command`."""
    return click.command(name, cls=Command, **settings)
