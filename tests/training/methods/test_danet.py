"""DANet against its equations written out, image by image and map by map, in float64."""

import copy
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from small import Plain, perturb
from torch import nn

from camkit import CAM, load_classifier
from camkit.cam import FunctionMaps, relu_maps
from camkit.cli import cli
from camkit.errors import CamkitError
from camkit.models import BACKBONES
from camkit.process_group import ProcessGroup
from camkit.training import TrainSettings, train
from camkit.training.methods import DANet, Network, load_method
from camkit.training.state import read_state

ALONE = ProcessGroup(0, 1, torch.device("cpu"))
IMAGES = torch.randn(4, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 3, 3, 1])
TREE = "class,family,order\n0,a,x\n1,b,x\n2,a,x\n3,c,y\n4,c,y\n"
FAMILY, ORDER = [0, 1, 0, 2, 2], [0, 0, 0, 1, 1]


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "tree.csv").write_text(TREE)
    return str(tmp_path / "tree.csv")


def made(tree, model=None, at="features.0,features.2", names=None, **options):
    torch.manual_seed(0)
    network = Network(perturb(model or Plain()).double().train(), 5, names, (16, 16), ALONE, label_smoothing=0.1)
    method = DANet(tree, at, **options)
    network.modules.update(method.modules(network))
    network.modules.double()
    method.prepare(network, None)
    return network, method


def larger(image_map, size):
    """Bilinear, corners on corners, position by position."""
    h, w = image_map.shape
    rows = []
    for i in range(size):
        y, cells = i * (h - 1) / (size - 1), []
        for j in range(size):
            x = j * (w - 1) / (size - 1)
            y0, x0 = min(int(y), h - 2), min(int(x), w - 2)
            dy, dx = y - y0, x - x0
            cells.append((1 - dy) * ((1 - dx) * image_map[y0, x0] + dx * image_map[y0, x0 + 1])
                         + dy * ((1 - dx) * image_map[y0 + 1, x0] + dx * image_map[y0 + 1, x0 + 1]))  # fmt: skip
        rows.append(torch.stack(cells))
    return torch.stack(rows)


def maps_of(layer, features, maps):
    """Every map (N, S, M, h, w) that a 1x1 convolution gives, by its weights."""
    weight = layer.weight[:, :, 0, 0]
    every = torch.stack([sum(weight[o, c] * features[:, c] for c in range(features.shape[1])) + layer.bias[o]
                         for o in range(len(weight))], 1)  # fmt: skip
    return every.unflatten(1, (-1, maps))


def cross_entropy(maps, labels):
    logits = torch.stack([torch.stack([maps[n, k].mean() for k in range(maps.shape[1])]) for n in range(len(maps))])
    logs = logits.log_softmax(1)
    return sum(-0.9 * logs[n, label] - 0.1 * logs[n].mean() for n, label in enumerate(labels)) / len(maps)


