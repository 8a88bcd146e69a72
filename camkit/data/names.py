r"""Image names and class names in tables: one rule, which loses nothing and which no spreadsheet takes for a formula.

A name is written as it is, but for three things.

1. Control characters, line breaks, the backslash and what is no UTF-8 (a byte of a file name, half a surrogate pair)
   are written as JSON writes them in a string: ``\n``, ``\r``, ``\t``, ``\\``, ``\u001b``, ``\udcff``. So is a space
   that begins or ends a text other than a path, which readers would strip: ``\u0020``.
2. A path that begins with ``=``, ``+``, ``-`` or ``@`` begins with ``./`` instead: the same file, no formula.
3. Any other text that begins so has that character written as in 1: ``\u003d``.

The rule is the same in CSV, JSON lines and COCO, so that a name is one and the same text in all of them. Numbers are
left alone, and so are their signs.
"""

import re

# What says in coco.json that its names are written so: of a file from elsewhere a backslash stands for itself.
COCO_INFO = {"description": "camkit", "names": "as camkit.data.names writes them"}

# Full-width forms too: spreadsheets of East Asia take them for the others.
FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_UNWRITABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\\\\]")
_ESCAPE = re.compile(r"\\(?:([nrt\\])|u([0-9a-fA-F]{4}))")
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t", "\\": r"\\"}
_LONG = {escape[1]: character for character, escape in _SHORT.items()}


def written_text(text: str) -> str:
    """A class name, or a sentence, as it stands in tables; `read_text` gives it back."""
    escaped = _UNWRITABLE.sub(lambda match: _escape(match[0]), text)
    if text.startswith(FORMULA) or escaped[:1].isspace():
        escaped = f"\\u{ord(escaped[0]):04x}{escaped[1:]}"
    return f"{escaped[:-1]}\\u{ord(escaped[-1]):04x}" if escaped[-1:].isspace() else escaped


def written_path(name: str) -> str:
    """An image's name as it stands in tables; `read_path` gives it back."""
    escaped = _UNWRITABLE.sub(lambda match: _escape(match[0]), name)
    return f"./{escaped}" if name.startswith(FORMULA) else escaped


def read_text(cell: str) -> str:
    """What `written_text` wrote; a backslash that begins no escape stands for itself."""
    return _ESCAPE.sub(lambda match: _LONG[match[1]] if match[1] else chr(int(match[2], 16)), cell)


def read_path(cell: str) -> str:
    """What `written_path` wrote; ``./`` at the beginning says nothing."""
    name = read_text(cell)
    while name.startswith("./"):
        name = name[2:].lstrip("/")
    return name


def _escape(character: str) -> str:
    return _SHORT.get(character) or f"\\u{ord(character):04x}"
