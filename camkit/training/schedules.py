"""The learning rate over a run, as a share of its highest: a function of the step alone, which can be resumed anywhere.

With t in [0, 1) the share of all steps that is done: cosine is (1 + cos(pi t)) / 2; one-cycle (Smith and Topin 2017)
rises from 1/25 to 1 and falls to 1/250,000 along half a cosine each; multistep is gamma to the power of the milestones
passed.
"""

import math
from collections.abc import Callable

from camkit.training.settings import TrainSettings

START, END = 1 / 25, 1 / 25 / 1e4  # of one-cycle, as in PyTorch


def schedule(settings: TrainSettings, steps: int) -> Callable[[int], float]:
    """From a step, counted from 0 over the whole run, to the learning rate's share.

    Parameters
    ----------
    settings : TrainSettings
    steps : int
        In one epoch.
    """
    total = settings.epochs * steps

    def multistep(step: int) -> float:
        return settings.gamma ** sum(step // steps >= milestone for milestone in settings.milestones)

    def cosine(step: int) -> float:
        return _cosine(1, 0, step / total)

    def one_cycle(step: int) -> float:
        top = settings.rise * total - 1
        if step < top:
            return _cosine(START, 1, step / top)
        return _cosine(1, END, (step - top) / (total - 1 - top))

    shapes = {"multistep": multistep, "cosine": cosine, "one-cycle": one_cycle, "constant": lambda _: 1.0}
    return shapes[settings.schedule]


def _cosine(start: float, end: float, t: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * t))
