"""Settings under a name: `tiny`, and the cells of a paper's tables."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from camkit.errors import CamkitError
from camkit.training.config import parse_toml, typed

POOLS = ("gap", "tap")
SYSTEMS = ("minmaxcam", "acol", "spg", "eil", "danet", "i2c")  # each a file of cells: SYSTEM/DATA/BACKBONE


def preset(name: str) -> dict[str, Any]:
    """The values of a preset, typed; `CamkitError` where there is none of that name."""
    if name not in presets():
        raise CamkitError(f"no preset is called {name!r}: `camkit train --list-presets` lists them")
    return presets()[name]


@cache
def presets() -> dict[str, dict[str, Any]]:
    """All presets by name."""
    alone = {name: typed(_read(name), f"the preset {name}") for name in ("tiny", "tiny-finish")}
    of_systems = {name: cell for system in SYSTEMS for name, cell in _cells(system, _read(system))}
    return alone | dict(_rethinking(_read("rethinking"))) | of_systems


def _read(name: str) -> dict[str, Any]:
    from importlib import resources  # noqa: PLC0415 - a fifth of what `camkit --help` takes

    file = resources.files("camkit.training") / "presets" / f"{name}.toml"
    return parse_toml(file.read_text(encoding="utf-8"), str(file))


def _rethinking(tables: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each cell: what all have, then the data set's, the backbone's and the method's."""
    for data, values in tables["data"].items():
        for backbone, has in tables["backbones"].items():
            for pool in POOLS:
                for method, its in tables["methods"].items():
                    name = f"rethinking/{data}/{backbone}-{pool}" + (f"-{method}" if its else "")
                    cell = tables["all"] | values | {"backbone": backbone, "pool": has[pool]} | its
                    if data in has["on"]:
                        yield name, typed(cell, f"the preset {name}")


def _cells(system: str, tables: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each cell: what all have, then the data set's and the backbone's."""
    for data, values in tables["data"].items():
        for backbone, its in tables["backbones"].items():
            name = f"{system}/{data}/{backbone}"
            yield name, typed(tables["all"] | values | {"backbone": backbone} | its, f"the preset {name}")
