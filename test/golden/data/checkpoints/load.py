"""load.py NAME FILES: loads each file, which s2ap wrote, strictly into a network of make.py, and prints all logits as JSON.

NAME picks the network. A `.safetensors` is read by the few lines below, which know the format and nothing of s2ap."""
import json, struct, sys
import numpy, torch
import make


def read_safetensors(path):
    kinds = {"F32": numpy.float32, "F64": numpy.float64, "I64": numpy.int64, "U8": numpy.uint8}
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    state = {}
    for name, entry in header.items():
        if name == "__metadata__":
            assert all(isinstance(value, str) for value in entry.values())
            continue
        begin, end = entry["data_offsets"]
        values = numpy.frombuffer(data[begin:end], dtype=kinds[entry["dtype"]])
        state[name] = torch.from_numpy(values.copy()).reshape(entry["shape"])
    assert sum(value.numel() * value.element_size() for value in state.values()) == len(data)
    return state


NETWORKS = {
    "resnet18": lambda: make.ResNet18(2),
    "vgg16_bn": lambda: make.VGG16(2),
    "wrn_28_4": lambda: make.WRN28x4(1),
    "preactresnet18": lambda: make.PreActResNet18(2),
}

if __name__ == "__main__":
    name, *paths = sys.argv[1:]
    logits = []
    for path in paths:
        network = NETWORKS[name]()
        state = read_safetensors(path) if path.endswith(".safetensors") else torch.load(path, weights_only=True)
        network.load_state_dict(state, strict=True)
        with torch.no_grad():
            logits.append(network.eval()(make.images()).flatten().tolist())
    print(json.dumps(logits))
