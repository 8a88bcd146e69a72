"""An evaluation as a notebook shows it: a table of its figures with their intervals."""

from collections.abc import Mapping, Sequence
from html import escape

from camkit.metrics import Result

Results = Mapping[str, Result]


def evaluation_html(
    classification: Results, localization: Mapping[str, Results], notes: Sequence[str], said: str
) -> str:
    """Figures of classes as a line, those of each recipe as a row, and what was not measured; all text is escaped."""
    figures = list(dict.fromkeys(name for results in localization.values() for name in results))
    head = "".join(f"<th>{escape(name)}</th>" for name in ("recipe", *figures))
    rows = [
        f"<tr><th>{escape(recipe)}</th>{''.join(_cell(results.get(name)) for name in figures)}</tr>"
        for recipe, results in localization.items()
    ]
    lines = [f"{name}: {_words(result)}" for name, result in classification.items()] + list(notes)
    below = "".join(f"<div>{escape(line)}</div>" for line in lines)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return f"<div><div><code>{escape(said)}</code></div>{table}{below}</div>"


def _cell(result: Result | None) -> str:
    return "<td></td>" if result is None else f"<td>{escape(_words(result))}</td>"


def _words(result: Result) -> str:
    return f"{result.value:.2f} ({result.low:.2f} to {result.high:.2f})"
