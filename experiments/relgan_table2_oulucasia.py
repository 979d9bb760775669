"""REL-GAN, Table 2: Oulu-CASIA, ten folds by subject.

python experiments/relgan_table2_oulucasia.py --dataset Oulu-CASIA --root DIR --pretrain bu4dfe=DIR
python experiments/relgan_table2_oulucasia.py --dataset Oulu-CASIA --root DIR --small --pretrain synthetic=102
python experiments/relgan_table2_oulucasia.py --dataset synthetic --small --jobs 2     # a dry run
"""

from __future__ import annotations

import sys

from ferdis.reproduce.tables import main

if __name__ == "__main__":
    sys.exit(main("relgan-table2", (__doc__ or "").splitlines()[0]))
