"""Logits of small vision transformers in plain PyTorch, for models.json: prints cases in its form. Run with Debian's
python3-torch 1.13.1. Weights and images are the formulas that models.json states; a case's options are those of s2ap."""
import json
import math

import torch
from torch import nn


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        n, t, width = x.shape
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        split = lambda a: a.view(n, t, self.heads, width // self.heads).transpose(1, 2)
        weights = torch.einsum("nhqd,nhkd->nhqk", split(q), split(k)) / math.sqrt(width // self.heads)
        mixed = torch.einsum("nhqk,nhkd->nhqd", weights.softmax(-1), split(v))
        return self.proj(mixed.transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x):
        return self.fc2(nn.functional.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
    def __init__(self, patch, width):
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, patch)


class VisionTransformer(nn.Module):
    def __init__(self, numClasses, imageSize, patch, width, depth, heads, normalize=None):
        super().__init__()
        self.normalize = normalize
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + (imageSize // patch) ** 2, width))
        self.patch_embed = PatchEmbed(patch, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, numClasses)

    def forward(self, x):
        if self.normalize:
            column = lambda key: torch.tensor(self.normalize[key], dtype=x.dtype).view(1, -1, 1, 1)
            x = (x - column("mean")) / column("std")
        x = self.patch_embed.proj(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.pos_embed
        return self.head(self.norm(self.blocks(x))[:, 0])


def index(count):
    return torch.arange(count, dtype=torch.float64)


def fill(model):
    for t, (name, p) in enumerate(model.named_parameters()):
        i = index(p.numel())
        u = torch.sin(1.7 * i + 2.3 * t + 0.5 + 0.01 * i * i)
        if p.dim() > 1:
            u = math.sqrt(6 / p[0].numel()) * u
        else:
            u = u * 0.3 + 1 if name.endswith("weight") else 0.2 * u
        p.data.copy_(u.view_as(p))


CIFAR = {"mean": [0.4914, 0.4822, 0.4465], "std": [0.2471, 0.2435, 0.2616]}
CASES = [
    ("vit_ti", {"numClasses": 5, "imageSize": 16, "width": 12, "depth": 2, "heads": 3}),
    ("vit_ti", {"numClasses": 5, "imageSize": 16, "width": 12, "depth": 2, "heads": 3, "normalize": CIFAR}),
    ("vit_s", {"numClasses": 4, "imageSize": 12, "width": 16, "depth": 3, "heads": 2}),
    ("vit_b", {"numClasses": 3, "imageSize": 32, "patch": 8, "width": 8, "depth": 1, "heads": 1}),
]
for arch, options in CASES:
    model = VisionTransformer(**{"patch": 4, **options}).double()
    fill(model)
    size = options["imageSize"]
    i = index(4 * 3 * size * size)
    images = (0.5 + 0.5 * torch.sin(0.9 * i + 0.2 + 0.003 * i * i)).view(4, 3, size, size)
    with torch.no_grad():
        logits = [round(value, 10) for value in model(images).flatten().tolist()]
    print(json.dumps({"arch": arch, "options": options, "running": logits, "batch": logits}) + ",")
