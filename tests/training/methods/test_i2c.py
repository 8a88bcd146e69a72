"""I2C against its equations written out, pair by pair, in float64."""

import copy

import pytest
import torch
from small import Plain, perturb
from torch import nn

from camkit.errors import CamkitError
from camkit.process_group import ProcessGroup
from camkit.training import TrainSettings, train
from camkit.training.methods import I2C, Network, load_method
from camkit.training.methods.i2c import object_positions

ALONE = ProcessGroup(0, 1, torch.device("cpu"))
IMAGES = torch.randn(6, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([3, 3, 0, 0, 3, 3])


def made(**options):
    torch.manual_seed(0)
    network = Network(perturb(Plain()).double().train(), 5, None, (16, 16), ALONE, label_smoothing=0.1)
    method = I2C(**options)
    network.modules.update(method.modules(network))
    return network, method


@pytest.mark.parametrize("at", ["", "features.3"])
def test_loss_gradients_and_bank_are_those_written_out(at):
    network, method = made(at=at, sc=0.3, gc=0.2, decay=0.5, delta=0.4)
    bank = network.modules["bank"].double()
    for seen in (0, 1, 2):  # class 0 comes for the first time in the first step
        if seen == 0:
            bank.means[3], bank.counts[3] = torch.linspace(-1, 1, 8), 4
        before, counts, model = bank.means.clone(), bank.counts.clone(), copy.deepcopy(network.model)
        torch.manual_seed(seen)
        figures = method.step(network, IMAGES, LABELS)
        network.model.zero_grad()
        figures["loss"].backward()

        inner = model.features[:4](IMAGES)
        last = model.features[4](inner)
        features = inner if at else last
        maps = torch.stack([(model.fc.weight[c][:, None, None] * last[n]).sum(0) for n, c in enumerate(LABELS)])
        torch.manual_seed(seen)
        drawn = object_positions(maps.detach().flatten(1), 3, 0.4)
        held = [[features[n, :, int(p) // 4, int(p) % 4] for p in drawn[n]] for n in range(6)]
        pairs, means = [], []
        for pair in range(3):
            one, other = held[2 * pair], held[2 * pair + 1]
            pairs.append(sum(((a - b) ** 2).sum().sqrt() for a, b in zip(one, other, strict=True)) / 3)
            means.append(sum([*one, *other]) / 6)
        sc = sum(pairs) / 3
        gc = (
            sum(
                ((before[c] - mean) ** 2).sum().sqrt() if counts[c] else 0
                for c, mean in zip([3, 0, 3], means, strict=True)
            )
            / 3
        )
        logs = model.fc(last.mean((2, 3))).log_softmax(1)
        entropy = sum(-0.9 * logs[n, c] - 0.1 * logs[n].mean() for n, c in enumerate(LABELS)) / 6
        expected = entropy + 0.3 * sc + 0.2 * gc
        expected.backward()
        for name, value in {"loss": expected, "entropy": entropy, "sc": sc, "gc": gc}.items():
            torch.testing.assert_close(figures[name], value)
        for ours, its in zip(network.model.parameters(), model.parameters(), strict=True):
            torch.testing.assert_close(ours.grad, its.grad, rtol=1e-6, atol=1e-7)

        with torch.no_grad():
            assert method.after_step(network, IMAGES, LABELS) == {}
            for c, mean in ((3, (means[0] + means[2]) / 2), (0, means[1])):
                rate = torch.exp(-0.5 * counts[c])
                torch.testing.assert_close(bank.means[c], (1 - rate) * before[c] + rate * mean)
        assert bank.counts.tolist() == [seen + 1, 0, 0, seen + 5, 0]
        assert torch.equal(bank.means[[1, 2, 4]], before[[1, 2, 4]])


def test_positions_are_drawn_from_the_object_alone_each_as_often():
    torch.manual_seed(0)
    values = torch.tensor([0.0, 1.0, 0.9, 0.71, 0.7, 0.2, 0.8, 0.1])
    drawn = object_positions(values.expand(4000, -1), 3, 0.7)
    assert all(len(set(row)) == 3 for row in drawn.tolist())
    counts = torch.bincount(drawn.flatten(), minlength=8)
    assert counts[[0, 4, 5, 7]].tolist() == [0] * 4
    assert (counts[[1, 2, 3, 6]] - 3000).abs().max() < 150  # more than five standard deviations
    few = object_positions(values.expand(50, -1), 6, 0.75)  # of three: twice each
    assert all(sorted(row) == [1, 1, 2, 2, 6, 6] for row in few.tolist())
    constant = object_positions(torch.ones(500, 4), 2, 0.7)
    assert set(constant.flatten().tolist()) == {0, 1, 2, 3}
    assert object_positions(torch.full((1, 4), torch.nan), 2, 0.7).shape == (1, 2)


def test_as_published_the_first_positions_are_taken_from_the_top():
    """In raster order, again from the first where there are too few; nothing is drawn."""
    maps = torch.tensor([[0.0, 1.0, 0.9, 0.71, 0.7, 0.2, 0.8, 0.1], [0.0, 0, 0, 0, 0, 1, 0, 0.9]])
    state = torch.get_rng_state()
    assert object_positions(maps, 3, 0.7, first=True).tolist() == [[1, 2, 3], [5, 7, 5]]
    assert torch.equal(torch.get_rng_state(), state)
    network, method = made(as_published=True)
    expected = [method.step(network, IMAGES, LABELS)["sc"] for _ in range(2)]
    assert expected[0] == expected[1]


def test_an_image_beside_itself_has_a_gradient():
    network, method = made(delta=0.999)
    method.step(network, IMAGES[:1].expand(2, -1, -1, -1), torch.tensor([1, 1]))["loss"].backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.model.parameters())


@pytest.mark.parametrize(
    ("options", "says"),
    [({"sets": 0}, "sets 0"), ({"positions": 0}, "positions 0"), ({"delta": 1}, "delta 1"), ({"sc": -1}, "sc -1"),
     ({"gc": "inf"}, "gc inf"), ({"decay": "nan"}, "decay nan")],
)  # fmt: skip
def test_options_out_of_range(options, says):
    with pytest.raises(CamkitError, match=says):
        load_method("i2c", **options)


def test_what_cannot_be_is_refused_in_one_line(tmp_path):
    with pytest.raises(CamkitError, match="its map is 8x8, and class maps are 4x4") as refusal:
        made(at="features.2")
    assert "\n" not in str(refusal.value)
    model = perturb(Plain())
    model.fc = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 5))
    with pytest.raises(CamkitError, match="only linearised"):
        I2C().modules(Network(model.train(), 5, None, (16, 16), ALONE))
    settings = TrainSettings("shapes", "n=3,size=32,classes=3", backbone="vgg-small", weights="none", size=(24,),
                             resize=28, method="i2c")  # fmt: skip
    with pytest.raises(CamkitError, match=r"no class has 2 images, the largest 1: .*add images") as refusal:
        train(settings, tmp_path)
    assert "\n" not in str(refusal.value)
    with pytest.raises(CamkitError, match="cutmix mixes classes, and i2c needs sets of one class"):
        load_method("cutmix+i2c")
