"""IF-GAN, Table 1: CK+, BU-3DFE and MMI, ten folds by subject.

python experiments/ifgan_table1.py --dataset CK+ --root DIR
python experiments/ifgan_table1.py --dataset synthetic --small --jobs 2     # a dry run
"""

from __future__ import annotations

import sys

from ferdis.reproduce.tables import main

if __name__ == "__main__":
    sys.exit(main("ifgan-table1", (__doc__ or "").splitlines()[0]))
