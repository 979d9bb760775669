"""IF-GAN, Table 2: RAF-DB's official split, with average faces from the posed sets.

python experiments/ifgan_table2.py --dataset RAF-DB --root DIR --extra_train ckplus=DIR
python experiments/ifgan_table2.py --dataset synthetic --small             # a dry run
"""

from __future__ import annotations

import sys

from ferdis.reproduce.tables import main

if __name__ == "__main__":
    sys.exit(main("ifgan-table2", (__doc__ or "").splitlines()[0]))
