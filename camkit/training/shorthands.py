"""Names of their own for a method's options: ``--minmax --crr 10`` is ``--method minmax --method-option crr=10``.

The command line has them as options and presets as keys, and so have the files of camkit 0.1.0; settings do not.
"""

from dataclasses import dataclass
from typing import Any

from camkit.errors import CamkitError
from camkit.training.settings import option, written

MINMAX = "minmax"


@dataclass(frozen=True)
class Shorthand:
    """One of them.

    Attributes
    ----------
    kind : type
    default : Any
        The method's own.
    help : str
    choices : tuple of str
        Empty for any.
    """

    kind: type
    default: Any
    help: str
    choices: tuple[str, ...] = ()


SHORTHANDS = {
    "minmax": Shorthand(bool, False, "MinMaxCAM: after each step, one on fc's weight alone, along its two losses."),
    "crr": Shorthand(float, 1.0, "MinMaxCAM: weight of CRR, which narrows maps."),
    "frr": Shorthand(float, 1.0, "MinMaxCAM: weight of FRR, which widens maps."),
    "sets": Shorthand(int, 12, "MinMaxCAM: sets in a batch, over all processes."),
    "set_size": Shorthand(int, 5, "MinMaxCAM: images of one class in a set."),
    "norm": Shorthand(
        str,
        "mean",
        "MinMaxCAM: mean over channels, as published weights are meant, or sum, as the paper prints it.",
        ("mean", "sum"),
    ),
}


def expanded(values: dict[str, Any]) -> dict[str, Any]:
    """Values of settings without shorthands: the method is told, and its options are among its options.

    Raises
    ------
    CamkitError
        An option of the method's is given, and not the method.
    """
    values = dict(values)
    method, wanted = values.get("method", "none"), values.pop(MINMAX, False)
    given = {name: values.pop(name) for name in SHORTHANDS if name in values}
    there = method == MINMAX or method.endswith(f"+{MINMAX}")
    if not (wanted or there):
        for name, value in given.items():
            if value != SHORTHANDS[name].default:  # files of 0.1.0 hold all of them
                raise CamkitError(f"{option(name)} {written(value)}: it is MinMaxCAM's, give --minmax as well")
        return values
    if not there:
        values["method"] = MINMAX if method == "none" else f"{method}+{MINMAX}"
    values["method_options"] = {**values.get("method_options", {}), **given}
    return values
