"""One forward pass, written down: which operation made which tensor from which, and at which modules it passed by."""

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from torch.utils.weak import WeakTensorKeyDictionary

KEPT = 2**28  # bytes of tensors held at a time: those near the end of the pass, where the head is

SIZED = {"view", "_unsafe_view", "reshape", "expand", "_reshape_alias", "view_copy", "as_strided"}


@dataclass(eq=False)
class Call:
    """One operation (or one pooling module of ours) on tensors that depend on the images."""

    op: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: list["Value"] = field(default_factory=list)
    number: int = 0  # in the order in which the calls ran

    @property
    def name(self) -> str:
        """The operation's bare name, such as "mean"."""
        name = getattr(self.op, "__name__", type(self.op).__name__)
        return str(name).split(".", maxsplit=1)[0].rstrip("_")

    @property
    def parents(self) -> list["Value"]:
        return list(values_in((self.args, self.kwargs)))

    @property
    def constants(self) -> list[torch.Tensor]:
        """Tensors that the images have no part in: parameters, buffers, and views of them."""
        return list(tensors_in((self.args, self.kwargs)))


@dataclass(eq=False, repr=False)  # values share calls: written out, they would never end
class Value:
    """A tensor that depends on the images. `tensor` is kept only near the end of the pass."""

    shape: tuple[int, ...]
    call: Call | None = None
    tensor: torch.Tensor | None = None
    places: list["Place"] = field(default_factory=list)
    dtype: torch.dtype = torch.float32

    @property
    def number(self) -> int:
        """Of the call that made it, in the order in which the calls ran; 0 for the images."""
        return self.call.number if self.call else 0


@dataclass(frozen=True)
class Place:
    """Where a value can be picked up in later passes: the n-th tensor that goes into or comes out of a module."""

    module: str
    side: str
    position: int
    call_number: int


