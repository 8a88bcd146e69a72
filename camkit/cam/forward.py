"""One forward pass of a model with its hand out for one tensor, beside other passes of the same model."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn

from camkit.cam.trace import Place, tensors_in
from camkit.errors import CamkitError, UnsuitableInput, is_out_of_memory, killed_reader


class Passes(threading.local):
    """The passes that this thread is in, the innermost last. A module's hooks run in every pass through it."""

    def __init__(self) -> None:
        self.open: list[object] = []


PASSES = Passes()
ANEW = "it was changed after CAM(model): make a new one"


def forward(
    model: nn.Module, images: torch.Tensor, places: Sequence[Place], copy: bool = False
) -> tuple[list[torch.Tensor], Any]:
    """The tensors at places of a forward pass, and what the model returns.

    Any number of threads may do this with one model, and a model may do it inside its own forward.

    Parameters
    ----------
    copy : bool
        Copy each tensor as it passes: the model may go on to change it in place.

    Raises
    ------
    CamkitError
        The model fails, or does not pass by one of the places.
    """
    held: dict[Place, torch.Tensor] = {}

    def keep(place: Place, tensors: Any) -> None:
        if PASSES.open and PASSES.open[-1] is held:
            tensor = list(tensors_in(tensors))[place.position]
            held[place] = tensor.clone() if copy else tensor

    with ExitStack() as hooks, eager():
        for place in places:
            hooks.enter_context(picking_up(model, place, partial(keep, place)))
        PASSES.open.append(held)
        try:
            returned = called(model, images)
        finally:
            PASSES.open.pop()
    for place in places:
        if place not in held:
            raise CamkitError(f"the model does not come by {place.module or 'its own hooks'} any more; {ANEW}")
    return [held[place] for place in places], returned


def called(model: Callable[[torch.Tensor], Any], images: torch.Tensor) -> Any:
    """What the model returns; `UnsuitableInput` in one line where its own code fails, and it alone is to blame."""
    try:
        return model(images)
    except CamkitError:
        raise
    except (Exception, SystemExit) as error:  # other people's networks fail in their own ways
        if is_out_of_memory(error) or killed_reader(error):
            raise
        kind = f"{images.dtype}".removeprefix("torch.")
        raise UnsuitableInput(
            f"the model's own forward fails on {kind} images of shape {tuple(images.shape)}: {one_line(error)}"
        ) from error


def one_line(error: BaseException) -> str:
    """The first line of an error, after its type where that says more than that something failed."""
    try:
        first = next(iter(str(error).strip().splitlines()), "")
    except Exception:  # errors of other people's making have a __str__ of their own
        first = ""
    return first if first and type(error) is RuntimeError else f"{type(error).__name__} {first}".strip()


@contextmanager
def picking_up(model: nn.Module, place: Place, keep: Callable[[Any], None]) -> Iterator[None]:
    """A hook at a place of the model while the block lasts."""
    try:
        module = model.get_submodule(place.module)
    except AttributeError as error:
        raise CamkitError(f"the model has no module {place.module} any more; {ANEW}") from error

    def enter(_module: nn.Module, args: Any, named: Any = None) -> None:
        keep((args, named or {}))  # another thread may take the hook away between its look-up and its call

    def leave(_module: nn.Module, _args: Any, output: Any) -> None:
        keep(output)

    handle = (
        module.register_forward_pre_hook(enter, with_kwargs=True)
        if place.side == "input"
        else module.register_forward_hook(leave)
    )
    try:
        yield
    finally:
        handle.remove()


class Switch:
    """A switch of PyTorch's that all threads share: set while any pass wants it, reset by the last one to leave."""

    def __init__(self, turn: Callable[[], Callable[[], object]]) -> None:
        self.turn = turn  # turns it, and gives what turns it back
        self.lock, self.passes = threading.Lock(), 0
        self.back: Callable[[], object] = bool

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self.lock:
            if self.passes == 0:
                self.back = self.turn()
            self.passes += 1
        try:
            yield
        finally:
            with self.lock:
                self.passes -= 1
                if self.passes == 0:
                    self.back()


def _force_eager() -> Callable[[], object]:
    stance: Any = torch.compiler.set_stance("force_eager")
    return lambda: stance.__exit__(None, None, None)


def _slow_attention() -> Callable[[], object]:
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    return partial(torch.backends.mha.set_fastpath_enabled, before)


eager = Switch(_force_eager)  # compiled parts of a model run as they were written: they would hide from hooks
slow_attention = Switch(_slow_attention)  # nn.MultiheadAttention in operations that a record can be read from
