"""REL-GAN, Table 3: BU-3DFE, ten folds by subject.

python experiments/relgan_table3_bu3dfe.py --dataset BU-3DFE --root DIR --pretrain bu4dfe=DIR
python experiments/relgan_table3_bu3dfe.py --dataset BU-3DFE --root DIR --small --pretrain synthetic=102
python experiments/relgan_table3_bu3dfe.py --dataset synthetic --small --jobs 2     # a dry run
"""

from __future__ import annotations

import sys

from ferdis.reproduce.tables import main

if __name__ == "__main__":
    sys.exit(main("relgan-table3", (__doc__ or "").splitlines()[0]))
