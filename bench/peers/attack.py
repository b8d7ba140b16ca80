"""Peer of our attacks: APGD-CE, FAB-T and Square in L-infinity, each one run on one batch, all images kept to the end.

Plain PyTorch, written from the published descriptions with nothing that is not needed: gradients with respect to the
input only, none after the last iteration, frozen weights, forward-only passes without a graph, and for FAB's projection
the same Newton's method as ours in place of the reference's sort. A last forward pass says which points are adversarial.

Options of prepare: attack ("apgd-ce", "fab-t" or "square"), iterations, eps, width, batch, seed.
"""

import torch
from torch.nn import functional as F

from protocol import random_batch, serve
from resnet import ResNet18

counts = {"forward": 0, "backward": 0}


class Network:
    """A frozen network in evaluation mode that counts its passes."""

    def __init__(self, width):
        self.model = ResNet18(width).to(memory_format=torch.channels_last).eval().requires_grad_(False)

    def __call__(self, x):
        counts["forward"] += 1
        return self.model(x)

    def uphill(self, x, objective):
        """Gradient of the sum of `objective(logits)` [N] at x, the objective's values and the logits."""
        leaf = x.detach().requires_grad_()
        with torch.enable_grad():
            logits = self(leaf)
            values = objective(logits)
            counts["backward"] += 1
            (gradient,) = torch.autograd.grad(values.sum(), [leaf])
        return gradient, values.detach(), logits.detach()


def per_image(values):
    return values.view(-1, 1, 1, 1)


def checkpoints(iterations):
    """After which iterations APGD looks back, with the length of the window that ends there."""
    window, least, less = (max(int(share * iterations), 1) for share in (0.22, 0.06, 0.03))
    found, end = {}, window - 1
    while end < iterations:
        found[end] = window
        window = max(window - less, least)
        end += window
    return found


def apgd_ce(network, x, y, _target, eps, iterations):
    low, high = (x - eps).clamp_(min=0), (x + eps).clamp_(max=1)

    def objective(logits):
        return F.cross_entropy(logits, y, reduction="none")

    t = 2 * torch.rand_like(x) - 1
    at = (x + eps * t / (t.abs().amax((1, 2, 3), keepdim=True) + 1e-12)).clamp_(0, 1)
    gradient, loss, logits = network.uphill(at, objective)
    found, before = at, at
    best, best_gradient, best_loss = at, gradient, loss
    size = torch.full_like(loss, 2 * eps)
    rises, halved = torch.zeros_like(loss), torch.ones_like(loss, dtype=torch.bool)
    best_then, last_loss = best_loss, torch.zeros_like(loss)
    looks = checkpoints(iterations)
    for i in range(iterations):
        ahead = torch.min(torch.max(at + per_image(size) * gradient.sign(), low), high)
        if i > 0:
            ahead = torch.min(torch.max(at + 0.75 * (ahead - at) + 0.25 * (at - before), low), high)
        before, at = at, ahead
        if i < iterations - 1:
            gradient, loss, logits = network.uphill(at, objective)
        else:
            logits = network(at)
            loss = objective(logits)
        found = torch.where(per_image(logits.argmax(1) != y), at, found)
        rises += loss > last_loss
        last_loss = loss
        better = loss > best_loss
        best = torch.where(per_image(better), at, best)
        best_gradient = torch.where(per_image(better), gradient, best_gradient)
        best_loss = torch.where(better, loss, best_loss)
        if i in looks and i < iterations - 1:
            halved = (rises <= 0.75 * looks[i]) | (~halved & (best_then >= best_loss))
            size = torch.where(halved, size / 2, size)
            at = torch.where(per_image(halved), best, at)
            gradient = torch.where(per_image(halved), best_gradient, gradient)
            rises, best_then = torch.zeros_like(rises), best_loss
    return found


