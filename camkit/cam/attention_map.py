"""The feature map of a classifier that weighs positions by attention: what each position adds to the pooled vector.

The weights of attention, and the numbers of norms, are held fixed image by image. What is left is a sum over tokens, so
that each position has a vector of its own, and the rest of the sum (class token, registers, MLPs, biases) has none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from camkit.cam.attention import Known, Sum, TokenMean, precise
from camkit.cam.rows import Row
from camkit.cam.tokens import Tokens
from camkit.cam.trace import Call, Place, Value, run_again
from camkit.cam.walk import IMAGES
from camkit.errors import CamkitError

Numbers = dict[Row, Tensor]


@dataclass(frozen=True, eq=False)
class Term:
    """A sum over tokens that is a part of the pooled vector, and which of its tokens are positions."""

    row: Row
    total: Sum
    tokens: Tokens

    def split(self, known: Known) -> tuple[Tensor, Tensor]:
        """What positions add, (IMAGES, P, D), and what all other tokens add together, (IMAGES, D)."""
        terms = self.total.terms(known)
        positions = terms[:, self.tokens.patches]
        for token in self.tokens.means.tolist():  # the mean of all positions: each has its part of it
            alike = self.total.terms(known, token)
            shared = alike[:, self.tokens.patches]
            positions = positions + (shared + alike[:, token, None] - shared.mean(1, keepdim=True)) / shared.shape[1]
        return positions, terms[:, self.tokens.others].sum(1)

    def evenly(self, known: Known) -> Tensor:
        """What positions would add with the mean weight of all tokens each, (IMAGES, P, D)."""
        return self.total.terms(known, "mean")[:, self.tokens.patches]


@dataclass(frozen=True, eq=False)
class AttentionMap:
    """Where the parts of a pooled vector are picked up, and how positions add up to it.

    Attributes
    ----------
    starts : tuple of Value
        Values that modules hand on, of which everything is computed.
    places : tuple of Place
        Theirs.
    calls : list of Call
        From the starts to what the terms and the ends need.
    rows : list of Row
        All that the pooled vector is made of, in order; it is the last.
    terms : tuple of Term
        Sums over positions.
    ends : tuple of Row
        What else the vector is made of: it has no place in the image.
    dtypes : dict from Value to torch.dtype
        Of the recorded starts.
    grid : tuple of int
        Rows and columns of positions.
    image_size : tuple of int
        Of the recorded images: others have another record.
    blocks : int
        Blocks of the network whose attention has a term.
    copies : bool
        Whether what is picked up may be changed in place afterwards.
    """

    starts: tuple[Value, ...]
    places: tuple[Place, ...]
    calls: list[Call]
    rows: list[Row]
    terms: tuple[Term, ...]
    ends: tuple[Row, ...]
    dtypes: dict[Value, torch.dtype]
    grid: tuple[int, int]
    image_size: tuple[int, int]
    blocks: int
    copies: bool

    @property
    def place(self) -> Place:
        """Of the values that the last attention weighs."""
        return self.places[0]

    @property
    def has_rest(self) -> bool:
        """Whether images have a part of the pooled vector that no position has."""
        return bool(self.ends) or any(len(term.tokens.others) for term in self.terms)

    @property
    def rows_and_ends(self) -> list[Row]:
        return [*self.rows, *self.ends]

    @property
    def followed(self) -> bool:
        """Whether all positions were followed back to a map of rows and columns."""
        return all(term.tokens.grid is not None for term in self.terms)

    def decomposed(
        self, picked_up: Sequence[Tensor], image_size: tuple[int, int], *, evenly: bool = False
    ) -> tuple[Tensor, Tensor]:
        """From tensors at the `places` to the feature map (N, C, h, w), whose mean is the positions' part of the pooled
        vector, and the part that has no place, (N, C).

        Parameters
        ----------
        evenly : bool
            The feature map as it would be if attention weighed all positions alike: what each holds, not what is taken.
        """
        if image_size != self.image_size:
            raise CamkitError(f"images of {image_size} in a record of {self.image_size}")
        axes = [start.shape.index(IMAGES) for start in self.starts]
        n = picked_up[0].shape[axes[0]]
        features, rests = [], []
        for first in range(0, n, IMAGES):  # as recorded: sizes that were written down hold
            pair = torch.arange(first, first + IMAGES).clamp(max=n - 1)
            known = {
                start: tensor.index_select(axis, pair.to(tensor.device)).to(self.dtypes[start])
                for start, tensor, axis in zip(self.starts, picked_up, axes, strict=True)
            }
            positions, rest = self.decompose(run_again(self.calls, known, (IMAGES, IMAGES)), evenly=evenly)
            kept = min(IMAGES, n - first)
            features.append(positions[:kept])
            rests.append(rest[:kept])
        width = self.rows[-1].index.shape[1]
        if not features:
            empty = picked_up[0].new_zeros(0, width)
            return empty[..., None, None].expand(0, width, *self.grid), empty
        positions = torch.cat(features).transpose(1, 2)
        return (positions * positions.shape[2]).unflatten(2, self.grid), torch.cat(rests)

    def decompose(self, known: Known, *, evenly: bool = False) -> tuple[Tensor, Tensor]:
        """What each position adds to the pooled vector, (IMAGES, P, C), and the part of it that has no place."""
        split = {term.row: term.split(known) for term in self.terms}
        whole = {row: precise(known[row.value]).reshape(-1)[row.index.to(known[row.value].device)] for row in self.ends}
        sums = {row: positions.sum(1) + others for row, (positions, others) in split.items()}
        numbers: Numbers = {}
        follow(self.rows, whole | sums, numbers, whole=True)
        rest = follow(self.rows, whole | {row: others for row, (_, others) in split.items()}, numbers, whole=True)
        of_positions = (
            {term.row: term.evenly(known) for term in self.terms}
            if evenly
            else {row: positions for row, (positions, _) in split.items()}
        )
        positions = follow(self.rows, of_positions, numbers, whole=False)
        assert positions is not None
        assert rest is not None
        return positions, rest


def follow(rows: list[Row], given: dict[Row, Tensor], numbers: Numbers, *, whole: bool) -> Tensor | None:
    """The last row, of those given. Numbers that are held fixed are worked out where they are not known yet."""
    known: dict[Row, Tensor | None] = dict(given)
    for row in rows:
        if row in known or row.step is None:
            continue
        parents = [known.get(parent) for parent in row.parents]
        if whole and row not in numbers:
            number = row.step.number([parent for parent in parents if parent is not None])
            if number is not None:
                numbers[row] = number
        number = numbers.get(row)
        deep = number is not None and any(parent is not None and parent.ndim == 3 for parent in parents)
        known[row] = row.step(parents, number[:, None] if deep and number is not None else number, whole)
    return known.get(rows[-1])


def is_mean(term: Term) -> bool:
    """Whether a term takes all positions alike."""
    return isinstance(term.total, TokenMean)
