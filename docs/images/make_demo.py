"""Puts the demo's overlays side by side: the picture at the top of the README.

camkit demo --out OUT && python docs/images/make_demo.py OUT docs/images/demo.png
"""

import sys
from pathlib import Path

from PIL import Image

HEIGHT, GAP = 260, 6


def main(out: Path, target: Path) -> None:
    pictures = [Image.open(path) for path in sorted((out / "overlays").glob("*.png"))]
    scaled = [p.resize((round(p.width * HEIGHT / p.height), HEIGHT), Image.Resampling.LANCZOS) for p in pictures]
    sheet = Image.new("RGB", (sum(p.width + GAP for p in scaled) - GAP, HEIGHT), "white")
    x = 0
    for picture in scaled:
        sheet.paste(picture, (x, 0))
        x += picture.width + GAP
    sheet.save(target, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
