"""docs/troubleshooting.md quotes messages that the source has, and tells of the options that the commands have."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs/site"))

from made_pages import messages, messages_page, template  # noqa: E402 - beside the site

PAGE = (ROOT / "docs/troubleshooting.md").read_text("utf-8")
QUOTED = re.findall(r"^### `(.*)`$", PAGE, re.MULTILINE)
TEXTS = [" ".join(text.replace("`", "").split()) for _, text in messages()]


def is_quoted_from(quote, text):
    """The fixed parts of the quotation stand in the message, in their order."""
    place = 0
    for part in quote.split("…"):
        place = text.find(part, place)
        if place < 0:
            return False
        place += len(part)
    return True


@pytest.mark.parametrize("quote", QUOTED)
def test_a_quoted_message_is_in_the_source(quote):
    assert len(quote.replace("…", "").split()) >= 2, "too little to find it by"
    assert any(is_quoted_from(quote, text) for text in TEXTS)


def test_a_quotation_is_told_from_another():
    assert is_quoted_from("… has … images", "the split … has … images, and more")
    assert not is_quoted_from("… has … images", "there are … images that … has")
    assert not is_quoted_from("no message says this", "".join(TEXTS))


def test_each_has_a_cure_and_stands_once():
    sections = re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]
    cures = [section.partition("\n")[2].partition("\n## ")[0] for section in sections]
    assert min(len(cure.split()) for cure in cures) >= 4
    assert len(set(QUOTED)) == len(QUOTED) == len(sections) > 50


def test_every_kind_of_message_is_listed():
    """Of a name, of a call with several parts, of the command line; and what is filled in is left open."""
    found = {text for _, text in messages()}
    assert "no reason" not in found
    assert any(text.startswith("--resume and --overwrite together") for text in found)
    assert any("… x … pixels: fit" in text for text in found)
    assert "give --model or --maps, one of them" in found
    page = messages_page()
    assert page.count("\n- ") > 400
    assert "\\[" in page or "\\*" in page  # nothing of a message is read as Markdown


def test_a_template_of_an_expression():
    import ast

    def of(code):
        return template(ast.parse(code, mode="eval").body)

    assert of("f'a {b!r} c'") == "a … c"
    assert of("'a ' + b") == "a …"
    assert of("f'{x}' 'y'") == "…y"
    assert of("b") == ""