@pytest.mark.parametrize("options", [{"maps": 2, "drawn": 6, "cosine": 0.5}, {"maps": 3, "cosine": 2.0}])
def test_loss_and_gradients_are_those_written_out(tree, options):
    network, method = made(tree, **options)
    model, heads, count = copy.deepcopy(network.model), copy.deepcopy(network.modules), options["maps"]
    torch.manual_seed(5)
    figures = method.step(network, IMAGES, LABELS)
    figures["loss"].backward()

    torch.manual_seed(5)
    drawn = torch.randperm(3 * count)[: options.get("drawn", 3 * count // 2)].tolist()
    early = model.features[0](IMAGES)
    middle = model.features[2](model.features[1](early))
    last = model.features[3:](middle)
    levels = [maps_of(heads["classes"], last, count)]
    for name, inner in (("level_1", middle), ("level_2", early)):
        levels.append(maps_of(heads[name].maps, heads[name].layers(inner), count))
    labels = [LABELS.tolist(), [FAMILY[c] for c in LABELS], [ORDER[c] for c in LABELS]]
    entropies = [cross_entropy(maps, own) for maps, own in zip(levels, labels, strict=True)]
    images = []
    for n in range(4):
        own = [larger(maps[n, of[n], m], 8).flatten() for maps, of in zip(levels, labels, strict=True)
               for m in range(count)]  # fmt: skip
        kept = [own[i] for i in drawn]
        cosines = [(a * b).sum() / ((a * a).sum() * (b * b).sum() + 1e-8).sqrt()
                   for i, a in enumerate(kept) for b in kept[i + 1 :]]  # fmt: skip
        images.append(abs(sum(cosines)) / len(cosines))
    cosine = sum(images) / 4
    expected = 0.5 * sum(entropies) + options["cosine"] * cosine
    expected.backward()
    named = dict(zip(("loss", "cosine", "entropy", "level_1", "level_2"), (expected, cosine, *entropies), strict=True))
    assert figures.keys() == named.keys()
    for name, value in named.items():
        torch.testing.assert_close(figures[name], value)
    assert network.fc.weight.grad is None
    for ours, its in ((network.model, model), (network.modules, heads)):
        for one, other in zip(ours.parameters(), its.parameters(), strict=True):
            assert (one.grad is None) == (other.grad is None)
            if one.grad is not None:
                torch.testing.assert_close(one.grad, other.grad, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("bias", [True, False])
def test_the_network_is_the_plain_one_that_the_maps_fold_into(tree, bias):
    network, method = made(tree, Plain(bias=bias), maps=3)
    head = network.modules["classes"]
    for moved in (False, True):
        if moved:
            with torch.no_grad():
                for parameter in head.parameters():
                    parameter.add_(torch.randn_like(parameter))
                method.after_step(network, IMAGES, LABELS)
        model = network.model.eval()
        features = model.features(IMAGES)
        each = torch.stack([head.of(features, torch.full((4,), k)) for k in range(5)], 1)  # (N, K, M, h, w)
        torch.testing.assert_close(model(IMAGES), each.mean((2, 3, 4)))
        maps = CAM(model, (16, 16))(IMAGES, "all").maps
        shift = 0 if not bias else model.fc.bias[None, :, None, None]
        torch.testing.assert_close(maps, (each.mean(2) - shift).float())


def test_a_tree_of_one_level_has_one_head(tmp_path):
    (tmp_path / "one.csv").write_text("class,family\nx,a\ny,b\nz,a\nu,b\nv,b\n")
    network, method = made(str(tmp_path / "one.csv"), at="features.2", names=("x", "y", "z", "u", "v"), maps=2)
    assert set(network.modules) == {"classes", "level_1"}
    assert network.modules["level_1"].maps.weight.shape == (4, 16, 1, 1)
    assert set(method.step(network, IMAGES, LABELS)) == {"loss", "cosine", "entropy", "level_1"}


class Normed(Plain):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(8)

    def forward(self, x):
        return self.fc(self.norm(self.features(x).mean((2, 3))))


@pytest.mark.parametrize(
    ("options", "says"),
    [({"maps": 1}, "maps 1"), ({"drawn": 1}, "drawn 1"), ({"drawn": 99}, "drawn 99 of 24 maps"),
     ({"cosine": -1.0}, "cosine -1"), ({"at": "features.2"}, "2 modules.*names 1"),
     ({"model": Normed()}, "a norm, say"), ({"names": ("0", "1", "2", "3", "x")}, "line 6: '4' is no class")],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line(tree, options, says):
    with pytest.raises(CamkitError, match=says) as refusal:
        made(tree, **options)
    assert "\n" not in str(refusal.value)


def test_a_missing_tree_is_refused_in_one_line(tmp_path):
    wanted = {"": "danet needs a class tree: --method-option tree=FILE",
              f"{tmp_path}/none.csv": "none.csv: cannot be read as a class tree: No such file"}  # fmt: skip
    for tree, says in wanted.items():
        with pytest.raises(CamkitError, match=says) as refusal:
            load_method("danet", tree=tree).modules(Network(Plain(), 5, None, (16, 16), ALONE))
        assert "\n" not in str(refusal.value)


def test_all_maps_are_kept_for_the_positive_parts(tmp_path):
    tree = Path(__file__).parent / "three_shapes.csv"
    settings = TrainSettings(
        "shapes", "n=12,size=32,classes=3", backbone="vgg-small", weights="none", size=(24,), resize=28, epochs=1,
        batch_size=4, lr=0.05, method="danet", method_options={"tree": str(tree), "maps": 3, "keep": True},
    )  # fmt: skip
    train(settings, tmp_path)
    state, loaded = read_state(tmp_path), load_classifier(str(tmp_path / "last.safetensors"))
    assert loaded.pool == "maps:3"
    plain = BACKBONES["vgg-small"].build(3).eval()
    plain.load_state_dict(state.model)
    images, classes = torch.randn(2, 3, 24, 24), torch.tensor([[0, 2], [1, 0]])
    with torch.no_grad():
        torch.testing.assert_close(loaded.model(images), plain(images))
        features = plain[:3](images)
        weight, bias = (state.modules[f"classes.{name}"].flatten(1 - (name == "bias")) for name in ("weight", "bias"))
        every = [[sum((torch.einsum("c,chw->hw", weight[3 * k + m], features[n]) + bias[3 * k + m]).clamp(min=0)
                      for m in range(3)) / 3 for k in classes[n].tolist()] for n in range(2)]  # fmt: skip
        expected = torch.stack([torch.stack(row) for row in every])
    source = FunctionMaps(loaded.model, relu_maps, "relu-maps", (24, 24))
    torch.testing.assert_close(source.predict(images).class_maps(classes).maps, expected)
    assert CAM(loaded.model, (24, 24)).head.kind == "score pooling"
    assert not any(module._forward_pre_hooks for module in loaded.model.modules())
    call = ["evaluate", "--model", f"{tmp_path}/last.safetensors", "--maps-by", "relu-maps", "--dataset", "shapes",
            "--root", "n=4,size=32,classes=3", "--split", "val", "--out", str(tmp_path / "measured"),
            "--device", "cpu"]  # fmt: skip
    done = CliRunner().invoke(cli, call)
    assert done.exit_code == 0, done.output
    with pytest.raises(CamkitError, match="several maps of each class: train with --method danet"):
        relu_maps(plain)
