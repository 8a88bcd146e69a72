"""Weights from files: what is read, what is refused, and that nothing in a file runs."""

import io
import os
import pickle
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from camkit.errors import CamkitError
from camkit.models import load_weights, read_weights
from camkit.models.weights_file import read_metadata


def small() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))


def refusal(call, *args) -> str:
    with pytest.raises(CamkitError) as caught:
        call(*args)
    message = str(caught.value)
    assert "\n" not in message
    return message


class Touch:
    """Unpickled without care, this creates a file."""

    def __init__(self, path: Path, call=Path.touch) -> None:
        self.path, self.call = path, call

    def __reduce__(self):
        return self.call, (str(self.path),) if self.call is os.mkdir else (self.path,)


@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w.safetensors", "W.PTH"])
def test_every_format_gives_the_same_state(tmp_path, name):
    state = small().state_dict()
    save = save_file if name.endswith("safetensors") else torch.save
    save(state, tmp_path / name)
    read = read_weights(tmp_path / name)
    assert read.keys() == state.keys()
    for key, value in state.items():
        torch.testing.assert_close(read[key], value, rtol=0, atol=0)


def test_the_format_before_zip_archives_is_read(tmp_path):
    state = small().state_dict()
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    torch.testing.assert_close(dict(read_weights(tmp_path / "old.pth")), dict(state), rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_floating_point_becomes_float32_and_counters_stay_whole(tmp_path, dtype):
    save_file({"w": torch.tensor([1.5, -2.0], dtype=dtype), "n": torch.tensor(3)}, tmp_path / "w.safetensors")
    read = read_weights(tmp_path / "w.safetensors")
    assert read["w"].dtype == torch.float32
    assert read["w"].tolist() == [1.5, -2.0]
    assert read["n"].dtype == torch.int64


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_training_wrappings_come_off(tmp_path, key, prefix):
    state = {prefix + name: value for name, value in small().state_dict().items()}
    torch.save({"epoch": 3, key: state, "optimizer": {"lr": 0.1}}, tmp_path / "w.pt")
    assert read_weights(tmp_path / "w.pt").keys() == small().state_dict().keys()


def test_a_submodule_that_is_called_module_keeps_its_name(tmp_path):
    state = {"module.weight": torch.ones(1), "fc.weight": torch.ones(1)}
    torch.save(state, tmp_path / "w.pt")
    assert read_weights(tmp_path / "w.pt").keys() == state.keys()


@pytest.mark.parametrize("call", [Path.touch, os.mkdir], ids=["unknown function", "function of the system"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_that_would_run_code_is_refused_and_runs_nothing(tmp_path, zipped, call):
    proof, path = tmp_path / "proof", tmp_path / "evil.pth"
    torch.save({"fc.weight": torch.ones(2), "x": Touch(proof, call)}, path, _use_new_zipfile_serialization=zipped)
    message = refusal(read_weights, path)
    assert "evil.pth" in message
    assert "could run code" in message
    assert not proof.exists()
    torch.load(path, weights_only=False)  # the same file, read without care: the trap does work
    assert proof.exists()


def test_a_bare_pickle_that_would_run_code_runs_nothing(tmp_path):
    proof, path = tmp_path / "proof", tmp_path / "evil.pt"
    path.write_bytes(pickle.dumps(Touch(proof)))
    refusal(read_weights, path)
    assert not proof.exists()


def test_a_whole_pickled_model_is_refused_with_the_remedy(tmp_path):
    torch.save(small(), tmp_path / "model.pt")
    assert "torch.save(model.state_dict()" in refusal(read_weights, tmp_path / "model.pt")


def test_broken_files_are_named(tmp_path):
    buffer = io.BytesIO()
    torch.save(small().state_dict(), buffer)
    save_file(small().state_dict(), tmp_path / "whole.safetensors")
    content = {
        "cut.pth": buffer.getvalue()[:-200],
        "cut.safetensors": (tmp_path / "whole.safetensors").read_bytes()[:-10],
        "page.pth": b"<html>404</html>",
        "page.safetensors": b"<html>404</html>",
    }
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
        message = refusal(read_weights, tmp_path / name)
        assert name in message
        assert "damaged" in message


@pytest.mark.parametrize("name", ["empty.pth", "empty.safetensors"])
def test_an_empty_file_is_called_empty(tmp_path, name):
    (tmp_path / name).touch()
    assert "empty" in refusal(read_weights, tmp_path / name)


def test_missing_folder_and_unknown_suffix(tmp_path):
    (tmp_path / "w.onnx").write_bytes(b"x")
    assert "no such file" in refusal(read_weights, tmp_path / "none.pth")
    assert "no such file" in refusal(read_weights, tmp_path)
    assert ".safetensors" in refusal(read_weights, tmp_path / "w.onnx")


@pytest.mark.parametrize(
    "held",
    [
        [torch.ones(1)],
        {},
        {"epoch": 3, "optimizer": {}},
        {1: torch.ones(1)},
        {"a": torch.ones(2, 2).to_sparse()},
        {"a": torch.empty(2, device="meta")},
    ],
    ids=["list", "empty", "no weights", "keys not text", "sparse", "meta"],
)
def test_what_is_no_state_dict_is_refused(tmp_path, held):
    torch.save(held, tmp_path / "w.pt")
    assert "state" in refusal(read_weights, tmp_path / "w.pt")


def test_nan_is_refused_by_the_key_that_holds_it(tmp_path):
    state = small().state_dict()
    state["3.weight"][1, 2] = torch.nan
    torch.save(state, tmp_path / "w.pt")
    message = refusal(read_weights, tmp_path / "w.pt")
    assert "NaN" in message
    assert "'3.weight'" in message


def test_metadata_is_read_and_its_absence_is_empty(tmp_path):
    save_file({"a": torch.ones(1)}, tmp_path / "with.safetensors", {"size": "64"})
    save_file({"a": torch.ones(1)}, tmp_path / "without.safetensors")
    assert read_metadata(tmp_path / "with.safetensors") == {"size": "64"}
    assert read_metadata(tmp_path / "without.safetensors") == {}


def test_a_mismatch_lists_what_is_missing_unexpected_and_reshaped():
    state = dict(small().state_dict())
    del state["0.bias"]
    state["head.weight"] = torch.ones(1)
    state["3.weight"] = torch.ones(5, 4)
    message = refusal(load_weights, small(), state, "w.pt")
    assert "w.pt" in message
    assert "1 missing ('0.bias')" in message
    assert "1 unexpected ('head.weight')" in message
    assert "1 of another shape ('3.weight': the file's is (5, 4), the model's (2, 4))" in message


def test_a_long_list_of_keys_is_cut_and_counted():
    state = {f"layer{i}.weight": torch.ones(1) for i in range(50)}
    message = refusal(load_weights, small(), state, "w.pt")
    assert "50 unexpected ('layer0.weight', 'layer1.weight', 'layer2.weight' and 47 more)" in message


def test_hostile_keys_stay_on_one_line():
    assert "\x1b" not in refusal(load_weights, small(), {"a\nb\x1b[2J": torch.ones(1)}, "w.pt")


def test_files_from_before_batch_norm_counted_batches_load():
    state = {key: value for key, value in small().state_dict().items() if "num_batches" not in key}
    model = small()
    load_weights(model, state, "w.pt")
    torch.testing.assert_close(model[0].weight, state["0.weight"], rtol=0, atol=0)


class Renamed(nn.Module):
    """A module whose weight was called `old` in its first version."""

    _version = 2

    def __init__(self) -> None:
        super().__init__()
        self.new = nn.Parameter(torch.zeros(2))

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *args):
        if local_metadata.get("version") == 1:
            state_dict[prefix + "new"] = state_dict.pop(prefix + "old")
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


def test_versions_that_a_file_states_reach_the_modules(tmp_path):
    state = OrderedDict(old=torch.ones(2))
    state._metadata = {"": {"version": 1}}
    torch.save(state, tmp_path / "w.pt")
    model = Renamed()
    load_weights(model, read_weights(tmp_path / "w.pt"), "w.pt")
    assert model.new.tolist() == [1, 1]