class Trace(TorchDispatchMode):
    """Records a forward pass at the level of tensor operations, whatever Python code calls them.

    Parameters
    ----------
    model : nn.Module
        Its hooks are in place only inside the ``with`` block.
    atoms : tuple of type
        Module types that count as one operation.
    """

    def __init__(self, model: nn.Module, atoms: tuple[type[nn.Module], ...] = ()) -> None:
        super().__init__()
        self.model, self.atoms = model, atoms
        self.values = WeakTensorKeyDictionary()
        self.calls_of_module: dict[str, int] = {}
        self._recent: deque[Value] = deque()
        self._bytes = self._calls = 0
        self._inputs_of_atom: list[tuple[Any, Any]] = []
        self._hooks = ExitStack()

    def __enter__(self) -> "Trace":
        for name, module in self.model.named_modules():
            if isinstance(module, torch.jit.ScriptModule):  # takes no hooks; its operations are seen all the same
                continue
            for handle in (
                module.register_forward_pre_hook(in_this_thread(self._entering(name)), with_kwargs=True),
                module.register_forward_hook(in_this_thread(self._leaving(name))),
            ):
                self._hooks.callback(handle.remove)
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._hooks.close()
        super().__exit__(*error)

    def start(self, images: torch.Tensor) -> None:
        self.values[images] = Value(tuple(images.shape), dtype=images.dtype)

    def value(self, tensor: torch.Tensor) -> Value | None:
        found: Value | None = self.values.get(tensor)
        return found

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        del types
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if any(self.value(t) is not None for t in tensors_in((args, kwargs))):
            self._record(func, args, kwargs, out)
        return out

    def _record(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        args, kwargs = tree_map_only(torch.Tensor, lambda t: self.value(t) or t, (args, kwargs))
        self._calls += 1
        call = Call(op, args, kwargs, number=self._calls)
        for tensor in tensors_in(out):
            value = Value(tuple(tensor.shape), call, tensor, dtype=tensor.dtype)
            call.outputs.append(value)
            self.values[tensor] = value
            self._recent.append(value)
            self._bytes += tensor.nbytes
        while self._bytes > KEPT and len(self._recent) > 1:
            oldest = self._recent.popleft()
            self._bytes -= oldest.tensor.nbytes if oldest.tensor is not None else 0
            oldest.tensor = None

    def _entering(self, name: str) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            self.calls_of_module[name] = self.calls_of_module.get(name, 0) + 1
            self._mark(name, "input", (args, kwargs))
            if isinstance(module, self.atoms):
                self._inputs_of_atom.append((args, kwargs))

        return hook

    def _leaving(self, name: str) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            del args
            if isinstance(module, self.atoms):
                inputs, named = self._inputs_of_atom.pop()
                self._record(module, inputs, named, output)
            self._mark(name, "output", output)

        return hook

    def _mark(self, name: str, side: str, tensors: Any) -> None:
        for position, tensor in enumerate(tensors_in(tensors)):
            value = self.value(tensor)
            if value is not None:
                value.places.append(Place(name, side, position, self.calls_of_module[name]))

    def place_of(self, value: Value) -> Place | None:
        """The shortest-named place where this value passes last, or None."""
        last = [place for place in value.places if place.call_number == self.calls_of_module[place.module]]
        named = [place for place in last if place.module] or last
        return min(named, key=lambda place: (place.side != "output", place.module.count(".")), default=None)


def in_this_thread(hook: Callable[..., None]) -> Callable[..., None]:
    """The hook, deaf to passes that other threads send through the same module."""
    own = threading.get_ident()

    def deaf(*args: Any) -> None:
        if threading.get_ident() == own:
            hook(*args)

    return deaf


def tensors_in(tree: Any) -> Iterator[torch.Tensor]:
    """Tensors inside nested tuples, lists, mappings and output objects, in order."""
    if isinstance(tree, torch.Tensor):
        yield tree
    elif isinstance(tree, Mapping):
        for item in tree.values():
            yield from tensors_in(item)
    elif isinstance(tree, (tuple, list)):
        for item in tree:
            yield from tensors_in(item)


def values_in(tree: Any) -> Iterator[Value]:
    if isinstance(tree, Value):
        yield tree
    elif isinstance(tree, Mapping):
        for item in tree.values():
            yield from values_in(item)
    elif isinstance(tree, (tuple, list)):
        for item in tree:
            yield from values_in(item)


def between(starts: Collection[Value], end: Value) -> list[Call]:
    """The calls that lead from any of these values to the end, in the order in which they ran."""
    first = min((start.number for start in starts), default=0)
    calls: set[Call] = set()
    waiting = [end]
    while waiting:
        value = waiting.pop()
        if value.call is not None and value not in starts and value.number >= first and value.call not in calls:
            calls.add(value.call)
            waiting += value.call.parents
    leads, order = set(starts), []
    for call in sorted(calls, key=lambda call: call.number):
        if not leads.isdisjoint(call.parents):
            leads.update(call.outputs)
            order.append(call)
    return order


def release(calls: list[Call], *starts: Value) -> None:
    """Let go of the recorded tensors, and of everything that came before the starts; the calls can still be run."""
    for value in (*starts, *(output for call in calls for output in call.outputs)):
        value.tensor = None
    for value in starts:
        value.call = None


def replay(calls: list[Call], feeds: dict[Value, Any], end: Value, batch: tuple[int, int]) -> torch.Tensor:
    """What recorded calls make of other tensors at one value; see `run_again`.

    Parameters
    ----------
    calls : list of Call
        As `between` gives them.
    end : Value
        What is wanted.
    """
    result: torch.Tensor = run_again(calls, feeds, batch, end)[end]
    return result


def run_again(
    calls: list[Call], feeds: dict[Value, Any], batch: tuple[int, int], end: Value | None = None
) -> dict[Value, Any]:
    """Run recorded calls again on other tensors.

    Parameters
    ----------
    calls : list of Call
        In the order in which they ran.
    feeds : dict
        Tensors for the values that the calls start from, and for those that are to be held fixed.
    batch : tuple of int
        Images in the recorded pass, images now: sizes that were written down are adapted.
    end : Value, optional
        Where to stop.

    Returns
    -------
    dict
        The feeds, and what was made of them.
    """
    known: dict[Value, Any] = dict(feeds)
    then, now = batch

    def resize(sizes: Any) -> Any:
        return [now, *sizes[1:]] if len(sizes) > 1 and sizes[0] == then else sizes

    for call in calls:
        if end in known:
            break
        args, kwargs = tree_map_only(Value, lambda value: known[value], (call.args, call.kwargs))
        if call.name in SIZED:
            args = (args[0], resize(args[1]), *args[2:])
        # strides were written down for the recorded pass: the shape is what was meant
        out = args[0].reshape(args[1]) if call.name == "as_strided" else call.op(*args, **kwargs)
        for value, tensor in zip(call.outputs, tensors_in(out), strict=True):
            known.setdefault(value, tensor)
    return known
