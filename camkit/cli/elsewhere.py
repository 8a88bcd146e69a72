"""Models of other libraries by name: what can be told of them from what is installed, without importing it.

timm, torchvision and open_clip import torch, which takes seconds; their names stand in their sources and
configurations.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

REGISTERED = re.compile(r'^@register_model\((?:name="([^"]+)")?.*\)\n(?:@.*\n|    .*\n|\)\n)*def (\w+)\(', re.MULTILINE)
ENTRY_POINT = re.compile(r"^@register_model\n(?:@.*\n|#.*\n)*def (\w+)\(", re.MULTILINE)
FORMER = re.compile(r"^register_model_deprecations\(__name__, \{(.*?)^\}\)", re.MULTILINE | re.DOTALL)
HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
WEIGHTS_FILE = re.compile(r"/|\.(safetensors|pth?|bin|ckpt|pth\.tar|index\.json)(:|$)", re.IGNORECASE)
EXTRAS = {"timm": "timm", "hf": "transformers", "open_clip": "open_clip"}  # prefixes, and what they import
PACKAGE_EXTRA = {"timm": "timm", "transformers": "hf", "open_clip": "clip", "pyarrow": "parquet"}


def near(name: str, known: Sequence[str]) -> str:
    """``; did you mean ...?``, or nothing."""
    from difflib import get_close_matches  # what --help does not need is not loaded for it

    plain = {one.lower().replace("-", "_"): one for one in known}
    found = [plain[one] for one in get_close_matches(name.lower().replace("-", "_"), plain)]
    return f"; did you mean {', '.join(found)}?" if found else ""


@cache
def torchvision_names() -> tuple[str, ...]:
    """The classifiers that the installed torchvision registers; none without it."""
    found = (match for text in _sources("torchvision") for match in REGISTERED.findall(text))
    return tuple(name or function for name, function in found)


@cache
def timm_names() -> tuple[str, ...]:
    """The architectures of the installed timm; none without it."""
    return tuple(name for text in _sources("timm") for name in ENTRY_POINT.findall(text))


@cache
def former_timm_names() -> frozenset[str]:
    """Names that timm still takes for others."""
    blocks = (block for text in _sources("timm") for block in FORMER.findall(text))
    return frozenset(name for block in blocks for name in re.findall(r"""^\s*['"]([^'"]+)['"]:""", block, re.MULTILINE))


@cache
def open_clip_names() -> tuple[str, ...]:
    """The models that the installed open_clip has a configuration of; none without it."""
    files = (file for folder in _folders("open_clip") for file in sorted((folder / "model_configs").glob("*.json")))
    return tuple(file.stem for file in files)


def refusal(spec: str) -> str:
    """Why a library has no such model, or cannot be asked; nothing where that shows only once it is imported.

    Parameters
    ----------
    spec : str
        ``timm:NAME``, ``hf:NAME`` or ``open_clip:NAME@WEIGHTS``.
    """
    prefix, _, name = spec.partition(":")
    package = EXTRAS[prefix]
    return missing(package, f"{prefix}: models") or REFUSALS[prefix](spec, name)


def missing(package: str, what: str) -> str:
    """Which extra installs the package, where it is not there."""
    if find_spec(package):
        return ""
    return f"{what} need {package}, which is not installed; run pip install 'camkit[{PACKAGE_EXTRA[package]}]'"


def _of_timm(spec: str, name: str) -> str:  # noqa: ARG001 - as the others are called
    known, architecture = timm_names(), name.partition(".")[0]
    if not known or architecture in known or architecture in former_timm_names():
        return ""
    return f"timm has no model {name!r:.80}{near(architecture, known)}"


def _of_hf(spec: str, name: str) -> str:
    path, wanted = Path(name).expanduser(), "give one with config.json and model.safetensors"
    if name and path.is_dir():
        described = any((path / file).is_file() for file in ("config.json", "adapter_config.json"))
        return "" if described else f"{spec}: that folder has no config.json: {wanted}"
    if HUB_NAME.fullmatch(name) and not name.startswith("."):
        return ""
    return f"{spec}: no such folder; {wanted}, or a name of the hub"


def _of_open_clip(spec: str, name: str) -> str:
    known, (name, _, weights) = open_clip_names(), name.partition("@")
    if known and name not in known:
        return f"open_clip has no model {name!r:.80}{near(name, known)}"
    if WEIGHTS_FILE.search(weights) and not weights_file_is_there(weights):
        return f"{spec}: there is no such file of weights"
    return ""


REFUSALS: dict[str, Callable[[str, str], str]] = {"timm": _of_timm, "hf": _of_hf, "open_clip": _of_open_clip}


def weights_file_is_there(weights: str) -> bool:
    """Of ``FILE`` or ``FILE:KEY``."""
    return Path(weights).exists() or Path(weights.rpartition(":")[0] or weights).exists()


def _folders(package: str) -> list[Path]:
    found = find_spec(package)
    return [Path(folder) for folder in (found.submodule_search_locations if found else None) or ()]


def _sources(package: str) -> Iterator[str]:
    """The text of the files that register a package's models."""
    for folder in _folders(package):
        for file in sorted((folder / "models").glob("*.py")):
            yield file.read_text(encoding="utf-8")
