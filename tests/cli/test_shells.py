"""Completion in the shells themselves, set up as docs/command-line.md says; those that are not installed skip."""

import os
import pty
import re
import shutil
import subprocess
import sys
import time

import pytest

BASH = """
eval "$(_CAMKIT_COMPLETE=bash_source camkit)"
complete -p camkit >/dev/null || exit 1
COMP_WORDS=(camkit localize --model resnet1) COMP_CWORD=3
_camkit_completion camkit
printf '%s\\n' "${COMPREPLY[@]}"
"""
FISH = """
_CAMKIT_COMPLETE=fish_source camkit | source
complete -C 'camkit localize --model resnet1'
"""
RESNETS = ["resnet18", "resnet101", "resnet152"]


@pytest.fixture
def env(tmp_path):
    """With a `camkit` that is this package, and a home of its own."""
    tool = tmp_path / "bin/camkit"
    tool.parent.mkdir()
    tool.write_text(f"#!{sys.executable}\nfrom camkit.cli import main\nmain()\n")
    tool.chmod(0o755)
    return {**os.environ, "PATH": f"{tool.parent}:{os.environ['PATH']}", "HOME": str(tmp_path), "TERM": "dumb"}


def need(shell):
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")


@pytest.mark.parametrize(
    ("shell", "script"),
    [pytest.param("bash", BASH, marks=need("bash")), pytest.param("fish", FISH, marks=need("fish"))],
)
def test_names_of_models_are_offered(env, shell, script):
    done = subprocess.run([shell, "-c", script], env=env, capture_output=True, text=True, check=True)
    assert sorted(line.split("\t")[0] for line in done.stdout.split("\n") if line) == sorted(RESNETS)


@need("zsh")
def test_zsh_completes_at_the_key(env):
    """Zsh completes at its line editor alone: it gets a terminal, and Tab."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe("zsh", ["zsh", "-f", "-i"], env)
    setup = 'PS1="ready> "; autoload -U compinit; compinit -u -D; eval "$(_CAMKIT_COMPLETE=zsh_source camkit)"\n'
    os.write(terminal, setup.encode())
    shown = read_until(terminal, r"\nready> ")
    os.write(terminal, b"camkit mode\t")
    shown = read_until(terminal, "models")
    os.write(terminal, b"\x15exit\n")
    os.waitpid(child, 0)
    assert "camkit models" in shown


def read_until(terminal, pattern, seconds=60):
    """What the terminal shows until something is there."""
    shown, end = "", time.monotonic() + seconds
    os.set_blocking(terminal, False)
    while not re.search(pattern, shown) and time.monotonic() < end:
        try:
            shown += os.read(terminal, 4096).decode(errors="replace")
        except BlockingIOError:
            time.sleep(0.05)
    return shown
