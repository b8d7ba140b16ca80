"""Writes the files of this folder, with Debian's python3-torch 1.13.1: python3 make.py. Element i of a tensor is ((7 i + k) mod 32 - 16) / 8."""
import argparse, collections, io, json, os, pathlib, sys, types
import numpy, torch

HERE = os.path.dirname(os.path.abspath(__file__))


def formula(shape, k, dtype=torch.float32):
    n = int(numpy.prod(shape))
    values = [((7 * i + k) % 32 - 16) / 8 for i in range(n)]
    return torch.tensor(values, dtype=torch.float64).reshape(shape).to(dtype)


def net():
    state = collections.OrderedDict()
    for k, (name, shape) in enumerate([("conv1.weight", (4, 3, 3, 3)), ("conv1.popup_scores", (4, 3, 3, 3)), ("bn1.weight", (4,)),
                                       ("bn1.running_mean", (4,)), ("linear.weight", (2, 4)), ("linear.bias", (2,))]):
        state[name] = formula(shape, k)
    state["bn1.num_batches_tracked"] = torch.tensor(7)
    state._metadata = collections.OrderedDict([("", {"version": 1})])
    return state


def hydra():
    weight = torch.nn.Parameter(formula((2, 4), 3))
    optimizer = torch.optim.SGD([weight], lr=0.1, momentum=0.9)
    weight.grad = formula((2, 4), 5)
    optimizer.step()
    state = collections.OrderedDict(("module." + name, tensor) for name, tensor in net().items())
    state["module.k_score"] = torch.tensor(0.25)
    return {"epoch": 3, "arch": "resnet18", "state_dict": state, "best_prec1": torch.tensor(81.5), "optimizer": optimizer.state_dict(),
            "curr_acc1": "Not evaluated", "result": collections.defaultdict(list, {"loss": [1.5, 0.5]}),
            "args": argparse.Namespace(lr=0.1, gpu=None, layers=(1, 2), out=pathlib.Path("a/b"))}


def views():
    base = formula((4, 6), 1)
    big = formula((8,), 2)
    return {"base": base, "turned": base.t(), "row": base[2], "part": base[1:3, 2:5], "every": base[:, ::2], "spread": big[:1].expand(3),
            "last": formula((2, 3, 2, 2), 4).to(memory_format=torch.channels_last), "parameter": torch.nn.Parameter(formula((3,), 6)),
            "empty": torch.zeros(0, 3), "scalar": torch.tensor(2.5),
            **{str(d)[6:]: formula((5,), 0, d) for d in (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8)},
            "uint8": torch.tensor([0, 255, 7], dtype=torch.uint8), "bool": torch.tensor([True, False, True])}


def values():
    return {"none": None, "true": True, "long": 2 ** 70, "negative": -2 ** 40, "small": -3, "float": 0.1, "text": "Größe", "bytes": b"\x00\xff",
            "tuple": (1, (2, 3), [4, 5, 6, 7]), "set": {1, 2}, "size": torch.Size([2, 3]), "device": torch.device("cuda", 1), "dtype": torch.bfloat16,
            "np": {"f8": numpy.float64(0.5), "f4": numpy.float32(1.5), "i8": numpy.int64(-9), "b1": numpy.bool_(True),
                   "array": numpy.arange(6, dtype=numpy.float32).reshape(2, 3), "fortran": numpy.asfortranarray(numpy.arange(6).reshape(2, 3))},
            "counter": collections.Counter("aab"), "space": types.SimpleNamespace(a=1), 5: "key"}


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(2, 2)


class Runs:
    def __reduce__(self):
        return os.system, ("touch s2ap-was-here",)


def plain(value):
    """As JSON: tensors and arrays as dtype, shape and values in row-major order; dicts as pairs."""
    if isinstance(value, numpy.ndarray):
        value = torch.from_numpy(numpy.ascontiguousarray(value))
    if isinstance(value, torch.Tensor):
        return {"dtype": str(value.dtype)[6:], "shape": list(value.shape), "values": value.detach().double().reshape(-1).tolist()}
    if isinstance(value, (argparse.Namespace, types.SimpleNamespace)):
        value = vars(value)
    if isinstance(value, dict):
        return {"pairs": [[plain(k), plain(v)] for k, v in value.items()]}
    if isinstance(value, (list, tuple, set)):
        return [plain(v) for v in value]
    if isinstance(value, bytes):
        return {"bytes": list(value)}
    if isinstance(value, (torch.device, torch.dtype, pathlib.Path)):
        return str(value)
    if isinstance(value, int) and abs(value) > 2 ** 53:
        return {"integer": str(value)}
    return value.item() if isinstance(value, numpy.generic) else value


def save(value, name, **options):
    torch.save(value, os.path.join(HERE, name), **options)


if __name__ == "__main__":
    expected = {}
    for make in (net, hydra, views, values):
        value = make()
        expected[make.__name__] = plain(value)
        save(value, make.__name__ + "-zip.pt")
        save(value, make.__name__ + "-legacy.pt", _use_new_zipfile_serialization=False)
        save(value, make.__name__ + "-zip4.pt", pickle_protocol=4)
    with open(os.path.join(HERE, "expected.json"), "w") as file:
        json.dump(expected, file)
    Net.__module__ = "tiny_models"
    sys.modules["tiny_models"] = types.SimpleNamespace(Net=Net, __file__="tiny.py")
    save(torch.nn.Sequential(torch.nn.Linear(2, 2)), "module-zip.pt")
    save(torch.nn.Linear(2, 2), "module-legacy.pt", _use_new_zipfile_serialization=False)
    save(Net(), "class-zip.pt")
    save({"state_dict": net(), "hook": Runs()}, "hostile-zip.pt")
    save({"state_dict": net(), "hook": Runs()}, "hostile-legacy.pt", _use_new_zipfile_serialization=False)
    torch.jit.script(torch.nn.Linear(2, 2)).save(os.path.join(HERE, "script.pt"))
    save({"a": torch.zeros(2, dtype=torch.complex64)}, "complex-zip.pt")
