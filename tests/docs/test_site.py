"""The site: what MkDocs is told beyond its own checks. `mkdocs build --strict` itself runs in .ci/run."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="the site's own tests need the extra docs")

from mkdocs.config import load_config
from mkdocs.structure.files import File, get_files

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "docs/site/mkdocs.yml"


@pytest.fixture(scope="module")
def site():
    """The hooks, the settings and the files, as a build has them when it comes to the pages."""
    config = load_config(str(CONFIG))
    config = config.plugins.on_config(config)
    return config.hooks["hooks.py"], config, config.plugins.on_files(get_files(config), config=config)


def linked(site, text, here="tap.md"):
    hooks, config, files = site
    page = type("Page", (), {"file": files.get_file_from_path(here)})()
    assert isinstance(page.file, File)
    return hooks.on_page_markdown(text, page, config, files)


@pytest.mark.parametrize(
    ("here", "written", "becomes"),
    [
        ("tap.md", "[seeds/](../seeds/README.md)", "[seeds/](project/claims.md)"),
        ("how-to/other-tools.md", "[it](../../CONTRIBUTING.md#tests)", "[it](../project/contributing.md#tests)"),
        ("project/contributing.md", "[m](docs/methods.md)", "[m](../methods.md)"),
        ("project/minmaxcam-paper.md", "[m](../../docs/backbones.md)", "[m](../backbones.md)"),
        ("tiny.md", "[code](../camkit/models/tiny.py)", "code (`camkit/models/tiny.py`)"),
        ("tiny.md", "[`code`](../camkit/models/tiny.py)", "`code`"),
        ("tiny.md", "[gone](../camkit/models/gone.py)", "[gone](../camkit/models/gone.py)"),  # MkDocs warns of it
        ("tiny.md", "[out](https://a.org/x.md)", "[out](https://a.org/x.md)"),
        ("tiny.md", "[here](#the-classes)", "[here](#the-classes)"),
    ],
)
def test_links_into_the_repository(site, here, written, becomes):
    assert linked(site, f"See {written}.", here) == f"See {becomes}."


def test_a_page_without_a_place_comes_last_under_evidence(site, tmp_path):
    hooks, config, _ = site
    named = next(section["Evidence"] for section in config.nav if "Evidence" in section)
    pages = {page.name for page in (ROOT / "docs").glob("*.md")}
    assert all(page in str(config.nav) for page in pages)
    before = list(named)
    (tmp_path / "late.md").write_text("# Late\n")
    config.docs_dir, kept = str(tmp_path), config.docs_dir
    try:
        hooks.on_config(config)
        assert named == [*before, "late.md"]
    finally:
        config.docs_dir = kept
        named[:] = before


def test_a_list_under_a_line_of_text_is_told(site, caplog):
    linked(site, "Three things:\n- one\n- two\n")
    assert "put an empty line before the list" in caplog.text
    caplog.clear()
    linked(site, "Three things:\n\n- one\n- two\n\n```\ntext\n- no list\n```\n| a |\n\n1. one\n2. two\n")
    assert not caplog.records


@pytest.mark.parametrize(
    "broken",
    [
        "[a](nowhere.md)",
        "[a](tiny.md#nowhere)",
        "![a](images/nowhere.png)",
        "[a][camkit.nowhere]",
        "::: camkit.nowhere",
    ],
)
def test_what_leads_nowhere_ends_the_build(tmp_path, broken):
    """A site of the same settings with one page that is wrong."""
    docs = tmp_path / "docs"
    (docs / "site").mkdir(parents=True)
    text = CONFIG.read_text().split("nav:\n")[0].replace("hooks: [hooks.py]", "").replace("[../..]", f"[{ROOT}]")
    text = text.replace("defaults.py:OwnDefaults", f"{CONFIG.parent}/defaults.py:OwnDefaults")
    (docs / "site/mkdocs.yml").write_text(text)
    (docs / "tiny.md").write_text("# Tiny\n\nText.\n")
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "-f",
        str(docs / "site/mkdocs.yml"),
        "-d",
        str(tmp_path / "out"),
    ]
    for content, status in (("See [a](tiny.md#tiny).", 0), (broken, 1)):
        (docs / "index.md").write_text(f"# Home\n\n{content}\n")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
