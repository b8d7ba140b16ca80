"""Peer of our search step: one mask-search step with the schedule of work of the field's reference code.

Written from the description of that schedule, to be timed and not to be used:
- every forward of every layer sorts |scores| again and builds mask and masked weight anew, attack steps included;
- a clean train-mode forward with graph serves the accuracy meter;
- TRADES recomputes the clean prediction with graph in each attack step, and twice in the training loss;
- float32, default memory format. SGD moves the scores and the batch-norm affine parameters; weights are frozen.
The attack takes gradients with respect to the input only, as the references do: no work is added to theirs.

Options of prepare: loss ("pgd" or "trades"), width, batch, attackSteps, keepRatio, seed.
"""

import torch
from torch import nn
from torch.nn import functional as F

from protocol import random_batch, serve
from resnet import ResNet18

EPS, STEP_SIZE, BETA = 8 / 255, 2 / 255, 6.0
counts = {"forwards": 0, "sorts": 0}


class SortedMask(torch.autograd.Function):
    """The smallest trunc((1-k) N) magnitudes get 0, the others 1; the gradient passes straight through."""

    @staticmethod
    def forward(ctx, magnitude, keep_ratio):
        counts["sorts"] += 1
        _, order = torch.sort(magnitude.flatten())
        cut = int((1 - keep_ratio) * magnitude.numel())
        mask = torch.empty_like(magnitude)
        flat = mask.view(-1)
        flat[order[:cut]] = 0
        flat[order[cut:]] = 1
        return mask

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class Masked:
    """What a masked convolution and a masked linear layer share. Frozen weights, trained scores of the same shape."""

    keep_ratio = 0.1

    def add_scores(self):
        weight = self.weight.detach()
        fan_in = weight[0].numel()
        self.scores = nn.Parameter((6 / fan_in) ** 0.5 * weight / weight.abs().max())
        self.weight.requires_grad_(False)
        if self.bias is not None:
            self.bias.requires_grad_(False)

    def masked_weight(self):
        return self.weight * SortedMask.apply(self.scores.abs(), self.keep_ratio)


class MaskedConv2d(Masked, nn.Conv2d):
    def forward(self, x):
        return F.conv2d(x, self.masked_weight(), self.bias, self.stride, self.padding)


class MaskedLinear(Masked, nn.Linear):
    def forward(self, x):
        return F.linear(x, self.masked_weight(), self.bias)


class CountedResNet18(ResNet18):
    def forward(self, x):
        counts["forwards"] += 1
        return super().forward(x)


def divergence(x_adv_logits, clean_logits):
    """KL(softmax(clean) || softmax(adversarial)), summed over the batch."""
    return F.kl_div(F.log_softmax(x_adv_logits, dim=1), F.softmax(clean_logits, dim=1), reduction="sum")


def attack(model, objective, x, start, steps):
    """Ascend `objective(x_adv)` by signed steps in the L-infinity ball, batch norm in evaluation mode."""
    model.eval()
    x_adv = start
    for _ in range(steps):
        x_adv = x_adv.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(objective(x_adv), [x_adv])
        x_adv = x_adv.detach() + STEP_SIZE * gradient.sign()
        x_adv = torch.min(torch.max(x_adv, x - EPS), x + EPS).clamp(0, 1)
    model.train()
    return x_adv.detach()


def pgd_loss(model, x, y, steps):
    start = x + torch.empty_like(x).uniform_(-EPS, EPS)
    x_adv = attack(model, lambda x_adv: F.cross_entropy(model(x_adv), y, reduction="sum"), x, start, steps)
    return F.cross_entropy(model(x_adv), y)


def trades_loss(model, x, y, steps):
    start = x + 0.001 * torch.randn_like(x)
    x_adv = attack(model, lambda x_adv: divergence(model(x_adv), model(x)), x, start, steps)
    natural = F.cross_entropy(model(x), y)
    robust = divergence(model(x_adv), model(x)) / len(x)
    return natural + BETA * robust


def prepare(options):
    Masked.keep_ratio = options.get("keepRatio", 0.1)
    robust_loss = {"pgd": pgd_loss, "trades": trades_loss}[options["loss"]]
    steps = options.get("attackSteps", 10)
    model = CountedResNet18(options["width"], conv=MaskedConv2d, linear=MaskedLinear).train()
    for module in model.modules():
        if isinstance(module, Masked):
            module.add_scores()
    x, y = random_batch(options["batch"])
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.1, momentum=0.9, weight_decay=1e-4)

    def step():
        (model(x).argmax(1) == y).float().mean().item()  # the meter
        loss = robust_loss(model, x, y, steps)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step, counts


if __name__ == "__main__":
    serve(prepare)
