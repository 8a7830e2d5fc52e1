"""How the files beside this were made, with NumPy 2.4: run it where NumPy is, and look at what has changed."""

from pathlib import Path

import numpy as np
from numpy.lib import format as npy

HERE = Path(__file__).parent


def save(name, array, version=None):
    with (HERE / f"{name}.npy").open("wb") as file:
        npy.write_array(file, np.asanyarray(array), version=version)


numbers = np.arange(6)
save("float64", np.array([0.5, -1.25, np.inf]))
save("float16", np.array([0.5, -2], dtype="<f2"))
save("big_endian", np.array([1, -2, 300], dtype=">i4"))
save("bool", numbers % 2 == 0)
save("uint8", numbers.astype("u1"))
save("two_dimensions", numbers.astype("<i2").reshape(3, 2))
save("version_2", numbers.astype("<i8"), version=(2, 0))
save("records", np.array([(1, 0.5, True), (-2, 1.5, False)], dtype=[("id", "<i4"), ("größe", "<f8"), ("it's", "?")]))
save("no_rows", np.zeros(0, dtype="<f4"))
save("scalar", np.float32(2.5))
save("fortran", np.asfortranarray(numbers.reshape(3, 2)))
save("three_dimensions", numbers.reshape(1, 2, 3))
save("text", np.array(["a", "bc"]))
save("complex", np.array([1 + 2j]))
save("times", np.array(["2026-01-01"], dtype="M8[s]"))
save("nested", np.zeros(1, dtype=[("a", "<i4", (2,))]))
