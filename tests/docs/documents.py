"""The project's documents, read where they lie."""

import glob
import os

from markdown import Document

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))


def documents():
    paths = [os.path.join(ROOT, "README.md")] + sorted(glob.glob(os.path.join(ROOT, "docs/*.md")))
    return [Document(path) for path in paths]


def document(name):
    return next(d for d in documents() if d.name == name)
