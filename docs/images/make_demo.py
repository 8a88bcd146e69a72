"""The demo's page in 256 colours and fewer pixels: the picture at the top of the README.

camkit demo --out OUT && python docs/images/make_demo.py OUT/demo.png docs/images/demo.png
"""

import sys
from pathlib import Path

from PIL import Image

WIDTH = 1100


def main(page: Path, target: Path) -> None:
    with Image.open(page) as picture:
        small = picture.convert("RGB").resize(
            (WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS
        )
    # dithered only where the palette is given
    small.quantize(palette=small.quantize(256), dither=Image.Dither.FLOYDSTEINBERG).save(target, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
