"""A hundred odd and damaged files of weights: each is loaded as it was saved, or refused in one line with its name."""

import argparse
import datetime
import io
import json
import os
import pickle
import random
import shutil
import sys
import tarfile
import types
import zipfile
from collections import OrderedDict, defaultdict
from functools import cache
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import torch
from safetensors.torch import save as save_safetensors
from safetensors.torch import save_file
from torch import nn

from camkit.errors import CamkitError
from camkit.models import load_classifier, load_weights, read_weights
from camkit.models.checkpoint import load_file

LONGEST = 200  # bytes that one damage touches


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))


def other() -> nn.Sequential:
    """The same network with other weights: what a file is loaded into, and what must not be taken."""
    model = small()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)
    return model


def saved(held, **options) -> bytes:
    buffer = io.BytesIO()
    torch.save(held, buffer, **options)
    return buffer.getvalue()


def refusal(call, *args) -> str:
    with pytest.raises(CamkitError) as caught:
        call(*args)
    message = str(caught.value)
    assert "\n" not in message
    assert message.isprintable()
    return message


def same(model, expected) -> bool:
    own, theirs = model.state_dict(), expected.state_dict()
    return all(torch.equal(own[key], theirs[key]) for key in theirs)


def loads(held, path: Path, key: str = "") -> str:
    """That a file with this in it gives the weights of `small` to another model; what is said of it."""
    torch.save(held, path)
    model = other()
    said = load_file(model, f"{path}:{key}" if key else path)
    assert same(model, small())
    return said


@cache
def whole() -> dict[str, bytes]:
    state = small().state_dict()
    return {
        "zip.pth": saved({"state_dict": state, "epoch": 3}),
        "legacy.pth": saved({"state_dict": state, "epoch": 3}, _use_new_zipfile_serialization=False),
        "flat.safetensors": save_safetensors(dict(state)),
        "adam.ckpt": saved({"model": state, "optimizer": stepped().state_dict()}),
    }


