"""Self-taught localization as a map source: how far the class's logit drops where a grey square hides the image.

camkit localize ... --maps-by examples/self_taught_maps.py:drop

Bazzani et al., WACV 2016 grey out regions of a segmentation that grows by agglomeration, which is in no public code.
Here squares slide, as in occlusion maps: their size and step, and the logit for the probability, are of general
knowledge. It costs 50 forward passes an image.
The grey is 0 after normalisation, the mean of the data.
"""

import torch

SIDE, STEP = 4, 8  # a square's side is a SIDE-th of the image's, and it moves by a STEP-th


def drop(network):
    """A map position is the mean drop under all squares that cover it."""

    @torch.no_grad()
    def maps(images, classes):
        height, width = images.shape[-2:]
        whole = network(images).gather(1, classes)
        total = images.new_zeros(*classes.shape, STEP, STEP)
        count = images.new_zeros(STEP, STEP)
        covered = STEP // SIDE
        for row in range(STEP - covered + 1):
            for column in range(STEP - covered + 1):
                hidden = images.clone()
                top, left = row * height // STEP, column * width // STEP
                hidden[..., top : (row + covered) * height // STEP, left : (column + covered) * width // STEP] = 0
                place = (..., slice(row, row + covered), slice(column, column + covered))
                total[place] += (whole - network(hidden).gather(1, classes))[..., None, None]
                count[place] += 1
        return total / count

    return maps
