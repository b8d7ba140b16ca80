"""Reads TensorBoard event files with nothing but Python's library, and prints their scalars as JSON.

Written from the formats' descriptions, apart from src/tracking: the checksum bit by bit, protobuf by its wire types.
"""
import json
import struct
import sys


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def check(data, stored):
    crc = crc32c(data)
    masked = (((crc >> 15) | (crc << 17) & 0xFFFFFFFF) + 0xA282EAD8) & 0xFFFFFFFF
    if masked != stored:
        raise ValueError(f"checksum {stored:#x} of a record, expected {masked:#x}")


def records(data):
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        check(data[at : at + 8], struct.unpack_from("<I", data, at + 8)[0])
        body = data[at + 12 : at + 12 + length]
        check(body, struct.unpack_from("<I", data, at + 12 + length)[0])
        yield body
        at += 16 + length


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def fields(data):
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        field, wire = key >> 3, key & 7
        if wire == 0:
            value, at = varint(data, at)
        elif wire == 1:
            (value,) = struct.unpack_from("<d", data, at)
            at += 8
        elif wire == 5:
            (value,) = struct.unpack_from("<f", data, at)
            at += 4
        elif wire == 2:
            length, at = varint(data, at)
            value = data[at : at + length]
            at += length
        else:
            raise ValueError(f"wire type {wire}")
        yield field, value


def main(path):
    version, points = None, []
    with open(path, "rb") as file:
        data = file.read()
    for record in records(data):
        event = dict(fields(record))
        if 3 in event:
            version = event[3].decode()
        for field, value in fields(event.get(5, b"")):
            assert field == 1, field
            scalar = dict(fields(value))
            points.append([scalar[1].decode(), event.get(2, 0), scalar[2], event[1]])
    print(json.dumps({"version": version, "points": points}))


main(sys.argv[1])
