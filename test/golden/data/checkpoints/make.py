"""Writes the files of this folder with Debian's python3-torch 1.13.1: python3 make.py.

Checkpoints as the code of adversarial pruning papers saves them, of small networks under the papers' names, and
expected.json: for each file the logits of the network that it means, in plain PyTorch, on four images, and its zeros.
Weights, scores and images are formulas of the index. Files are packed with gzip."""
import collections, copy, gzip, io, json, math, os
import torch
from torch import nn
from torch.nn import functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
CLASSES = 5


# Networks, with the names of the code that saves them.
class Basic(nn.Module):
    def __init__(self, inputs, planes, stride, affine=True):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes, affine=affine)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes, affine=affine)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != planes:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, planes, 1, stride, bias=False), nn.BatchNorm2d(planes, affine=affine))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.shortcut(x))


class PreAct(nn.Module):
    def __init__(self, inputs, planes, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, planes, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        if stride != 1 or inputs != planes:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, planes, 1, stride, bias=False))

    def forward(self, x):
        y = F.relu(self.bn1(x))
        rest = self.shortcut(y) if hasattr(self, "shortcut") else x
        return self.conv2(F.relu(self.bn2(self.conv1(y)))) + rest


def stage(make, inputs, planes, stride):
    return nn.Sequential(make(inputs, planes, stride), make(planes, planes, 1))


class ResNet18(nn.Module):
    """HYDRA's and HARP's; with `rst` RST's cResNet18: batch norms without parameters, `fc` a convolution without bias."""

    def __init__(self, width, rst=False):
        super().__init__()
        self.rst = rst
        make = lambda *sizes: Basic(*sizes, affine=not rst)
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width, affine=not rst)
        self.layer1 = stage(make, width, width, 1)
        self.layer2 = stage(make, width, 2 * width, 2)
        self.layer3 = stage(make, 2 * width, 4 * width, 2)
        self.layer4 = stage(make, 4 * width, 8 * width, 2)
        if rst:
            self.fc = nn.Conv2d(8 * width, CLASSES, 1, bias=False)
        else:
            self.linear = nn.Linear(8 * width, CLASSES)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.avg_pool2d(self.layer4(self.layer3(self.layer2(self.layer1(y)))), 4)
        return self.fc(y).flatten(1) if self.rst else self.linear(y.flatten(1))


class Normalize(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.4914, 0.4822, 0.4465]))
        self.register_buffer("std", torch.tensor([0.2470, 0.2435, 0.2616]))

    def forward(self, x):
        return (x - self.mean[None, :, None, None]) / self.std[None, :, None, None]


class PreActResNet18(nn.Module):
    """AWP's; with `normalize` FlyingBird's."""

    def __init__(self, width, normalize=False):
        super().__init__()
        self.normalize = Normalize() if normalize else nn.Identity()
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.layer1 = stage(PreAct, width, width, 1)
        self.layer2 = stage(PreAct, width, 2 * width, 2)
        self.layer3 = stage(PreAct, 2 * width, 4 * width, 2)
        self.layer4 = stage(PreAct, 4 * width, 8 * width, 2)
        self.bn = nn.BatchNorm2d(8 * width)
        self.linear = nn.Linear(8 * width, CLASSES)

    def forward(self, x):
        y = self.layer4(self.layer3(self.layer2(self.layer1(self.conv1(self.normalize(x))))))
        return self.linear(F.avg_pool2d(F.relu(self.bn(y)), 4).flatten(1))


class VGG16(nn.Module):
    def __init__(self, width):
        super().__init__()
        layers, inputs = [], 3
        for size, count in enumerate([2, 2, 3, 3, 3]):
            if size:
                layers.append(nn.MaxPool2d(2, 2))
            for _ in range(count):
                outputs = width * min(2 ** size, 8)
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
                inputs = outputs
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((2, 2))
        hidden = 4 * width
        self.classifier = nn.Sequential(nn.Linear(inputs * 4, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, CLASSES))

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


