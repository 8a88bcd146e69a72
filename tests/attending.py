"""Small networks that weigh positions by attention, and a slow reference for the maps of each."""

import math

import torch
import torch.nn.functional as F
from torch import nn

SIZE = (32, 24)  # 4 x 3 patches of 8 x 8
GRID = (4, 3)
WIDTH, HEADS, CLASSES = 12, 3, 5


class Attention(nn.Module):
    """Multi-head attention, by PyTorch's kernel or written out; `bias` is added to the scores."""

    def __init__(self, fused=True, tokens=0):
        super().__init__()
        self.q, self.k, self.v, self.proj = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.fused = fused
        self.bias = nn.Parameter(torch.randn(HEADS, tokens, tokens)) if tokens else None

    def heads(self, x):
        return x.unflatten(2, (HEADS, WIDTH // HEADS)).transpose(1, 2)

    def weights(self, asks, x):
        """(N, heads, asking, asked)."""
        scores = self.heads(self.q(asks)) @ self.heads(self.k(x)).transpose(2, 3) / math.sqrt(WIDTH // HEADS)
        return (scores if self.bias is None else scores + self.bias).softmax(3)

    def forward(self, asks, x):
        if self.fused:
            mask = None if self.bias is None else self.bias[None]
            out = F.scaled_dot_product_attention(
                self.heads(self.q(asks)), self.heads(self.k(x)), self.heads(self.v(x)), mask
            )
        else:
            out = self.weights(asks, x) @ self.heads(self.v(x))
        return self.proj(out.transpose(1, 2).flatten(2))

    def taken(self, asks, x, token=0):
        """What the asking token takes from each asked one, (N, T, width): a loop over heads and tokens."""
        weights, values = self.weights(asks, x), self.v(x)
        width = WIDTH // HEADS
        out = []
        for t in range(x.shape[1]):
            parts = []
            for h in range(HEADS):
                parts.append(weights[:, h, token, t, None] * values[:, t, h * width : (h + 1) * width])
            out.append(torch.cat(parts, 1) @ self.proj.weight.T)
        return torch.stack(out, 1)


class Block(nn.Module):
    """A pre-norm block with layer scale."""

    def __init__(self, fused=True, tokens=0):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = Attention(fused, tokens)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 20), nn.GELU(), nn.Linear(20, WIDTH))
        self.scale1, self.scale2 = (nn.Parameter(torch.rand(WIDTH) + 0.5) for _ in range(2))

    def forward(self, x):
        y = self.norm1(x)
        x = x + self.scale1 * self.attention(y, y)
        return x + self.scale2 * self.mlp(self.norm2(x))


class ViT(nn.Module):
    """A class token (and registers) before the patches, pre-norm blocks, a norm, a linear layer."""

    def __init__(self, depth=2, registers=0, fused=True, bias=False, read="token"):
        super().__init__()
        torch.manual_seed(0)
        patches = GRID[0] * GRID[1]
        self.prefix, self.read = 1 + registers, read
        self.patch = nn.Conv2d(3, WIDTH, 8, 8)
        self.tokens = nn.Parameter(torch.randn(1, self.prefix, WIDTH))
        self.positions = nn.Parameter(torch.randn(1, patches, WIDTH))
        self.blocks = nn.ModuleList(Block(fused, self.prefix + patches if bias else 0) for _ in range(depth))
        self.norm = nn.LayerNorm(WIDTH)
        self.fc = nn.Linear(2 * WIDTH if read == "both" else WIDTH, CLASSES)

    def start(self, x):
        patches = self.patch(x).flatten(2).transpose(1, 2) + self.positions
        return torch.cat([self.tokens.expand(len(x), -1, -1), patches], 1)

    def forward(self, x):
        x = self.start(x)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        if self.read == "both":
            return self.fc(torch.cat([x[:, 0], x[:, self.prefix :].mean(1)], 1))
        return self.fc(x[:, 0])

    def reference(self, x, blocks=1):
        """Class maps (N, K, h, w) of the last blocks, position by position."""
        x = self.start(x)
        taken = []
        for block in self.blocks:
            y = block.norm1(x)
            taken.append(block.scale1 * block.attention.taken(y, y)[:, self.prefix :])
            x = block(x)
        last = x[:, 0]
        deviation = (last.var(1, unbiased=False) + self.norm.eps).sqrt()
        weight = self.fc.weight[:, :WIDTH] * self.norm.weight
        weight = weight - weight.mean(1, keepdim=True)
        maps = sum(taken[-blocks:]) @ weight.T / deviation[:, None, None]
        if self.read == "both":
            maps = maps + self.norm(x)[:, self.prefix :] @ self.fc.weight[:, WIDTH:].T / (GRID[0] * GRID[1])
        return laid_out(maps)


def laid_out(parts):
    """What positions add to the logits, (N, P, K), as maps whose mean is their sum, (N, K, h, w)."""
    return (parts * parts.shape[1]).transpose(1, 2).unflatten(2, GRID)


class Pool(nn.Module):
    """CLIP's attention pool: the mean token asks. Normed and compared with embeddings, or not."""

    def __init__(self, fused=True, zero_shot=False):
        super().__init__()
        torch.manual_seed(0)
        self.features = nn.Sequential(nn.Conv2d(3, WIDTH, 8, 8), nn.ReLU())
        self.positions = nn.Parameter(torch.randn(1, 1 + GRID[0] * GRID[1], WIDTH))
        self.attention = Attention(fused)
        self.fc = nn.Linear(WIDTH, CLASSES)
        self.zero_shot = zero_shot

    def tokens(self, x):
        x = self.features(x).flatten(2).transpose(1, 2)
        return torch.cat([x.mean(1, keepdim=True), x], 1) + self.positions

    def forward(self, x):
        tokens = self.tokens(x)
        pooled = self.attention(tokens, tokens)[:, 0]
        return 10 * F.normalize(pooled) @ F.normalize(self.fc.weight).T if self.zero_shot else self.fc(pooled)

    def reference(self, x):
        """The mean token's part is shared out: each position has what its own value would give, with its weight."""
        tokens = self.tokens(x)
        attention, positions = self.attention, GRID[0] * GRID[1]
        taken = attention.taken(tokens, tokens)
        own = attention.weights(tokens, tokens)[:, :, 0, 0].repeat_interleave(WIDTH // HEADS, 1)
        values = attention.v(tokens)
        evened = values[:, 1:] + values[:, :1] - values[:, 1:].mean(1, keepdim=True)
        parts = taken[:, 1:] + (own[:, None] * evened) @ attention.proj.weight.T / positions
        if not self.zero_shot:
            return laid_out(parts @ self.fc.weight.T)
        length = self.attention(tokens, tokens)[:, 0].norm(dim=1)
        return laid_out(10 * parts @ F.normalize(self.fc.weight).T / length[:, None, None])


class Latent(nn.Module):
    """A learned query asks all positions; an MLP adds to what it takes (a MAP head, as SigLIP has it)."""

    def __init__(self, fused=True, mlp=True):
        super().__init__()
        torch.manual_seed(0)
        self.patch = nn.Conv2d(3, WIDTH, 8, 8)
        self.block, self.norm, self.norm2 = Block(fused), nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.latent, self.attention = nn.Parameter(torch.randn(1, 1, WIDTH)), Attention(fused)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 20), nn.GELU(), nn.Linear(20, WIDTH)) if mlp else None
        self.fc = nn.Linear(WIDTH, CLASSES)

    def tokens(self, x):
        return self.norm(self.block(self.patch(x).flatten(2).transpose(1, 2)))

    def forward(self, x):
        tokens = self.tokens(x)
        pooled = self.attention(self.latent.expand(len(x), -1, -1), tokens)
        if self.mlp is not None:
            pooled = pooled + self.mlp(self.norm2(pooled))
        return self.fc(pooled[:, 0])

    def reference(self, x):
        tokens = self.tokens(x)
        return laid_out(self.attention.taken(self.latent.expand(len(x), -1, -1), tokens) @ self.fc.weight.T)