def to_plane(t, w, gap):
    """Shortest displacements in L-infinity from points t [N,D] to planes with <w,t> - b = gap, inside the box."""
    direction = -w.sign() * gap.sign().unsqueeze(1)
    room = torch.where(direction < 0, t, 1 - t)
    need, gain = gap.abs().unsqueeze(1), w.abs()
    whole = gain * room
    length = torch.zeros_like(need)
    while True:
        full = room <= length
        left = gain.masked_fill(full, 0).sum(1, keepdim=True)
        root = torch.where(left > 0, (need - (whole * full).sum(1, keepdim=True)) / left, length)
        rises = bool((root > length).any())
        length = torch.maximum(length, root)
        if not rises:
            return direction * torch.minimum(room, length)


def fab_t(network, x, y, target, _eps, iterations):
    def objective(logits):
        return (logits.gather(1, target.unsqueeze(1)) - logits.gather(1, y.unsqueeze(1))).squeeze(1)

    n = len(x)
    clean = x.flatten(1)
    at, found = x, x
    distance = torch.full((n,), float("inf"))
    for _ in range(iterations):
        gradient, f, _ = network.uphill(at, objective)
        w, here = gradient.flatten(1), at.flatten(1)
        points = torch.cat([here, clean])
        gaps = torch.cat([f, f + (w * (clean - here)).sum(1)])
        ways = to_plane(points, torch.cat([w, w]), gaps)
        a1, a2 = ways.abs().amax(1).clamp_(min=1e-8).split(n)
        alpha = (a1 / (a1 + a2)).clamp_(max=0.1).unsqueeze(1)
        from_here, from_clean = (points + 1.05 * ways).split(n)
        at = (from_here + alpha * (from_clean - from_here)).clamp_(0, 1).view_as(x)
        wrong = network(at).argmax(1) != y
        norm = (at - x).flatten(1).abs().amax(1)
        better = wrong & (norm < distance)
        found = torch.where(per_image(better), at, found)
        distance = torch.where(better, norm, distance)
        at = torch.where(per_image(wrong), x + 0.9 * (at - x), at)
    return found


def margin(logits, y):
    label = logits.gather(1, y.unsqueeze(1)).squeeze(1)
    return label - logits.scatter(1, y.unsqueeze(1), -float("inf")).amax(1)


def fraction(query):
    """Share of the pixels that a window has, for fewer than 201 queries."""
    return 0.8 / (1 if query <= 10 else 2 if query <= 50 else 4)


def square(network, x, y, _target, eps, queries):
    n, c, h, w = x.shape

    def signs(*shape):
        return (2 * torch.rand(shape) - 1).sign()

    best = (x + eps * signs(n, c, 1, w)).clamp_(0, 1)
    least = margin(network(best), y)
    for query in range(queries):
        rows = (least > 0).nonzero().squeeze(1)
        if len(rows) == 0:
            break
        side = min(max(round((fraction(query) * h * w) ** 0.5), 1), h, w)
        row, column = (int(torch.rand(()) * (length - side)) for length in (h, w))
        window = (..., slice(row, row + side), slice(column, column + side))
        everywhere = len(rows) == n
        candidate = best.clone() if everywhere else best[rows]
        candidate[window] = ((x if everywhere else x[rows])[window] + eps * signs(c, 1, 1)).clamp_(0, 1)
        value = margin(network(candidate), y if everywhere else y[rows])
        better = value < least[rows]
        best[rows[better]] = candidate[better]
        least[rows[better]] = value[better]
    return best


ATTACKS = {"apgd-ce": apgd_ce, "fab-t": fab_t, "square": square}


def prepare(options):
    attack, iterations, eps = ATTACKS[options["attack"]], options["iterations"], options["eps"]
    network = Network(options["width"])
    x, _ = random_batch(options["batch"])
    x = x.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        # Labels are what the network says, so that every image is classified correctly as it is.
        y, target = network(x).topk(2)[1].unbind(1)

    @torch.no_grad()
    def step():
        found = attack(network, x, y, target, eps, iterations)
        return (network(found).argmax(1) != y).float().mean()

    return step, counts


if __name__ == "__main__":
    serve(prepare)
