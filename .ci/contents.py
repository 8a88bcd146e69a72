"""Whether a wheel and an sdist hold what they should, and nothing else; one version everywhere."""

import re
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
NEEDED = {"camkit/py.typed", "camkit/imagenet/classes.csv", "camkit/models/tiny.safetensors", "camkit/cli/__init__.py"}
LARGEST = 6_000_000  # bytes of a wheel


def fail(why: str) -> None:
    sys.exit(f"contents: {why}")


def check_wheel(path: Path) -> str:
    """The wheel's version."""
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        read = Parser().parsestr(wheel.read(metadata).decode())
    sources = {str(file.relative_to(ROOT)) for file in (ROOT / "camkit").rglob("*.py")}
    presets = {str(file.relative_to(ROOT)) for file in (ROOT / "camkit/training/presets").glob("*.toml")}
    if lacking := (NEEDED | sources | presets) - names:
        fail(f"{path.name} lacks {', '.join(sorted(lacking))}")
    if strange := [name for name in names if not name.startswith(("camkit/", metadata.partition("/")[0]))]:
        fail(f"{path.name} holds {', '.join(sorted(strange))}")
    if not any(name.endswith("LICENSE") for name in names):
        fail(f"{path.name} has no LICENSE")
    if path.stat().st_size > LARGEST:
        fail(f"{path.name} has {path.stat().st_size} bytes, more than {LARGEST}")
    if not (read["Requires-Python"] and read["Summary"] and read.get_payload()):
        fail(f"{path.name}: its metadata lack the Python version, the summary or the README")
    print(f"{path.name}: {len(names)} files, {path.stat().st_size} bytes, version {read['Version']}")
    return str(read["Version"])


def check_versions(version: str) -> None:
    """CITATION.cff and the newest entry of the changelog are of the same version."""
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"]
    changed = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    for name, told in (("CITATION.cff", cited), ("CHANGELOG.md", changed and changed[1])):
        if told != version:
            fail(f"{name} says version {told}, the wheel {version}")


def check_sdist(path: Path) -> None:
    """The sdist can be built again."""
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    if lacking := {"setup.cfg", "pyproject.toml", "README.md", "LICENSE", *NEEDED} - names:
        fail(f"{path.name} lacks {', '.join(sorted(lacking))}")
    print(f"{path.name}: {len(names)} entries, {path.stat().st_size} bytes")


if __name__ == "__main__":
    check_versions(check_wheel(Path(sys.argv[1])))
    check_sdist(Path(sys.argv[2]))
