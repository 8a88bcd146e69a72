"""Walking a recorded pass back from its end: what every path goes through, and where maps became vectors."""

from collections.abc import Iterator

from camkit.cam.trace import Value

IMAGES = 2  # in the pass that is recorded: enough to tell the batch from the other axes
VIEWS = {
    "view",
    "_unsafe_view",
    "reshape",
    "_reshape_alias",
    "permute",
    "transpose",
    "t",
    "flatten",
    "clone",
    "contiguous",
    "squeeze",
    "unsqueeze",
    "alias",
    "detach",
    "as_strided",
}


def is_vector(value: Value) -> bool:
    """One number, or one vector, an image, by its shape."""
    return len([size for size in value.shape if size != 1]) <= 2 and value.shape[:1] == (IMAGES,)


def bottlenecks(end: Value) -> list[Value]:
    """The values that every path from the images to the end goes through, from near to far."""
    found, open_paths = [], {end}
    while open_paths:
        latest = max(open_paths, key=lambda value: value.number)
        open_paths.remove(latest)
        if not open_paths:
            found.append(latest)
        if latest.call is not None:
            open_paths.update(latest.call.parents)
    return found


def upstream(value: Value, names: set[str]) -> Iterator[Value]:
    """The value, and those that it was made of by such operations alone: from near to far."""
    yield value
    while value.call is not None and len(value.call.parents) == 1 and value.call.name in names:
        (value,) = value.call.parents
        yield value


def source(value: Value) -> Value:
    """What the value is a view of."""
    *_, first = upstream(value, VIEWS)
    return first


def has_no_positions(value: Value, before: list[Value]) -> bool:
    """Whether positions were lost on the way to the value: at a vector among the bottlenecks before it.

    What is laid out as a map after that has axes of heads, groups or views.
    """
    return is_vector(value) or any(is_vector(source(other)) for other in before)


def crossings(end: Value) -> list[tuple[Value, Value]]:
    """Where maps became vectors: (map, vector) for every step back from the end that leaves the vectors."""
    found: list[tuple[Value, Value]] = []
    seen, waiting = {end}, [end]
    while waiting:
        value = waiting.pop()
        for parent in value.call.parents if value.call else []:
            if not (is_vector(parent) or made_of_vectors(parent)):
                found.append((parent, value))
            elif parent not in seen:
                seen.add(parent)
                waiting.append(parent)
    return found


def made_of_vectors(value: Value) -> bool:
    """Whether a value of several axes is vectors laid side by side or out anew."""
    first = source(value)
    parents = first.call.parents if first.call else []
    return is_vector(first) or (bool(parents) and all(is_vector(source(parent)) for parent in parents))
