"""The layers after a module run again on another output of it, whatever Python code calls them.

While a pass is recorded, each module that has returned is noted with what it returned. To run the tail, the modules
that had returned before the one in question answer with that at once, and it answers with its new output; the rest
runs.
"""

from collections import deque
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from camkit.cam.trace import tensors_in
from camkit.errors import CamkitError
from camkit.models.messages import did_you_mean

Call = tuple[nn.Module, Any]  # a module and what it returned


@dataclass(frozen=True, eq=False)
class Point:
    """A forward pass where a module has just returned.

    Attributes
    ----------
    output : Tensor
        What it returned.
    before : list of Call
        What had returned by then, in order; of nested modules the outermost.
    versions : list of int
        Of the tensors in `before`: how often each had been changed in place.
    """

    output: Tensor
    before: list[Call]
    versions: list[int]


@contextmanager
def recorded(model: nn.Module, at: Collection[str]) -> Iterator[dict[str, Point]]:
    """Inside, one forward pass of the model leaves a `Point` for each of the modules named.

    Raises
    ------
    CamkitError
        A name is none of the model's, the module did not run or ran twice, or it returns no tensor.
    """
    modules, points = dict(model.named_modules()), dict[str, Point]()
    for name in at:
        if name not in modules:
            raise CamkitError(f"the model has no module {name!r}{did_you_mean(name, modules)}")
    named = {modules[name]: name for name in at}
    running: list[list[Call]] = [[]]  # for each module that has not returned, those inside it that have

    def leave(module: nn.Module, _inputs: Any, output: Any) -> None:
        running.pop()  # what ran inside is covered by the module itself
        if module in named:
            if named[module] in points or not isinstance(output, Tensor):
                why = "runs more than once in a forward pass" if named[module] in points else "returns no tensor"
                raise CamkitError(f"the module {named[module]!r} {why}: name another")
            before = [call for calls in running for call in calls]
            points[named[module]] = Point(output.clone(), before, versions(before))
        running[-1].append((module, output))

    with ExitStack() as stack:
        for module in modules.values() if named else ():
            stack.callback(module.register_forward_pre_hook(lambda _m, _inputs: running.append([])).remove)
            stack.callback(module.register_forward_hook(leave).remove)
        yield points
    for name in set(at) - set(points):
        raise CamkitError(f"the module {name!r} does not run in a forward pass: name another")


def versions(calls: list[Call]) -> list[int]:
    """How often each tensor that the calls returned has been changed in place."""
    return [tensor._version for _, output in calls for tensor in tensors_in(output)]


@contextmanager
def replayed(model: nn.Module, at: str, point: Point, inner: Tensor) -> Iterator[None]:
    """Inside, a forward pass of the model runs what comes after the module `at` alone, on `inner`.

    Raises
    ------
    CamkitError
        The recorded pass changed in place what the tail reads again.
    """
    if versions(point.before) != point.versions:
        raise CamkitError(f"a layer after {at!r} changes in place what was computed before it: no tail starts there")
    answers: dict[nn.Module, deque[Any]] = {}
    for module, output in [*point.before, (model.get_submodule(at), inner)]:
        answers.setdefault(module, deque()).append(output)
    with ExitStack() as stack:
        for module, outputs in answers.items():
            stack.enter_context(_answering(module, outputs))
        yield


@contextmanager
def _answering(module: nn.Module, outputs: deque[Any]) -> Iterator[None]:
    """The module's next calls return these, its own hooks included; those after them are as ever."""
    forward, patched = module.forward, "forward" in vars(module)
    given: list[Any] = []

    def answer(*inputs: Any, **named: Any) -> Any:
        if not outputs:
            return forward(*inputs, **named)
        given[:] = [outputs.popleft()]
        return given[0]

    def insist(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        """After the hooks that the module has, which have done their work on what was recorded."""
        return given.pop() if given else output

    handle = module.register_forward_hook(insist)
    module.forward = answer
    try:
        yield
    finally:
        handle.remove()
        if patched:
            module.forward = forward
        else:
            del module.forward
