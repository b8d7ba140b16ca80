"""Writes the files of this folder, with Debian's python3-scipy 1.10.1: python3 make.py. Pixel [row, column, channel] of image n is
(7 n + 5 row + 3 column + 50 channel) mod 256; its label is n mod 10, written as 10 where that is 0."""
import os
import numpy
from scipy.io import savemat

HERE = os.path.dirname(os.path.abspath(__file__))


def pixels(count):
    row, column, channel, n = numpy.indices((32, 32, 3, count))
    return ((7 * n + 5 * row + 3 * column + 50 * channel) % 256).astype(numpy.uint8)


def labels(count, dtype):
    n = numpy.arange(count) % 10
    return numpy.where(n == 0, 10, n).astype(dtype)[:, None]


def save(name, arrays, compressed):
    path = os.path.join(HERE, name)
    savemat(path, arrays, do_compression=compressed)
    # SciPy writes the date and its system into the header's text; without them the same bytes come every time.
    with open(path, "r+b") as file:
        file.write(b"MATLAB 5.0 MAT-file, written by SciPy".ljust(116))


os.makedirs(os.path.join(HERE, "svhn"), exist_ok=True)
save("svhn/train_32x32.mat", {"X": pixels(80), "y": labels(80, numpy.uint8)}, True)
save("svhn/test_32x32.mat", {"X": pixels(30), "y": labels(30, numpy.float64)}, True)
save("svhn/extra_32x32.mat", {"X": pixels(20), "y": labels(20, numpy.int64)}, True)
save("plain.mat", {"X": pixels(2), "y": labels(2, numpy.uint8)}, False)

# One array of each class, and things that are no arrays of numbers. Value i is 3 i - 4, or 3 i where it must not be negative.
arrays = {}
for dtype in ["float64", "float32", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]:
    values = 3 * numpy.arange(6) - (0 if dtype.startswith("uint") else 4)
    arrays[dtype] = values.astype(dtype).reshape(2, 3, order="F")
arrays["small"] = numpy.array([[1, 2, 3]], dtype=numpy.uint8)
arrays["empty"] = numpy.zeros((0, 3))
arrays["complex"] = numpy.array([[1 + 2j]])
arrays["text"] = "some text"
arrays["struct"] = {"a": 1.0}
arrays["cell"] = numpy.array([1.0, "b"], dtype=object)
arrays["bools"] = numpy.array([[True, False]])
save("classes.mat", arrays, False)
save("classes-compressed.mat", arrays, True)
