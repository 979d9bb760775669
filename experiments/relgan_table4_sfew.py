"""REL-GAN, Table 4: SFEW, official training and validation parts.

python experiments/relgan_table4_sfew.py --dataset SFEW --root DIR --pretrain bu4dfe=DIR
python experiments/relgan_table4_sfew.py --dataset SFEW --root DIR --small --pretrain synthetic=102
python experiments/relgan_table4_sfew.py --dataset synthetic --small --jobs 2     # a dry run
"""

from __future__ import annotations

import sys

from ferdis.reproduce.tables import main

if __name__ == "__main__":
    sys.exit(main("relgan-table4", (__doc__ or "").splitlines()[0]))
