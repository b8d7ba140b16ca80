"""CIFAR ResNet18 with a width: `width` planes in the first stage, doubled in each of the next three (64 is the standard net).

Parameter names and shapes are those of the TypeScript model: conv1, bn1, layer1..4.{0,1}.{conv1,bn1,conv2,bn2,shortcut.0,shortcut.1}, linear.
"""

from torch import nn
from torch.nn import functional as F


class BasicBlock(nn.Module):
    def __init__(self, conv, inputs, planes, stride):
        super().__init__()
        self.conv1 = conv(inputs, planes, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = conv(planes, planes, kernel_size=3, stride=1, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != planes:
            self.shortcut = nn.Sequential(
                conv(inputs, planes, kernel_size=1, stride=stride, bias=False), nn.BatchNorm2d(planes)
            )

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + self.shortcut(x))


class ResNet18(nn.Module):
    """`conv` and `linear` are the layer classes, so that a peer with masked layers shares the architecture."""

    def __init__(self, width=64, num_classes=10, conv=nn.Conv2d, linear=nn.Linear):
        super().__init__()
        self.conv1 = conv(3, width, kernel_size=3, stride=1, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        inputs = width
        for stage in range(4):
            planes, stride = width << stage, 1 if stage == 0 else 2
            blocks = [BasicBlock(conv, inputs, planes, stride), BasicBlock(conv, planes, planes, 1)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
            inputs = planes
        self.linear = linear(inputs, num_classes)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            y = stage(y)
        return self.linear(F.avg_pool2d(y, 4).flatten(1))