def stepped() -> torch.optim.Optimizer:
    model = small()
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.rand(2, 3, 8, 8)).sum().backward()
    optimizer.step()
    return optimizer


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Cut short, with bits turned over, with a piece left out, doubled, zeroed, or put in from elsewhere."""
    at, length = rng.randrange(len(data)), rng.randrange(1, LONGEST)
    piece = data[at : at + length]
    kind = rng.randrange(6)
    if kind == 0:
        return data[:at]
    if kind == 1:
        turned = bytearray(data)
        for _ in range(rng.randrange(1, 9)):
            turned[rng.randrange(len(turned))] ^= 1 << rng.randrange(8)
        return bytes(turned)
    if kind == 2:
        return data[:at] + data[at + length :]
    if kind == 3:
        return data[:at] + piece + data[at:]
    if kind == 4:
        return data[:at] + bytes(len(piece)) + data[at + len(piece) :]
    return data[:at] + rng.randbytes(len(piece)) + data[at + len(piece) :]


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("name", ["zip.pth", "legacy.pth", "flat.safetensors", "adam.ckpt"])
def test_a_damaged_file_is_refused_by_its_name_or_loaded(tmp_path, name, seed):
    """Numbers have no checksum in most of these formats: at most those that the damage touched are others."""
    path = tmp_path / name
    path.write_bytes(damaged(whole()[name], random.Random(f"{name}{seed}")))
    model = other()
    try:
        load_file(model, path)
    except CamkitError as error:
        message = str(error)
    else:
        pairs = zip(model.state_dict().values(), small().state_dict().values(), strict=True)
        assert sum(int((a != b).sum()) for a, b in pairs) <= LONGEST / 4
        return
    assert name in message
    assert "\n" not in message
    assert message.isprintable()


def craft(tmp_path, held, edit) -> Path:
    """A zip that torch.save wrote, with its pickle edited."""
    path = tmp_path / "crafted.pth"
    with zipfile.ZipFile(io.BytesIO(saved(held))) as source, zipfile.ZipFile(path, "w") as target:
        for entry in source.infolist():
            data = source.read(entry)
            target.writestr(entry.filename, edit(data) if entry.filename.endswith("data.pkl") else data)
    return path


def test_a_tiny_file_that_claims_immense_tensors_is_refused(tmp_path):
    state = small().state_dict()
    state["4.weight"] = torch.ones(1, 1).expand(10**6, 10**6)
    torch.save(state, tmp_path / "claims.pth")
    assert (tmp_path / "claims.pth").stat().st_size < 10_000
    message = refusal(read_weights, tmp_path / "claims.pth")
    assert "'4.weight'" in message
    assert "1000000" in message
    assert "1000000" in refusal(load_file, other(), tmp_path / "claims.pth")


def test_a_tensor_that_repeats_a_few_numbers_is_read(tmp_path):
    state = small().state_dict()
    state["1.running_var"] = torch.ones(1).expand(4)
    loads(state, tmp_path / "repeats.pth")


def test_a_storage_that_claims_more_than_its_record_is_refused(tmp_path):
    path = craft(tmp_path, {"a": torch.ones(7)}, lambda data: data.replace(b"K\x07", b"J\x00\x00\x00\x10"))
    assert "crafted.pth" in refusal(read_weights, path)


def test_a_pickle_with_room_for_billions_of_objects_is_read_without_making_it(tmp_path):
    """LONG_BINPUT with an index near 2**32, for which the unpickler in C would fill the memory."""
    path = craft(tmp_path, {"a": torch.ones(7)}, lambda data: data[:-1] + b"r\xff\xff\xff\xf0.")
    assert read_weights(path)["a"].tolist() == [1] * 7


def test_an_archive_that_grows_beyond_measure_is_refused(tmp_path):
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"x")
        archive.writestr("a/data/0", bytes(270_000_000))
    assert "ten times" in refusal(read_weights, path)


# --- what a pickle may hold beside weights


class Config(dict):
    """A user's own class of settings, as yacs and omegaconf have them."""


@pytest.mark.parametrize(
    "beside",
    [
        argparse.Namespace(lr=0.1, milestones=[30, 60]),
        OrderedDict(a=1),
        defaultdict(list, a=[1]),
        np.float64(0.5),
        np.arange(3),
        Path("runs") / "1",
        PurePosixPath("runs"),
        datetime.datetime(2024, 2, 29, tzinfo=datetime.UTC),
        {1, 2},
        frozenset("a"),
        complex(1, 2),
        slice(1, 2),
        range(3),
        bytearray(b"x"),
        torch.float16,
        torch.device("cpu"),
        torch.Size([1]),
        random.Random(0).getstate(),
        Config(lr=Config(base=0.1)),
        types.SimpleNamespace(a=1),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}, {"pickle_protocol": 4}])
def test_harmless_objects_beside_the_weights_do_no_harm(tmp_path, beside, options):
    path = tmp_path / "trained.ckpt"
    torch.save({"args": beside, "state_dict": small().state_dict(), "all": [beside, {"a": beside}]}, path, **options)
    model = other()
    load_file(model, path)
    assert same(model, small())


def test_classes_of_modules_that_are_not_installed_are_no_obstacle_and_are_not_imported(tmp_path):
    source = tmp_path / "absent_settings.py"
    source.write_text("class DictConfig(dict):\n    def __setstate__(self, state): raise SystemExit('ran')\n")
    sys.path.insert(0, str(tmp_path))
    try:
        import absent_settings

        config = absent_settings.DictConfig(lr=1)
        config.note = 2
        torch.save({"cfg": config, "state_dict": small().state_dict()}, tmp_path / "w.ckpt")
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("absent_settings", None)
    model = other()
    load_file(model, tmp_path / "w.ckpt")
    assert same(model, small())
    assert "absent_settings" not in sys.modules


