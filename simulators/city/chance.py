"""A random generator of its own for everything that varies, so that nothing moves when something else is drawn."""

from hashlib import blake2b

import numpy as np


def generator(*key: object) -> np.random.Generator:
    """The generator of a key such as ("hours", seed, institution, year, month): equal keys, equal draws."""
    digest = blake2b("/".join(map(str, key)).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(int.from_bytes(digest))))
