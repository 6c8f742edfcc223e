"""Files in the idx format of MNIST and its kin, plain or gzip-compressed.

Two zero bytes, a type byte, the number of dimensions, each dimension as a big-endian 32-bit number, then the data
(http://yann.lecun.com/exdb/mnist, "the idx file format").
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mtnas.errors import DataError


def read_idx(path: Path) -> Tensor:
    """The array in an idx file, in its own dtype and shape.

    Raises:
        DataError: if the file is missing, damaged or truncated.
    """
    content = _content(path)
    types = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in types:
        raise DataError(f"'{path}' is not an idx file: it starts with bytes {content[:4].hex(' ')}; fetch it again")
    dtype, dims = np.dtype(types[content[2]]), content[3]
    start = 4 + 4 * dims
    if len(content) < start:
        raise DataError(f"'{path}' ends within its header of {start} bytes; fetch it again")
    shape = [int(length) for length in np.frombuffer(content, ">u4", dims, offset=4)]
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise DataError(f"'{path}' has {len(content)} bytes, but shape {shape} needs {expected}; fetch it again")
    array = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return torch.from_numpy(array.astype(dtype.newbyteorder("=")))


def _content(path: Path) -> bytes:
    """The file's bytes, decompressed if they are gzip's, whatever the file is called."""
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"'{path}' is a damaged gzip file ({error}); fetch it again") from error
    except OSError as error:
        raise DataError(f"'{path}' cannot be read ({error.strerror}); check that it exists and may be read") from error
