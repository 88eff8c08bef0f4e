"""Folders to measure with, the same on every machine and in every run.

A is one large file that doesn't compress. B is a tree like a source tree with its dependencies:
20,000 files of 20 B to 200 KB, most of them small, about 200 MB in about 1,000 folders. C is B with
one file in a hundred changed.
"""

import math
import os
import random

FILES_PER_FOLDER = 20
SMALLEST, LARGEST = 20, 200_000
# Of a log-normal distribution with a mean of about 10 KB.
MEDIAN, SIGMA = 3_000, 1.6


def file_name(i):
    """Folders of 50 packages of 20 files each."""
    folder = i // FILES_PER_FOLDER
    return f"src{folder // 50}/package{folder % 50}/file{i}.c"


def _size(numbers):
    return min(LARGEST, max(SMALLEST, int(numbers.lognormvariate(math.log(MEDIAN), SIGMA))))


def make_tree(folder, files=20_000, seed=1):
    """Dataset B, or one of its kind with another number of files. Returns its bytes."""
    numbers = random.Random(seed)
    total = 0
    made = set()
    for i in range(files):
        path = os.path.join(folder, file_name(i))
        parent = os.path.dirname(path)
        if parent not in made:
            os.makedirs(parent, exist_ok=True)
            made.add(parent)
        with open(path, "wb") as f:
            total += f.write(numbers.randbytes(_size(numbers)))
    return total


def change_tree(folder, files=20_000, one_in=100, seed=2):
    """Makes C of B: gives one file in so many new content of the same size. Another seed gives other
    content of the same files. Returns how many were changed."""
    numbers = random.Random(seed)
    changed = range(0, files, one_in)
    for i in changed:
        path = os.path.join(folder, file_name(i))
        size = os.path.getsize(path)
        with open(path, "wb") as f:
            f.write(numbers.randbytes(size))
    return len(changed)


def make_large_file(path, size_bytes=1 << 30, seed=3):
    """Dataset A."""
    numbers = random.Random(seed)
    piece = 1 << 20
    with open(path, "wb") as f:
        for begin in range(0, size_bytes, piece):
            f.write(numbers.randbytes(min(piece, size_bytes - begin)))
