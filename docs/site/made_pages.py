"""Pages made from the source: every command's help, and every message that camkit can end with."""

import ast
import re
from pathlib import Path

import click

ROOT = Path(__file__).parents[2]
RAISED = {"CamkitError", "HeadNotFound", "UnreadableImage", "Diverged", "Refused", "Damaged", "Incomplete",
          "OutOfMemory"}  # fmt: skip
RAISED |= {"UsageError", "BadParameter"}  # Click's
RAISED |= {"failure"}  # of one image, handed on and not raised


def commands_page() -> str:
    """Each command with the help that it prints."""
    from camkit.cli import cli

    lines = ["# Every command", "", "What `camkit COMMAND --help` prints.", ""]
    for name, command in sorted(cli.commands.items()):
        context = click.Context(command, info_name=f"camkit {name}", max_content_width=76, terminal_width=76)
        lines += [f"## camkit {name}", "", "```text", command.get_help(context), "```", ""]
    return "\n".join(lines)


def messages() -> list[tuple[str, str]]:
    """Room and text of each message that the source raises; what is filled in when it happens is ….

    Returns
    -------
    list of (str, str)
        In the order of the files; a text with fewer than three words is passed over, it is made elsewhere.
    """
    found = []
    for path in sorted((ROOT / "camkit").rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        named = {target.id: node.value for node in tree.body if isinstance(node, ast.Assign)
                 for target in node.targets if isinstance(target, ast.Name)}  # fmt: skip
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _name(node.func) in RAISED:
                texts = [template(named.get(_name(argument), argument)) for argument in node.args]
                found += [(path.relative_to(ROOT / "camkit").parts[0], text) for text in texts if len(text.split()) > 2]
    return found


def template(node: ast.AST) -> str:
    """A string of the source, with … for each value that is filled in; "" for what is no string."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        parts = [template(part) if isinstance(part, ast.Constant) else "…" for part in node.values]
        return "".join(parts)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return (template(node.left) or "…") + (template(node.right) or "…")
    return ""


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def messages_page() -> str:
    """All messages by room, as a page."""
    lines = [
        "# Every message",
        "",
        "All one-line errors that the source has, by the room that they come from; … is filled in when it happens. "
        "[Troubleshooting](../troubleshooting.md) has the frequent ones with cause and cure.",
    ]
    by_room: dict[str, list[str]] = {}
    for room, text in messages():
        by_room.setdefault(room, []).append(" ".join(text.split()))
    for room, texts in by_room.items():
        lines += ["", f"## {room}", ""]
        lines += [f"- {_literally(text)}" for text in sorted(set(texts))]
    return "\n".join(lines) + "\n"


def _literally(text: str) -> str:
    """Text with what Markdown would read otherwise escaped."""
    return re.sub(r"([\\<>*_`|\[\]#])", r"\\\1", text)