class WideBlock(nn.Module):
    def __init__(self, inputs, planes, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, planes, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.convShortcut = nn.Conv2d(inputs, planes, 1, stride, bias=False) if inputs != planes else None

    def forward(self, x):
        y = F.relu(self.bn1(x))
        rest = x if self.convShortcut is None else self.convShortcut(y)
        return self.conv2(F.relu(self.bn2(self.conv1(y)))) + rest


class WideStage(nn.Module):
    def __init__(self, inputs, planes, stride):
        super().__init__()
        self.layer = nn.Sequential(*[WideBlock(planes if i else inputs, planes, 1 if i else stride) for i in range(4)])

    def forward(self, x):
        return self.layer(x)


class WRN28x4(nn.Module):
    """HYDRA's, which carries `sub_block1` and never uses it."""

    def __init__(self, width, unused=False):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.block1 = WideStage(width, 4 * width, 1)
        if unused:
            self.sub_block1 = WideStage(width, 4 * width, 1)
        self.block2 = WideStage(4 * width, 8 * width, 2)
        self.block3 = WideStage(8 * width, 16 * width, 2)
        self.bn1 = nn.BatchNorm2d(16 * width)
        self.fc = nn.Linear(16 * width, CLASSES)

    def forward(self, x):
        y = self.block3(self.block2(self.block1(self.conv1(x))))
        return self.fc(F.avg_pool2d(F.relu(self.bn1(y)), 8).flatten(1))


# Values.
def levels(n, t, count=64):
    """n of `count` levels in (-1, 1), seemingly at random: few different ones, so that files pack well."""
    i = torch.arange(n, dtype=torch.int64)
    hashed = ((i * 2654435761 + (t + 1) * 40503 * 65537) % 2 ** 32 * 2246822519 % 2 ** 32) // (2 ** 32 // count)
    return (hashed.double() - (count - 1) / 2) / (count / 2)


def ranks(n, t):
    """n different numbers in (0, 1) of 13 bits: no two scores of a layer are equally large."""
    prime = next(p for p in range(n + 1, 2 * n + 50) if all(p % d for d in range(2, math.isqrt(p) + 1)))
    i = torch.arange(n, dtype=torch.int64)
    return (((i + t + 1) * round(0.6180339887 * prime)) % prime + 1).double() / 8192


def fill(net):
    """Weights at He's scale, norms that do something."""
    with torch.no_grad():
        for t, (name, value) in enumerate(net.state_dict().items()):
            n = value.numel()
            if name.startswith("normalize."):
                continue
            if name.endswith("num_batches_tracked"):
                value.fill_(17)
            elif name.endswith("running_mean"):
                value.copy_(0.25 * levels(n, t))
            elif name.endswith("running_var"):
                value.copy_(1 + 0.5 * levels(n, t))
            elif value.dim() > 1:
                value.copy_((math.sqrt(6 / value[0].numel()) * levels(n, t)).reshape(value.shape))
            else:
                value.copy_((1 if name.endswith("weight") else 0) + 0.25 * levels(n, t))
    return net.eval()


def prunable(net):
    return [(name + ".weight", module) for name, module in net.named_modules() if isinstance(module, (nn.Conv2d, nn.Linear))]


def scores_of(weight, t):
    signs = torch.where(levels(weight.numel(), t + 500) < 0, -1.0, 1.0)
    return (ranks(weight.numel(), t) * signs).reshape(weight.shape).float()


def keep_largest(scores, pruned):
    mask = torch.ones(scores.numel())
    mask[scores.abs().flatten().argsort()[:pruned]] = 0
    return mask.reshape(scores.shape)


def uniform_masks(net, scores, keep):
    return {name: keep_largest(scores[name], int((1 - keep) * scores[name].numel())) for name, _ in prunable(net)}


def harp_rates(net, keep):
    """Rates that differ by layer and together keep `keep`, and the parameters c that stand for them."""
    sizes = {name: module.weight.numel() for name, module in prunable(net)}
    raw = {name: 0.5 + (7 * i % 11) / 8 for i, name in enumerate(sizes)}
    share = sum(raw[name] * n for name, n in sizes.items()) / sum(sizes.values())
    floor = torch.tensor(0.1 * keep)
    z = {name: (keep * raw[name] / share - floor) / (1 - floor) for name in sizes}
    return {name: torch.log(v / (1 - v)).float() for name, v in z.items()}


def harp_masks(scores, parameters, keep):
    """As HARP does: every number a float32."""
    floor = torch.tensor(0.1 * keep)
    masks = {}
    for name, score in scores.items():
        rate = torch.sigmoid(parameters[name]) * (1 - floor) + floor
        masks[name] = keep_largest(score, int((1 - rate) * score.numel()))
    return masks


# state_dicts.
def with_extra(net, extra, prefix=""):
    """A state_dict in which `extra(weight_name)` gives what a pruned layer holds behind weight and bias."""
    state = collections.OrderedDict()
    layers = {name[: -len(".weight")] for name, _ in prunable(net)}
    items = list(net.state_dict().items())
    for i, (name, value) in enumerate(items):
        state[prefix + name] = value.clone()
        layer, _, entry = name.rpartition(".")
        following = items[i + 1][0] if i + 1 < len(items) else ""
        if layer in layers and (entry == "bias" or following != layer + ".bias"):
            for key, tensor in extra(layer + ".weight").items():
                state[prefix + layer + "." + key] = tensor
    return state


def dense(net, prefix=""):
    return with_extra(net, lambda name: {}, prefix)


def masked(net, masks):
    with torch.no_grad():
        for name, module in prunable(net):
            module.weight.mul_(masks[name])
    return net


def settle(net, masks):
    """Gives norms the statistics of the masked network on the images, so that each weight that is kept counts."""
    copied = masked(copy.deepcopy(net), masks).train()
    for module in copied.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        copied(images())
    statistics = {name: value for name, value in copied.state_dict().items() if "running_" in name}
    net.load_state_dict(statistics, strict=False)
    return net.eval()


def sgd(net):
    """SGD's state after one step: momentum of every parameter."""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    before = [p.detach().clone() for p in net.parameters()]
    for p in net.parameters():
        p.grad = torch.full_like(p, 0.5)
    optimizer.step()
    with torch.no_grad():
        for p, old in zip(net.parameters(), before):
            p.copy_(old)
            optimizer.state[p]["momentum_buffer"].fill_(0.5)
    return optimizer


def images(size=32):
    i = torch.arange(4 * 3 * size * size, dtype=torch.float64)
    return (0.5 + 0.5 * torch.sin(0.9 * i + 0.2 + 0.003 * i * i)).reshape(4, 3, size, size).float()


class Cases:
    def __init__(self):
        self.expected = {}

    def add(self, name, value, net, masks, legacy=(False, True), **told):
        """Saves a checkpoint in both formats, or one, with the logits of the network under its masks."""
        masked(net, masks)
        with torch.no_grad():
            logits = net(images())
        used = [(layer, module.weight) for layer, module in prunable(net) if not layer.startswith("sub_block1")]
        zeros = {layer: int((weight == 0).sum()) for layer, weight in used}
        total = sum(weight.numel() for _, weight in used)
        stem, dot, ending = name.partition(".")
        for old in legacy:
            path = stem + ("-legacy" if old else "") + dot + ending
            data = io.BytesIO()
            torch.save(value, data, _use_new_zipfile_serialization=not old)
            with open(os.path.join(HERE, path + ".gz"), "wb") as file:
                with gzip.GzipFile("", "wb", 9, file, 0) as packed:
                    packed.write(data.getvalue())
            self.expected[path] = {**told, "logits": logits.flatten().tolist(), "zeros": zeros, "sparsity": sum(zeros.values()) / total}


def hydra(cases, name, net, keep, arch, **saving):
    scores = {layer: scores_of(module.weight, t) for t, (layer, module) in enumerate(prunable(net))}
    masks = uniform_masks(net, scores, keep)
    state = with_extra(settle(net, masks), lambda layer: {"popup_scores": scores[layer]})
    value = {"epoch": 100, "arch": arch, "state_dict": state, "best_prec1": torch.tensor(51.25), "optimizer": sgd(net).state_dict()}
    cases.add(name, value, net, masks, layout="hydra", arch=arch, keepRatio=keep, **saving)


def harp(cases, name, net, keep, arch, **saving):
    scores = {layer: scores_of(module.weight, t) for t, (layer, module) in enumerate(prunable(net))}
    parameters = harp_rates(net, keep)
    masks = harp_masks(scores, parameters, keep)
    state = with_extra(settle(net, masks), lambda layer: {"popup_scores": scores[layer], "k_score": parameters[layer]})
    value = {"epoch": 20, "arch": arch, "state_dict": state, "best_prec1": torch.tensor(48.5), "optimizer": sgd(net).state_dict()}
    cases.add(name, value, net, masks, layout="harp", arch=arch, keepRatio=keep, **saving)


def rst(cases, keep):
    net = fill(ResNet18(2, rst=True))
    scores = {layer: scores_of(module.weight, t) for t, (layer, module) in enumerate(prunable(net))}
    masks = uniform_masks(net, scores, keep)
    state = with_extra(settle(net, masks), lambda layer: {"scores": scores[layer]}, "module.")
    value = {"epoch": 160, "arch": "cResNet18", "state_dict": state, "best_acc1": 44.5, "best_acc5": 91.0, "best_train_acc1": 50.0, "best_train_acc5": 93.0,
             "natural_acc1_at_best_robustness": 70.5, "optimizer": sgd(net).state_dict(), "curr_acc1": "Not evaluated"}
    cases.add("rst-resnet18.pth", value, net, masks, layout="rst", arch="resnet18", keepRatio=keep)


def magnitude_masks(net, keep):
    return {layer: keep_largest(module.weight + 1e-6 * ranks(module.weight.numel(), t).reshape(module.weight.shape), int((1 - keep) * module.weight.numel()))
            for t, (layer, module) in enumerate(prunable(net))}


def ones(net):
    return {layer: torch.ones_like(module.weight) for layer, module in prunable(net)}


def flyingbird(cases):
    net = fill(PreActResNet18(2, normalize=True))
    masks = magnitude_masks(net, 0.4)
    masked(settle(net, masks), masks)
    optimizer = sgd(net)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[100, 150], gamma=0.1)
    value = {"best_sa": 0.75, "best_ra": 0.45, "epoch": 199, "state_dict": dense(net), "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict(),
             "iter_step": 70000, "result": {"train_acc": [0.5, 0.6], "test_ra": [0.4, 0.45]},
             "mask_info": {"masks": {f"{layer}_{i}": mask for i, (layer, mask) in enumerate(masks.items())}, "death_rate": 0.005, "name2nonzeros": {}}}
    cases.add("flyingbird-preactresnet18.tar", value, net, masks, layout="flyingbird", arch="preactresnet18")


