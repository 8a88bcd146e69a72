"""COCO's run lengths as the compressed text that its files have."""

from collections.abc import Sequence

from camkit.errors import CamkitError

# One character holds 5 bits of a number, low ones first, and a sixth that says whether there are more.
FIRST, BITS, MORE, SIGN = 48, 5, 0x20, 0x10


def decode_counts(text: str) -> list[int]:
    """COCO's compressed run lengths as numbers.

    From the fourth run on, what is written is the difference from the run before the last (COCO's mask API).

    Raises
    ------
    CamkitError
        A character is none of the 64 in use, or the last number is cut off.
    """
    counts: list[int] = []
    number, shift = 0, 0
    for character in text:
        code = ord(character) - FIRST
        if not 0 <= code < 2 * MORE or shift > 12 * BITS:
            raise CamkitError(f"the run lengths hold {character!r}, which is no part of a number")
        number |= (code & (MORE - 1)) << shift
        shift += BITS
        if code & MORE:
            continue
        if code & SIGN:
            number -= 1 << shift
        counts.append(number + counts[-2] if len(counts) > 2 else number)
        number, shift = 0, 0
    if shift:
        raise CamkitError("the run lengths are cut off")
    return counts


def encode_counts(counts: Sequence[int]) -> str:
    """Run lengths as COCO's compressed text; `decode_counts` gives them back."""
    text = []
    for place, count in enumerate(counts):
        number = count - counts[place - 2] if place > 2 else count
        more = True
        while more:
            code, number = number & (MORE - 1), number >> BITS
            more = number != (-1 if code & SIGN else 0)
            text.append(chr(FIRST + (code | MORE if more else code)))
    return "".join(text)
