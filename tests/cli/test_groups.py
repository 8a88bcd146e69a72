"""The command line before anything is loaded: groups of options, examples that parse, what a short call lacks."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from camkit.cli import SECTIONS, cli
from camkit.cli.catalog import FILES
from camkit.cli.groups import HELP
from camkit.cli.prepare import prepare

COMMANDS = [command for commands in SECTIONS.values() for command in commands]
NAMES = [command.name for command in COMMANDS]


def options_of(command):
    return [one for one in command.params if isinstance(one, click.Option)]


def examples_of(command):
    """The lines below "Examples:", those that go on in the next line whole."""
    text = command.help.replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if re.match(r" +(camkit|torchrun) ", line)]


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_every_option_is_in_a_named_group_and_says_what_it_means(command):
    for one in options_of(command):
        assert one.group != HELP, one.name
        assert one.help, one.name
    shown = CliRunner().invoke(cli, [command.name, "--help"]).output
    for title in {one.group for one in options_of(command) if not one.hidden}:
        assert f"\n{title}:\n" in shown
    assert "\nOptions:" not in shown


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_two_examples_and_more_that_parse(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    examples = examples_of(command)
    assert sum(f"camkit {command.name}" in line for line in examples) >= 2
    for line in examples:
        name, *arguments = shlex.split(line.partition("camkit ")[2])
        called = cli.commands[name]
        for file in (word.partition(":")[0] for word in arguments if FILES.search(word)):  # models that are there
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).touch()
        with called.make_context(name, [*arguments], parent=click.Context(cli, info_name="camkit")) as context:
            assert not context.args  # nothing is left over


def test_every_command_is_in_a_section():
    assert set(cli.commands) == set(NAMES)
    shown = CliRunner().invoke(cli, ["--help"]).output
    for title, commands in SECTIONS.items():
        assert re.search(rf"\n{title}:\n  {commands[0].name} ", shown)


def test_an_option_has_one_meaning_in_all_commands():
    """The same name reads the same kind of value; train's settings are TOML's, and it checks them itself."""
    kinds = {}
    for command in COMMANDS:
        if command.name == "train":
            continue
        for one in options_of(command):
            kinds.setdefault(one.opts[0], set()).add((type(one.type).__name__, one.is_flag, one.multiple))
    assert {name: kind for name, kind in kinds.items() if len(kind) > 1} == {}


def refusal(*arguments):
    done = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert isinstance(done.exception, click.UsageError), done.output
    return done.exception.format_message()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            "localize --images 'my photos'",
            "--model is missing, as in: cli localize --images 'my photos' --model resnet50",
        ),
        (
            "analyze ioa",
            "--model, --dataset and --root are missing, as in: "
            "cli analyze ioa --model resnet50 --dataset cub --root CUB_200_2011/",
        ),
        ("finetune-fc", "--minmax, --model, --dataset and --root are missing"),
        ("evaluate --maps theirs/", "--dataset and --root are missing"),
        ("ablate --dataset cub --root x", "--model is missing"),
        ("calibrate --model tiny --dataset cub --root x", "--test-split is missing"),
        ("inspect", "--model is missing, as in: cli inspect --model resnet50"),
    ],
)
def test_a_short_call_is_told_all_that_is_missing_in_a_line_to_copy(call, says):
    said = refusal(*shlex.split(call))
    assert says in said
    line = said.partition("as in: cli ")[2].partition(";")[0]
    name, *arguments = shlex.split(line)
    cli.commands[name].make_context(name, arguments)  # the line parses


def test_the_message_is_one_line_on_standard_error():
    done = subprocess.run(
        [sys.executable, "-m", "camkit", "analyze", "ioa"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"camkit: .* as in: .* analyze ioa --model resnet50 .*\n", done.stderr)


def folder_for(**options):
    options = {"out": None, "overwrite": False, **options}
    with click.Context(cli.commands["localize"], info_name="localize").scope():
        prepare(options)
    return options["out"]


def test_results_go_to_the_next_free_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert folder_for() == Path("camkit-localize")
    assert capsys.readouterr().err == "note: results go to camkit-localize/\n"
    os.mkdir("camkit-localize")
    assert folder_for() == Path("camkit-localize-2")
    os.symlink("nowhere", "camkit-localize-2")  # a name that is taken, though nothing is behind it
    assert folder_for() == Path("camkit-localize-3")
    assert folder_for(overwrite=True) == Path("camkit-localize")
    assert folder_for(out=Path("mine")) == Path("mine")
    with pytest.raises(click.UsageError, match="--resume goes on with a run: name its folder with --out"):
        folder_for(resume=True)
    assert sorted(os.listdir()) == ["camkit-localize", "camkit-localize-2"]
