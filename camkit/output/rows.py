"""What is found in an image as rows of the tables: one a region, with its mask where masks are kept."""

import numpy as np
from numpy.typing import NDArray

from camkit.boxes import LARGEST
from camkit.data.formats.counts import encode_counts
from camkit.data.formats.rle import counts_of_mask
from camkit.localization import Localization
from camkit.output.tables import REGION, SEGMENTATION, Row, row_of


def rows_of(found: Localization, *, masks: bool = False) -> list[Row]:
    """What is found, a row a region: with the region's number where several were asked for, and its mask if wanted.

    A mask is COCO's compressed run lengths, None where there is no region.
    """
    plain, row = found.regions == LARGEST, row_of(found)
    regions = found.masks() if masks else None
    rows = []
    for number, box in enumerate(found.boxes, 1):
        own = row | dict(zip(("x0", "y0", "x1", "y1"), box, strict=True)) | ({} if plain else {REGION: number})
        if regions is not None:
            own[SEGMENTATION] = run_lengths(regions[number - 1]) if number <= len(regions) else None
        rows.append(own)
    return rows


def run_lengths(mask: NDArray[np.bool_]) -> Row:
    """A mask (H, W) as COCO's compressed run lengths."""
    return {"size": list(mask.shape), "counts": encode_counts(counts_of_mask(mask))}
