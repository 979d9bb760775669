"""IF-GAN, Table 2: RAF-DB's official split, with average faces from the posed sets.

python experiments/ifgan_table2.py --dataset RAF-DB --root DIR --extra_train ckplus=DIR
python experiments/ifgan_table2.py --dataset synthetic --small             # a dry run
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from table import main

from ferdis import IFGAN, Faces, ResNetClassifier


def systems(small: bool, extra: Faces | None, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The three rows of the table that the paper trained itself."""
    given: dict[str, Any] = {"extra_train": extra, "progress": False, **changes}
    ifgan, resnet = (IFGAN.small, ResNetClassifier.small) if small else (IFGAN, ResNetClassifier)
    # RAF-DB's faces have all poses; the paper averages those of the posed sets instead, where they are given.
    averages: dict[str, Any] = {"average_from": "extra" if extra is not None else "target"}
    return {
        "resnet": resnet(**given),
        "ifgan-no-attention": ifgan(attention=False, **averages, **given),
        "ifgan": ifgan(**averages, **given),
    }


if __name__ == "__main__":
    sys.exit(main("ifgan_table2", systems, (__doc__ or "").splitlines()[0]))
