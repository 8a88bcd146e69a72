"""What the site adds to MkDocs: pages from outside docs/, links into the repository, pages made from the source."""

import logging
import posixpath
import re
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(Path(__file__).parent))

from made_pages import commands_page, messages_page  # noqa: E402 - beside this file

LOG = logging.getLogger("mkdocs.hooks.camkit")
PROJECT = {
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
    "seeds/README.md": "project/claims.md",
    "seeds/rethinking-cam/README.md": "project/rethinking-cam.md",
    "seeds/minmaxcam/README.md": "project/minmaxcam-paper.md",
    "README.md": "index.md",
}
"""Files of the repository that are pages of the site, and where; README.md is what index.md says at more length."""

GENERATED = {"reference/commands.md": commands_page, "reference/messages.md": messages_page}
LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^)\s]+)\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Pages that the navigation does not name follow the evidence."""
    named = set(re.findall(r"[\w./-]+\.md", str(config.nav)))
    late = sorted(page.name for page in Path(config.docs_dir).glob("*.md") if page.name not in named)
    evidence = next(section["Evidence"] for section in config.nav or [] if "Evidence" in section)
    evidence += late
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for source, page in PROJECT.items():
        if files.get_file_from_path(page) is None:
            files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    for page, make in GENERATED.items():
        files.append(File.generated(config, page, content=make()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to files of the repository: to their page where they have one, else the file's name, if it is there."""
    here = page.file.src_uri
    written = {place: source for source, place in PROJECT.items() if place != "index.md"}.get(here, f"docs/{here}")

    def resolved(link: re.Match[str]) -> str:
        text, target = link.groups()
        place, _, anchor = target.partition("#")
        if not place or re.match(r"\w+:", place):
            return link[0]
        source = posixpath.normpath(posixpath.join(posixpath.dirname(written), place))
        goal = PROJECT.get(source, source.removeprefix("docs/"))
        if goal.endswith(".md") and files.get_file_from_path(goal):
            away = posixpath.relpath(goal, posixpath.dirname(here) or ".")
            return f"[{text}]({away}{'#' + anchor if anchor else ''})"
        if (ROOT / source).exists():
            return text if "`" in text else f"{text} (`{source}`)"
        return link[0]

    _lists_after_text(markdown, here)
    return LINK.sub(resolved, markdown)


def _lists_after_text(markdown: str, here: str) -> None:
    """A list directly under a line of text is no list in Python-Markdown: the build says so."""
    fenced, before = False, ""
    for number, line in enumerate(markdown.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        starts = re.match(r"([-*+]|\d+\.) ", line)
        inside = re.match(r"([-*+]|\d+\.) |\s|#|\||$|<!--", before)
        if not fenced and starts and not inside:
            LOG.warning("%s: line %s: put an empty line before the list", here, number)
        before = line
