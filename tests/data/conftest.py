"""Small data sets in files."""

import io
import zipfile

import pytest
from PIL import Image


def encoded(width, height, suffix="PNG", colour=(200, 30, 30)):
    file = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(file, suffix)
    return file.getvalue()


@pytest.fixture
def tree(tmp_path):
    """Writes files below a folder: text as it is, a pair (width, height) as an image, a list of rows as a grey PNG."""

    def write(files):
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                path.write_text(content, encoding="utf-8")
            elif isinstance(content, tuple):
                path.write_bytes(encoded(*content))
            else:
                image = Image.new("L", (len(content[0]), len(content)))
                image.putdata([value for row in content for value in row])
                image.save(path, "PNG")
        return tmp_path

    return write


@pytest.fixture
def zipped():
    """Moves a folder into a zip archive beside it, with or without the folder's name in front."""

    def pack(folder, top=""):
        with zipfile.ZipFile(folder.with_name(f"{folder.name}.zip"), "w") as archive:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    archive.write(path, f"{top}{path.relative_to(folder).as_posix()}")
                    path.unlink()
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir()
        folder.rmdir()

    return pack


def summary(data):
    """What a reader gives, as plain values: image, label, boxes."""
    return [(record.image, record.label, record.boxes.tolist()) for record in data.records]


@pytest.fixture(name="summary")
def _summary():
    return summary
