"""REL-GAN, Table 1: CK+, ten folds by subject.

python experiments/relgan_table1_ckplus.py --dataset CK+ --root DIR --pretrain bu4dfe=DIR
python experiments/relgan_table1_ckplus.py --dataset CK+ --root DIR --small --pretrain synthetic=102
python experiments/relgan_table1_ckplus.py --dataset synthetic --small --jobs 2     # a dry run
"""

from __future__ import annotations

import sys

from ferdis.reproduce.tables import main

if __name__ == "__main__":
    sys.exit(main("relgan-table1", (__doc__ or "").splitlines()[0]))
