"""Finding a head that weighs positions by attention: which sums over tokens the logits are linearly made of."""

from collections.abc import Iterable, Iterator
from typing import Literal

from camkit.cam.attention import sum_of
from camkit.cam.attention_map import AttentionMap, Term, is_mean
from camkit.cam.head import Kind, grid
from camkit.cam.rows import Row, below, rows_of
from camkit.cam.tokens import tokens_of
from camkit.cam.trace import Call, Place, Trace, Value
from camkit.cam.walk import IMAGES, bottlenecks, is_vector, made_of_vectors
from camkit.errors import HeadNotFound

Blocks = int | Literal["all"] | None
"""How many of the network's last blocks the maps show: the last ones, "all", or what is natural to the head (None)."""


def find_attention_maps(
    end: Value, trace: Trace, image_size: tuple[int, int], blocks: Blocks
) -> Iterator[tuple[Value, AttentionMap, Kind]]:
    """Vectors that the logits know the images by, far ones first, and what positions add to each through attention.

    Raises
    ------
    HeadNotFound
        There is attention, and it cannot be read.
    """
    vectors = []
    for value in bottlenecks(end):
        if is_vector(value):
            vectors.append(value)
        elif not made_of_vectors(value):
            break
    for vector in reversed(vectors):
        rows = rows_of(vector)
        terms = choose(list(terms_of(rows)), blocks)
        if terms:
            yield vector, describe(rows, terms, trace, image_size), kind_of(terms)


def terms_of(rows: list[Row]) -> Iterator[Term]:
    """The sums over positions that rows end in."""
    for row in rows:
        total = sum_of(row) if row.step is None else None
        tokens = tokens_of(total.values, total.tokens) if total else None
        if total and tokens and len(tokens.patches) > 1:
            yield Term(row, total, tokens)


def choose(terms: list[Term], blocks: Blocks) -> list[Term]:
    """Attention of so many of the last blocks, with means of tokens beside it; nothing where there is no attention.

    Without a number it is the last block's, and those of blocks before it in which the same token alone asks.
    """
    levels = levels_of(terms)
    if not levels:
        return []
    if blocks is None:
        natural = next(
            (i for i, level in enumerate(levels) if not all(term.total.alone for term in level)), len(levels)
        )
        number = max(1, natural)
    else:
        number = len(levels) if blocks == "all" else blocks
    if number > len(levels):
        raise HeadNotFound(f"{number} blocks are asked for, and the maps can be followed through {len(levels)}")
    return [term for level in levels[:number] for term in level] + [term for term in terms if is_mean(term)]


def levels_of(terms: Iterable[Term]) -> list[list[Term]]:
    """Attention by blocks of the network, the last one first: in one level, none comes before another."""
    left = [term for term in terms if not is_mean(term)]
    values = {term.row.value for term in left}
    before = {term: before_it(term, values) for term in left}
    levels = []
    while left:
        last = [term for term in left if not any(term.row.value in before[other] for other in left)]
        levels.append(last)
        left = [term for term in left if term not in last]
    return levels


def before_it(term: Term, values: set[Value]) -> set[Value]:
    """Those of some values that a term's attention is computed of."""
    seen: set[Value] = set()
    waiting = list(term.total.needs)
    while waiting:
        value = waiting.pop()
        if value not in seen:
            seen.add(value)
            waiting += value.call.parents if value.call else []
    return seen & values


def kind_of(terms: list[Term]) -> Kind:
    """The name of a pooling by what asks and what is asked."""
    first = terms[0]
    if not len(first.tokens.others):
        return "attention pooling"
    if any(is_mean(term) for term in terms):
        return "class token and mean"
    return "class attention" if first.total.alone else "class token"


def describe(rows: list[Row], terms: list[Term], trace: Trace, image_size: tuple[int, int]) -> AttentionMap:
    """What is picked up in later passes, and what is made of it."""
    chosen = {term.row for term in terms}
    carries = {row: not chosen.isdisjoint(below(row)) for row in rows}
    needed = [row for row in rows if carries[row]]
    used = set(below_through(needed[-1], carries))
    ends = tuple(row for row in used if not carries[row])
    needed = [row for row in needed if row in used]
    for row in ends:  # read as they are: what they were made of goes
        row.step, row.parents = None, ()
    wanted = [value for term in terms for value in term.total.needs] + [row.value for row in ends]
    starts, calls = handed_on(trace, wanted)
    weighed, _ = handed_on(trace, [terms[0].total.values])
    starts = weighed | starts  # the head's place is the first
    order = positions_of(terms, image_size)
    axes = [start for start in starts if IMAGES not in start.shape]
    if axes:
        raise HeadNotFound(f"a tensor of shape {axes[0].shape} on the way to attention has no axis of images")
    dtypes = {start: start.dtype for start in starts}
    return AttentionMap(
        tuple(starts), tuple(starts.values()), calls, needed, tuple(terms), ends, dtypes, order, image_size,
        len(levels_of(terms)), changes_in_place(rows[-1].value, min(start.number for start in starts)),
    )  # fmt: skip


def below_through(row: Row, carries: dict[Row, bool]) -> Iterator[Row]:
    """A row and what it is made of, down to rows that carry no position."""
    seen, waiting = {row}, [row]
    while waiting:
        one = waiting.pop()
        yield one
        for parent in one.parents if carries[one] else ():
            if parent not in seen:
                seen.add(parent)
                waiting.append(parent)


def positions_of(terms: list[Term], image_size: tuple[int, int]) -> tuple[int, int]:
    """The grid that all terms share.

    Raises
    ------
    HeadNotFound
        They have different ones.
    """
    grids = {term.tokens.grid or grid(len(term.tokens.patches), image_size) for term in terms}
    if len(grids) > 1:
        named = " and ".join(f"{h}x{w}" for h, w in sorted(grids))
        raise HeadNotFound(f"attention pools several maps, of {named} positions, and no one map adds up to the logits")
    (found,) = grids
    return found


def changes_in_place(end: Value, after: int) -> bool:
    """Whether a call after that number changes one of its tensors on the way to a value."""
    seen, waiting = {end}, [end]
    while waiting:
        call = waiting.pop().call
        if call is None or call.number <= after:
            continue
        if getattr(getattr(call.op, "_schema", None), "is_mutable", True):
            return True
        new = [parent for parent in call.parents if parent not in seen]
        seen.update(new)
        waiting += new
    return False


def handed_on(trace: Trace, wanted: list[Value]) -> tuple[dict[Value, Place], list[Call]]:
    """The nearest values that modules hand on, of which the wanted ones can be made, and the calls from there."""
    starts: dict[Value, Place] = {}
    calls: set[Call] = set()
    waiting, seen = list(dict.fromkeys(wanted)), set(wanted)
    while waiting:
        value = waiting.pop(0)
        place = trace.place_of(value)
        if place is not None:
            starts[value] = place
            continue
        if value.call is None:
            raise HeadNotFound("attention is computed between modules, where no hook reaches")
        calls.add(value.call)
        for parent in value.call.parents:
            if parent not in seen:
                seen.add(parent)
                waiting.append(parent)
    return starts, sorted(calls, key=lambda call: call.number)