def mad(cases):
    """What the network computes with is the product of a weight and softplus of its mask: 1e-4 where it is pruned."""
    net = fill(ResNet18(2))
    kept = magnitude_masks(net, 0.4)
    inverse = lambda y: math.log(math.expm1(y))
    soft = {layer: torch.where(kept[layer] > 0, inverse(1 + t / 64), inverse(1e-4)) for t, layer in enumerate(kept)}
    masked(settle(net, {layer: kept[layer] * F.softplus(soft[layer]) for layer in kept}), kept)
    state = with_extra(net, lambda layer: {"mask_weight": soft[layer]})
    cases.add("mad-resnet18.t7", {"net": state, "acc": 72.5, "epoch": 60}, net, {layer: F.softplus(soft[layer]) for layer in kept}, layout="mad", arch="resnet18")


def pruned(net, keep):
    """A finished network: weights that are pruned already, and nothing that tells masks."""
    masks = magnitude_masks(net, keep) if keep < 1 else ones(net)
    return masked(settle(net, masks), masks)


def finished(cases):
    """Their layout is what can be told of it: a bare state_dict may be anybody's."""

    def add(name, value, net, **told):
        cases.add(name, value, net, ones(net), **told)

    net = pruned(fill(PreActResNet18(2)), 1)
    add("awp-preactresnet18.pth", {"state_dict": dense(net, "module."), "test_robust_acc": 0.5, "test_acc": 0.8, "test_loss": 1.25}, net,
        layout="awp", arch="preactresnet18")
    net = pruned(fill(WRN28x4(1)), 1)
    add("awp-wrn_28_4.pt", dense(net, "module."), net, legacy=(False,), layout="plain", arch="wrn_28_4")
    net = pruned(fill(VGG16(2)), 0.4)
    add("twinrep-vgg16_bn.pt", dense(net), net, layout="twinrep", arch="vgg16_bn")
    net = pruned(fill(ResNet18(2)), 0.3)
    value = {"epoch": 100, "arch": "resnet18", "state_dict": dense(net), "best_prec1": torch.tensor(51.25), "optimizer": sgd(net).state_dict()}
    add("hydra_dense-resnet18.pth.tar", value, net, legacy=(False,), layout="benchmark", arch="resnet18")
    add("benchmark-resnet18.pth.tar", {"state_dict": dense(net)}, net, legacy=(False,), layout="benchmark", arch="resnet18")
    add("radmm-resnet18.pt", dense(net, "module.basic_model."), net, legacy=(False,), layout="twinrep", arch="resnet18")
    net = pruned(fill(ResNet18(2)), 1)
    add("plain-resnet18.pt", dense(net), net, layout="plain", arch="resnet18")


if __name__ == "__main__":
    torch.manual_seed(0)
    cases = Cases()
    hydra(cases, "hydra-resnet18.pth.tar", fill(ResNet18(2)), 0.4, "resnet18")
    hydra(cases, "hydra-vgg16_bn.pth.tar", fill(VGG16(2)), 0.5, "vgg16_bn", legacy=(False,))
    hydra(cases, "hydra-wrn_28_4.pth.tar", fill(WRN28x4(1, unused=True)), 0.3, "wrn_28_4", legacy=(True,))
    harp(cases, "harp-resnet18.pth.tar", fill(ResNet18(2)), 0.4, "resnet18")
    harp(cases, "harp-vgg16_bn.pth.tar", fill(VGG16(2)), 0.5, "vgg16_bn", legacy=(True,))
    rst(cases, 0.4)
    flyingbird(cases)
    mad(cases)
    finished(cases)
    with open(os.path.join(HERE, "expected.json"), "w") as file:
        json.dump(cases.expected, file)