class Runs:
    """Unpickled without care, this makes a folder, in one of several ways."""

    def __init__(self, call, *arguments) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}, {"pickle_protocol": 4}])
@pytest.mark.parametrize("way", ["os.system", "eval", "exec", "os.mkdir", "getattr", "subprocess", "runpy"])
def test_nothing_in_a_file_runs(tmp_path, way, options):
    import runpy
    import subprocess

    proof = tmp_path / "proof"
    script = tmp_path / "script.py"
    script.write_text(f"import os; os.mkdir({str(proof)!r})")
    trap = {
        "os.system": Runs(os.system, f"mkdir {proof}"),
        "eval": Runs(eval, f"__import__('os').mkdir({str(proof)!r})"),
        "exec": Runs(exec, f"import os; os.mkdir({str(proof)!r})"),
        "os.mkdir": Runs(os.mkdir, str(proof)),
        "getattr": Runs(getattr, Runs(Path, str(proof)), "parent"),
        "subprocess": Runs(subprocess.call, ["mkdir", str(proof)]),
        "runpy": Runs(runpy.run_path, str(script)),
    }[way]
    path = tmp_path / "evil.pth"
    torch.save({"state_dict": small().state_dict(), "x": [trap]}, path, **options)
    for call in (read_weights, lambda path: load_file(other(), path)):
        message = refusal(call, path)
        assert "evil.pth" in message
        assert "could run code" in message
    assert not proof.exists()
    if way != "getattr":
        torch.load(path, weights_only=False)  # the same file, read without care: the trap does work
        assert proof.exists()


def test_a_function_of_an_unknown_module_is_not_called(tmp_path):
    path = tmp_path / "w.pth"
    torch.save({"state_dict": small().state_dict(), "x": Runs(shutil.copyfile, "a", "b")}, path)
    assert "shutil.copyfile" in refusal(read_weights, path)
    torch.save({"state_dict": small().state_dict(), "x": Runs(torch.hub.download_url_to_file, "a", "b")}, path)
    assert read_weights(path).keys() == small().state_dict().keys()


def test_no_weight_may_be_made_by_an_unknown_function(tmp_path):
    state = small().state_dict()
    state["4.bias"] = Runs(np.zeros, 2)
    torch.save(state, tmp_path / "w.pth")
    assert "'4.bias'" in refusal(load_file, other(), tmp_path / "w.pth")


# --- files of other kinds


