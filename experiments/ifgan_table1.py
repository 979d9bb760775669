"""IF-GAN, Table 1: CK+, BU-3DFE and MMI, ten folds by subject.

python experiments/ifgan_table1.py --dataset CK+ --root DIR
python experiments/ifgan_table1.py --dataset synthetic --small --jobs 2     # a dry run
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from table import main

from ferdis import IFGAN, Faces, ResNetClassifier


def systems(small: bool, extra: Faces | None, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The three rows of the table that the paper trained itself."""
    given = {"extra_train": extra, "progress": False, **changes}
    ifgan, resnet = (IFGAN.small, ResNetClassifier.small) if small else (IFGAN, ResNetClassifier)
    return {
        "resnet": resnet(**given),
        "ifgan-no-attention": ifgan(attention=False, **given),
        "ifgan": ifgan(**given),
    }


if __name__ == "__main__":
    sys.exit(main("ifgan_table1", systems, (__doc__ or "").splitlines()[0]))