class ClassAttention(nn.Module):
    """A class token that joins late and alone asks (CaiT): two blocks of it."""

    def __init__(self, fused=True):
        super().__init__()
        torch.manual_seed(0)
        self.patch, self.block = nn.Conv2d(3, WIDTH, 8, 8), Block(fused)
        self.token = nn.Parameter(torch.randn(1, 1, WIDTH))
        self.blocks = nn.ModuleList(Block(fused) for _ in range(2))
        self.norm, self.fc = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, CLASSES)

    def walk(self, x):
        """The class token at the end, and what it took from the patches in each block."""
        patches = self.block(self.patch(x).flatten(2).transpose(1, 2))
        token, taken = self.token.expand(len(x), -1, -1), []
        for block in self.blocks:
            y = block.norm1(torch.cat([token, patches], 1))
            taken.append(block.scale1 * block.attention.taken(y[:, :1], y)[:, 1:])
            token = token + block.scale1 * block.attention(y[:, :1], y)
            token = token + block.scale2 * block.mlp(block.norm2(token))
        return token, patches, taken

    def forward(self, x):
        token, patches, _ = self.walk(x)
        return self.fc(self.norm(torch.cat([token, patches], 1))[:, 0])

    def reference(self, x, blocks=2):
        token, _, taken = self.walk(x)
        deviation = (token[:, 0].var(1, unbiased=False) + self.norm.eps).sqrt()
        weight = self.fc.weight * self.norm.weight
        weight = weight - weight.mean(1, keepdim=True)
        return laid_out(sum(taken[-blocks:]) @ weight.T / deviation[:, None, None])
