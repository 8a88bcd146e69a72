"""JPEG by libjpeg-turbo, whose warnings are errors here.

libjpeg goes on where the data of an image end too soon or make no sense: it paints the rest grey, and warns. Pillow,
torchvision and TorchCodec keep that warning to themselves or print it. simplejpeg raises it, decodes the same pixels,
and is no slower than the fastest of them (docs/images.md).
"""

import re

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from camkit.data.refusal import Damaged, Refused

# Warnings of libjpeg's (jerror.h) after which pixels are missing or made up ...
DAMAGE = re.compile("Corrupt JPEG data|Premature end of JPEG file|Inconsistent progression")
# ... but for bytes that were left over when all pixels were there.
LEFT_OVER = re.compile("extraneous bytes before marker 0xd9")
# Every scan of a progressive file costs a pass over all pixels, and may take no more than ten bytes.
MAX_SCANS = 500
# Huffman coding takes a bit or more for each block of 8 x 8 pixels; arithmetic coding, with these markers, may not.
PIXELS_A_BYTE = 8 * 64
ARITHMETIC = (b"\xff\xc9", b"\xff\xca")


def decode_jpeg(
    encoded: bytes, mode: str, pixels: int, *, progressive: bool, fill: bool = False
) -> NDArray[np.uint8] | None:
    """Pixels as they are stored, RGB (H, W, 3) or the four inks (H, W, 4).

    Parameters
    ----------
    encoded : bytes
    mode : {"L", "RGB", "CMYK"}
        As Pillow calls what is in the file; grey becomes RGB.
    pixels : int
        How many the header declares.
    progressive : bool
        Whether the file comes in several scans.
    fill : bool
        Decode what is there of a damaged file, and paint the rest as libjpeg does.

    Returns
    -------
    ndarray or None
        None where libjpeg-turbo refuses the file for another reason than damage.

    Raises
    ------
    Damaged
        Pixels are missing, or follow from broken data.
    Refused
        The file asks for more work than any photograph.
    """
    if progressive and encoded.count(b"\xff\xda") > MAX_SCANS:
        raise Refused(f"it holds more than {MAX_SCANS} scans, which no photograph does; leave it out")
    if pixels > PIXELS_A_BYTE * len(encoded) and not fill and not any(marker in encoded for marker in ARITHMETIC):
        raise Damaged(f"{len(encoded)} bytes cannot hold the {pixels} pixels that its header declares")
    try:
        space = "CMYK" if mode == "CMYK" else "RGB"
        decoded: NDArray[np.uint8] = simplejpeg.decode_jpeg(encoded, space, strict=not fill)
    except ValueError as error:
        if DAMAGE.search(str(error)) and not LEFT_OVER.search(str(error)):
            raise Damaged(str(error)) from None
        return None
    return decoded
