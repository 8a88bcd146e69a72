"""What is measured beside the usual figures, and how figures of old were counted."""

from dataclasses import dataclass

from camkit.boxes import RegionChoice
from camkit.data import Fit
from camkit.errors import CamkitError
from camkit.metrics.pointing import TOLERANCE


@dataclass(frozen=True)
class Further:
    """Measures to add, each under a name of its own.

    Attributes
    ----------
    by_size, by_class : bool
        Tables of the figures by the truth's size, and by class.
    pointing_game : bool
        Also the energy pointing game.
    tolerance : float
        Of a second pointing game, in pixels of the image; 0 for none.
    max_box_acc_v3 : bool
    ranked_boxes : int
        GT-known Loc where one of so many of the map's regions may be right, the largest first; 0: not measured.
    macro : bool
        Means over classes, under ``..._macro``.
    strict : bool
        GT-known and Top-k Loc with IoU above 0.5, under ``..._strict``, beside those with 0.5 and more.
    center_crop : bool
        The centre crop that the network sees is the whole image, and the truth is clipped to it: as PSOL, GC-Net and
        Rethinking CAM's code evaluate. All figures are then the crop's.
    regions : RegionChoice or None
        Which of the recipe's regions are objects, as `Localizer` takes it: recall, precision and F1 of true boxes, and
        the pixels' IoU with the mask, where there are masks. None: not measured.
    """

    by_size: bool = False
    by_class: bool = False
    pointing_game: bool = False
    tolerance: float = TOLERANCE
    max_box_acc_v3: bool = False
    ranked_boxes: int = 0
    macro: bool = False
    strict: bool = False
    center_crop: bool = False
    regions: RegionChoice | None = None

    def check(self, protocol: str, fit: Fit) -> None:
        """`CamkitError` where what is asked for does not go together."""
        if self.ranked_boxes and protocol != "paper":
            raise CamkitError("ranked boxes are the regions of the paper protocol: leave out --protocol wsol")
        if self.regions is not None and protocol != "paper":
            raise CamkitError("several regions are those of the paper protocol: leave out --protocol wsol")
        if self.center_crop and (fit != "crop" or protocol != "paper"):
            raise CamkitError("the centre crop is evaluated under --fit crop and the paper protocol: give these")

    def notes(self) -> list[str]:
        """What has to be said beside every figure."""
        if not self.center_crop:
            return []
        return ["all figures are of the centre crop alone, the truth clipped to it (--center-crop): they are not "
                "those of whole images"]  # fmt: skip


NOTHING = Further()
