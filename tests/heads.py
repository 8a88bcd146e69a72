"""Heads of known truth: tiny networks with what there is to be found in each, or why there is nothing."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from camkit.nn import ScorePool2d, make_pool

SIZE = (32, 32)
Step = Callable[["Net", torch.Tensor], torch.Tensor]


class Net(nn.Module):
    """A backbone of 12 channels and 8 x 8 positions, and any way on from there."""

    def __init__(self, end: Step, inputs: int = 12, classes: int = 5, before: Step | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.norm = nn.Conv2d(3, 12, 4, 4), nn.BatchNorm2d(12)
        self.mix, self.out = nn.Conv2d(12, 12, 3, 1, 1), nn.Identity()
        self.fc, self.hidden = nn.Linear(inputs, classes), nn.Linear(12, 12)
        self.views, self.query = nn.Linear(12, 4 * classes), nn.Linear(12, 1)
        self.latent = nn.Parameter(torch.randn(1, 1, 12))
        self.attention = nn.MultiheadAttention(12, 3, batch_first=True)
        self.many = nn.ModuleList(nn.Linear(12, 1) for _ in range(120))
        self.scores = nn.Conv2d(12, classes, 1)
        self.tap, self.max, self.lse = (make_pool(spec) for spec in ("tap:0.1", "max", "lse:3"))
        self.wildcat, self.several = make_pool("wildcat:0.2,3,0.7"), ScorePool2d(12, classes, make_pool("weldon:4,2"))
        self.layer_norm, self.batch_norm = nn.LayerNorm(12), nn.BatchNorm1d(12)
        self.one = nn.Parameter(torch.eye(12))
        self.end, self.before = end, before

    def features(self, x: torch.Tensor) -> torch.Tensor:
        x = x if self.before is None else self.before(self, x)
        return self.out(F.relu(self.mix(F.relu(self.norm(self.stem(x))))))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.end(self, self.features(x))


def mean(y: torch.Tensor) -> torch.Tensor:
    return y.mean((2, 3))


def tokens(y: torch.Tensor) -> torch.Tensor:
    return y.flatten(2).transpose(1, 2)


def prefixed(net: Net, y: torch.Tensor, count: int = 1) -> torch.Tensor:
    """Tokens with learned ones before them."""
    return net.out(torch.cat([net.latent.expand(len(y), count, -1), tokens(y)], 1))


@dataclass(frozen=True)
class Head:
    """A network and the truth about it: a kind and a map size, or words of the refusal."""

    make: Callable[[], nn.Module]
    kind: str = ""
    map_size: tuple[int, int] = (8, 8)
    says: str = ""


def net(end: Step, kind: str = "exact", inputs: int = 12, before: Step | None = None, **truth: object) -> Head:
    return Head(lambda: Net(end, inputs, before=before), kind, **truth)


def no(end: Step, says: str, inputs: int = 12, before: Step | None = None) -> Head:
    return Head(lambda: Net(end, inputs, before=before), says=says)


def attend(n: Net, y: torch.Tensor) -> torch.Tensor:
    return n.attention(n.latent.expand(len(y), -1, -1), tokens(y), tokens(y), need_weights=False)[0][:, 0]


def weighed(n: Net, y: torch.Tensor) -> torch.Tensor:
    """Positions weighed by one number that a linear layer gives to each."""
    return (n.query(tokens(y)).softmax(1) * tokens(y)).sum(1)


def even(n: Net, y: torch.Tensor) -> torch.Tensor:
    """Attention so weak that every token comes out as the mean of all, and the first is read."""
    t = tokens(y)
    return n.out(torch.softmax(1e-6 * t @ t.transpose(1, 2), 2) @ t)[:, 0]


def valid(layers: int) -> nn.Module:
    torch.manual_seed(0)
    convs = [m for i in range(layers) for m in (nn.Conv2d(3 if i == 0 else 8, 8, 3), nn.LeakyReLU(0.2))]
    return nn.Sequential(*convs, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))


def all_of(heads: nn.ModuleList, p: torch.Tensor) -> torch.Tensor:
    return torch.cat([head(p) for head in heads], 1)


def with_softmax(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return logits.softmax(1), logits


def both(y: torch.Tensor) -> torch.Tensor:
    """Means of two views of each image, one batch after the other."""
    return torch.cat([y, y.flip(3) * 1.5]).mean((2, 3))


class Wordless(Exception):
    """An error of which nothing can be said."""

    def __str__(self) -> str:
        raise ZeroDivisionError


def raise_wordless() -> torch.Tensor:
    raise Wordless


def shuffled(y: torch.Tensor) -> torch.Tensor:
    return y.transpose(2, 3).flatten(2)


POOLINGS: dict[str, Head] = {
    "adaptive pool": net(lambda n, y: n.fc(F.adaptive_avg_pool2d(y, 1).flatten(1))),
    "mean": net(lambda n, y: n.fc(mean(y))),
    "mean twice": net(lambda n, y: n.fc(y.mean(3).mean(2))),
    "mean of rows, then of columns": net(lambda n, y: n.fc(y.mean(2).mean(2))),
    "mean in groups": net(lambda n, y: n.fc(y.unflatten(1, (3, 4)).mean((3, 4)).flatten(1))),
    "whole kernel": net(lambda n, y: n.fc(F.avg_pool2d(y, 8)[:, :, 0, 0])),
    "sum": net(lambda n, y: n.fc(y.sum((2, 3)))),
    "sum over their number": net(lambda n, y: n.fc(y.sum((2, 3)) / y[0, 0].numel())),
    "einsum": net(lambda n, y: n.fc(torch.einsum("nchw->nc", y))),
    "channels last": net(lambda n, y: n.fc(y.permute(0, 2, 3, 1).mean((1, 2)))),
    "tokens": net(lambda n, y: n.fc(tokens(y).mean(1))),
    "tokens, normed": net(lambda n, y: n.fc(n.layer_norm(tokens(y)).mean(1))),
    "tokens by AdaptiveAvgPool1d": net(lambda n, y: n.fc(F.adaptive_avg_pool1d(y.flatten(2), 1).flatten(1))),
    "normed tokens by AdaptiveAvgPool1d": net(
        lambda n, y: n.fc(F.adaptive_avg_pool1d(n.layer_norm(tokens(y)).transpose(1, 2), 1).flatten(1))
    ),
    "tokens as one row": net(lambda n, y: n.fc(F.adaptive_avg_pool2d(y.flatten(2)[:, :, None], 1).flatten(1))),
    "views of the map by columns": net(lambda n, y: n.fc(n.out(shuffled(y)).mean(2))),
    "patches after a prefix": net(lambda n, y: n.fc(prefixed(n, y)[:, 1:].mean(1))),
    "scores": net(lambda n, y: mean(n.scores(y)), "score pooling"),
    "TAP": net(lambda n, y: n.fc(n.tap(y).flatten(1)), "TAP"),
    "camkit's maximum": net(lambda n, y: n.fc(n.max(y).flatten(1)), "max pooling"),
    "camkit's log-sum-exp": net(lambda n, y: n.fc(n.lse(y).flatten(1)), "log-sum-exp"),
    "WILDCAT of scores": net(lambda n, y: n.wildcat(n.scores(y)).flatten(1), "WILDCAT"),
    "WELDON": net(lambda n, y: n.several(y).flatten(1), "WILDCAT"),
    "power mean": net(lambda n, y: n.fc(n.out(y.clamp(min=1e-3) ** 3).mean((2, 3)) ** (1 / 3)), "linearised"),
}

ATTENDING: dict[str, Head] = {
    "a latent query": net(lambda n, y: n.fc(attend(n, y)), "attention pooling"),
    "attention by product": net(
        lambda n, y: n.fc((n.query(tokens(y)).softmax(1) * tokens(y)).sum(1)), "attention pooling"
    ),
    "attention by matmul": net(
        lambda n, y: n.fc((n.query(tokens(y)).softmax(1).transpose(1, 2) @ tokens(y))[:, 0]), "attention pooling"
    ),
    "attention that is even by chance": net(lambda n, y: n.fc(even(n, y)), "attention pooling"),
    "two attention pools": net(lambda n, y: n.fc(attend(n, y) + weighed(n, y)), "attention pooling"),
    "two attention pools side by side": net(
        lambda n, y: n.fc(torch.cat([attend(n, y), weighed(n, y)], 1)), "attention pooling", 24
    ),
    "attention pool and mean": net(
        lambda n, y: n.fc(torch.cat([attend(n, y), tokens(y).mean(1)], 1)), "attention pooling", 24
    ),
    "attention pool, layer norm": net(lambda n, y: n.fc(n.layer_norm(attend(n, y))), "attention pooling"),
    "attention pool, hidden ReLU": net(lambda n, y: n.fc(F.relu(n.hidden(attend(n, y)))), "linearised"),
    "attention pool, softmax": net(lambda n, y: n.fc(attend(n, y)).softmax(1), "attention pooling"),
    "attention pool, heads averaged": net(
        lambda n, y: n.views(attend(n, y)).view(-1, 4, 5).mean(1), "attention pooling"
    ),
    "attention pool, heads stacked": net(
        lambda n, y: torch.stack([n.fc(attend(n, y)), n.fc(n.hidden(attend(n, y)))]).mean(0), "attention pooling"
    ),
}

TAILS: dict[str, Head] = {
    "identity matrix": net(lambda n, y: F.linear(mean(y), n.one)),
    "two layers": net(lambda n, y: n.fc(n.hidden(mean(y)))),
    "temperature": net(lambda n, y: 20 * n.fc(mean(y))),
    "batch norm": net(lambda n, y: n.fc(n.batch_norm(mean(y))), "folded"),
    "layer norm": net(lambda n, y: n.fc(n.layer_norm(mean(y))), "folded"),
    "cosine": net(lambda n, y: F.normalize(mean(y)) @ F.normalize(n.fc.weight).T, "folded"),
    "120 heads": net(lambda n, y: torch.cat([head(mean(y)) for head in n.many], 1)),
    "120 heads on one pooled vector": net(lambda n, y: all_of(n.many, mean(y))),
    "views": net(lambda n, y: n.views(mean(y)).view(-1, 4, 5).mean(1)),
    "views of tokens": net(lambda n, y: n.views(tokens(y).mean(1)).view(-1, 4, 5).mean(1)),
    "views, summed": net(lambda n, y: n.views(mean(y)).view(-1, 4, 5).sum(1)),
    "views on the last axis": net(lambda n, y: n.views(mean(y)).view(-1, 5, 4).mean(2)),
    "best of views": net(lambda n, y: n.views(mean(y)).view(-1, 4, 5).amax(1), "linearised"),
    "hidden ReLU": net(lambda n, y: n.fc(F.relu(n.hidden(mean(y)))), "linearised"),
    "clamp at 50": net(lambda n, y: n.fc(mean(y)).clamp(-50, 50), "linearised"),
    "clamp at 10000": net(lambda n, y: n.fc(mean(y)).clamp(max=1e4), "linearised"),
    "clamp of one channel": net(
        lambda n, y: n.fc(torch.cat([mean(y)[:, :1].clamp(max=90), mean(y)[:, 1:]], 1)), "linearised"
    ),
    "weak gate": net(lambda n, y: n.fc(mean(y)) * (1 + 1e-3 * torch.sigmoid(n.query(mean(y)))), "linearised"),
    "gate": net(lambda n, y: n.fc(mean(y) * torch.sigmoid(n.hidden(mean(y)))), "linearised"),
    "threshold near 0": net(lambda n, y: F.hardshrink(n.fc(mean(y)), 1e-2), "linearised"),
    "tanh": net(lambda n, y: 30 * torch.tanh(n.fc(mean(y)) / 30), "linearised"),
    "softmax": net(lambda n, y: n.fc(mean(y)).softmax(1)),
    "log-softmax": net(lambda n, y: F.log_softmax(n.fc(mean(y)), 1)),
    "sigmoid": net(lambda n, y: n.fc(mean(y)).sigmoid()),
    "softmax of views": net(lambda n, y: n.views(mean(y)).view(-1, 4, 5).mean(1).softmax(-1)),
    "mean of two softmaxes": net(
        lambda n, y: (n.fc(mean(y)).softmax(1) + n.fc(n.hidden(mean(y))).softmax(1)) / 2, "linearised"
    ),
    "softmax of the map": net(lambda n, y: mean(n.scores(y).softmax(1)), "score pooling"),
    "sigmoid of the map": net(lambda n, y: mean(n.scores(y).sigmoid()), "score pooling"),
    "squeezed": net(lambda n, y: n.fc(mean(y))[:, 0].squeeze()),
    "answer with its softmax": net(lambda n, y: with_softmax(n.fc(mean(y)))),
    "answer with a map": net(lambda n, y: (y, n.fc(mean(y)))),
    "named logits": net(lambda n, y: {"embedding": mean(y), "logits": n.fc(mean(y))}),
}

REFUSED: dict[str, Head] = {
    "embedding and logits": no(lambda n, y: (mean(y), n.fc(mean(y))), "cannot tell which part is the logits"),
    "logits and embedding": no(lambda n, y: (n.fc(mean(y)), mean(y)), "cannot tell which part is the logits"),
    "two tasks": no(lambda n, y: {"a": n.fc(mean(y)), "b": n.scores(y).mean((2, 3))}, "a, b and camkit cannot tell"),
    "a map of scores": no(lambda n, y: n.scores(y), "not one number a class"),
    "flattened": no(lambda n, y: n.fc(y.flatten(1)), "flattens a 8x8 map of 12 channels", 12 * 64),
    "pooled to 2x2": no(lambda n, y: n.fc(F.adaptive_avg_pool2d(y, 2).flatten(1)), "flattens a 2x2 map", 48),
    "maximum": no(lambda n, y: n.fc(y.amax((2, 3))), "maximum"),
    "average and maximum": no(lambda n, y: n.fc(mean(y) + y.amax((2, 3))), "maximum"),
    "log-sum-exp": no(lambda n, y: n.fc(y.logsumexp((2, 3))), "no mean over positions"),
    "median": no(lambda n, y: n.fc(y.flatten(2).median(2).values), "no mean over positions"),
    "two maps": no(lambda n, y: n.fc(torch.cat([mean(y), mean(y.sqrt())], 1)), "several feature maps", 24),
    "whole convolution": no(
        lambda n, y: n.fc(F.conv2d(y, torch.ones(12, 1, 8, 8).cumsum(2), groups=12).flatten(1)),
        "convolution over the whole 8x8 map",
    ),
    "class token": no(lambda n, y: n.fc(prefixed(n, y)[:, 0]), "class token"),
    "one position": no(lambda n, y: n.fc(y[:, :, 3, 4]), "one position"),
    "mean with the prefix": no(lambda n, y: n.fc(prefixed(n, y).mean(1)), "elsewhere"),
    "attention pools of two maps": no(
        lambda n, y: n.fc(attend(n, y) + attend(n, F.avg_pool2d(y, 2))), "several maps, of 4x4 and 8x8 positions"
    ),
    "four heads averaged": no(lambda n, y: n.views(y.amax((2, 3))).view(-1, 4, 5).mean(1), "maximum"),
    "mean with 6 prefixes": no(lambda n, y: n.fc(prefixed(n, y, 6).mean(1)), "elsewhere"),
    "tokens by columns": no(lambda n, y: n.fc(n.layer_norm(shuffled(y).transpose(1, 2)).mean(1)), "elsewhere"),
    "half of the image": no(lambda n, y: n.fc(mean(y)), "does not see the right edge", before=lambda n, x: x[..., :16]),
    "middle of the image": no(
        lambda n, y: n.fc(mean(y)), "does not see the upper", before=lambda n, x: x[:, :, 4:28, 4:28]
    ),
    "all but a narrow margin": no(
        lambda n, y: n.fc(mean(y)), "does not see the upper", before=lambda n, x: x[:, :, 1:31, 1:31]
    ),
    "views in one batch": no(lambda n, y: n.fc(both(y)[: len(y)] + both(y)[len(y) :]), "makes 4 images of 2"),
    "dropout that stays on": no(lambda n, y: n.fc(F.dropout(mean(y), 0.5, True)), "each time that it is shown"),
    "dropout of channels that stays on": no(lambda n, y: n.fc(mean(F.dropout2d(y, 0.5, True))), "each time that it is"),
    "mean of dropouts that stay on": no(
        lambda n, y: torch.stack([n.fc(F.dropout(mean(y), 0.5, True)) for _ in range(4)]).mean(0),
        "each time that it is",
    ),
    "NumPy": no(lambda n, y: torch.from_numpy(n.fc(mean(y)).detach().numpy().copy()), "not computed by PyTorch alone"),
    "forward that leaves Python": no(lambda n, y: sys.exit(3), "SystemExit 3"),
    "error that has no words": no(lambda n, y: raise_wordless(), "Wordless"),
    "middle of the map": no(lambda n, y: n.fc(mean(y[:, :, 2:6, 2:6])), "does not see"),
    "upper half of the map": no(lambda n, y: n.fc(mean(y[:, :, :4])), "does not see the lower"),
    "wide border": no(lambda n, y: n.fc(mean(y)), "elsewhere", before=lambda n, x: F.pad(x, (16, 16, 16, 16))),
    "mirrored": no(lambda n, y: n.fc(mean(y)), "elsewhere", before=lambda n, x: x.flip(3)),
    "valid convolutions": Head(lambda: valid(10), says="elsewhere"),
    "batch statistics": no(lambda n, y: n.fc(mean(n.out(y - y.mean(0, keepdim=True)))), "other images of its batch"),
    "single images fail": no(lambda n, y: n.fc(mean(y)).squeeze().softmax(1), "but not on 1 "),
    "constant": no(lambda n, y: n.fc.bias.expand(len(y), -1), "do not depend on the images"),
}
HEADS = {**POOLINGS, **ATTENDING, **TAILS, **REFUSED}