def test_files_of_other_kinds_are_called_what_they_are(tmp_path):
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        archive.add(__file__, "weights.pth")
    files = {
        "pointer.pth": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n", "git lfs pull"),
        "pointer.safetensors": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n", "git lfs pull"),
        "page.pth": (b"\n<!DOCTYPE html><html>404</html>", "web page"),
        "xml.ckpt": (b"<?xml version='1.0'?><Error>AccessDenied</Error>", "web page"),
        "keras.pth": (b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5"),
        "lite.bin": (b"\x1c\0\0\0TFL3" + bytes(99), "TensorFlow Lite"),
        "net.onnx": (b"\x08\x07\x12\x07pytorch", "ONNX"),
        "net.h5": (b"abc", "Keras"),
        "net.pb": (b"abc", "TensorFlow"),
        "w.pth.tar": (tar.getvalue(), "tar archive"),
        "w.pt": (__import__("gzip").compress(b"abc"), "compressed"),
        "array.pth": (b"\x93NUMPY" + bytes(99), "NumPy"),
        "text.pth": (b"just some words", "damaged"),
        "raw.pth": (pickle.dumps({"a": [1.0]}), "damaged"),
        "nothing.bin": (b"", "empty"),
    }
    for name, (data, word) in files.items():
        (tmp_path / name).write_bytes(data)
        message = refusal(read_weights, tmp_path / name)
        assert name in message
        assert word in message, message


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_archives_of_other_kinds_are_called_what_they_are(tmp_path):
    with zipfile.ZipFile(tmp_path / "photos.pth", "w") as archive:
        archive.writestr("a.jpg", b"x")
    assert "zip archive" in refusal(read_weights, tmp_path / "photos.pth")
    torch.jit.save(torch.jit.trace(small().eval(), torch.rand(1, 3, 8, 8)), tmp_path / "script.pt")
    assert "TorchScript" in refusal(read_weights, tmp_path / "script.pt")
    program = torch.export.export(small().eval(), (torch.rand(1, 3, 8, 8),))
    torch.export.save(program, tmp_path / "program.pt2")
    shutil.copy(tmp_path / "program.pt2", tmp_path / "program.pt")
    for name in ("program.pt", "program.pt2"):
        assert "exported program" in refusal(read_weights, tmp_path / name)
    torch.save(small(), tmp_path / "model.pt")
    assert "whole Python object" in refusal(read_weights, tmp_path / "model.pt")


def test_a_folder_is_called_one_and_what_lies_in_it_is_named(tmp_path):
    assert "folder" in refusal(read_weights, tmp_path)
    save_file(small().state_dict(), tmp_path / "model.safetensors")
    assert "'model.safetensors'" in refusal(read_weights, tmp_path)


@pytest.mark.parametrize("form", ["safetensors", "bin"])
def test_weights_in_several_files_beside_an_index(tmp_path, form):
    state = small().state_dict()
    names = list(state)
    shards = {f"w-1.{form}": names[:4], f"w-2.{form}": names[4:]}
    for file, inside in shards.items():
        part = {name: state[name] for name in inside}
        (save_file if form == "safetensors" else torch.save)(part, tmp_path / file)
    index = tmp_path / f"w.{form}.index.json"
    places = {name: file for file, inside in shards.items() for name in inside}
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    model = other()
    load_file(model, index)
    assert same(model, small())
    (tmp_path / f"w-2.{form}").unlink()
    assert f"w-2.{form}" in refusal(read_weights, index)
    for bad in ({"weight_map": {"a": "../w-1.bin"}}, {"weight_map": {"a": "/etc/passwd"}}, {"weight_map": 3}, [], {}):
        index.write_text(json.dumps(bad))
        assert index.name in refusal(read_weights, index)
    index.write_text(json.dumps({"weight_map": {"absent": f"w-1.{form}"}}))
    assert "'absent'" in refusal(read_weights, index)


# --- weights of another kind of number


def test_whole_numbers_are_no_weights(tmp_path):
    state = small().state_dict()
    for wrong in (torch.zeros(2, 4, dtype=torch.int8), torch.zeros(2, 4, dtype=torch.bool), torch.zeros(2, 4) * 1j):
        message = refusal(load_weights, other(), {**state, "4.weight": wrong}, "w.pth")
        assert "1 of another type ('4.weight'" in message
    counted = {**state, "1.num_batches_tracked": torch.tensor(2.5)}  # an average over training counts so
    load_weights(other(), counted, "w.pth")


@pytest.mark.parametrize("suffix", [".bin", ".ckpt", ".pth.tar", ".pt", ".PTH"])
def test_suffixes(tmp_path, suffix):
    loads(small().state_dict(), tmp_path / f"w{suffix}")


def test_the_command_line_takes_them(tmp_path):
    (tmp_path / "net.py").write_text(
        "from torch import nn\n"
        "def make():\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(),"
        " nn.Linear(4, 2))\n"
    )
    torch.save({"state_dict": small().state_dict(), "args": argparse.Namespace(a=1)}, tmp_path / "w.pth.tar")
    classifier = load_classifier(f"{tmp_path / 'net.py'}:make", str(tmp_path / "w.pth.tar"))
    assert same(classifier.model, small())
    assert classifier.weights == f"file {tmp_path / 'w.pth.tar'} (its 'state_dict')"
