"""Peer of our training step: Python eager on the same libtorch.

Forward, cross-entropy, backward, SGD (momentum 0.9, weight decay 5e-4) of ResNet18 on one batch; channels_last; float32
or bfloat16 autocast. Options of prepare: width, batch, dtype ("float32" or "bfloat16"), seed.
"""

import torch
from torch.nn import functional as F

from protocol import random_batch, serve
from resnet import ResNet18


def prepare(options):
    model = ResNet18(options["width"]).to(memory_format=torch.channels_last).train()
    x, y = random_batch(options["batch"])
    x = x.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=5e-4)
    mixed = options.get("dtype", "float32") == "bfloat16"

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mixed):
            loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step, {}


if __name__ == "__main__":
    serve(prepare)
