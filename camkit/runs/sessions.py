"""The parts of a run that goes on: what each of them ran on, and whether that may show in last digits."""

from collections.abc import Sequence
from typing import Any

from camkit.output.changes import flat


def mixed(sessions: Sequence[dict[str, Any]]) -> list[str]:
    """A line where the parts of a run ran on different things."""
    seen = [dict(flat(one)) for one in sessions]
    told = [f"{key} {' and '.join(values)}" for key in seen[0] if key not in ("max_pixels", "processes")
            and len(values := list(dict.fromkeys(str(one.get(key)) for one in seen))) > 1]  # fmt: skip
    return [f"note: parts of this run had {', '.join(told)}: last digits may differ"] if told else []
