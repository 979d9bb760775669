"""EGGAN's Table 2, on rendered people or a real set: does an edited face still show the same person?

python experiments/eggan_table2.py --out runs/eggan
python experiments/eggan_table2.py --data rafd --root RAFD --au OPENFACE --preset paper --weights vgg19.safetensors

The paper's judge is LightCNN; here it is an embedder trained on other synthetic people, with the threshold at the equal
error rate of unedited pairs. A model that ``eggan_table1.py`` trained into the same folder is used again.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from eggan import arguments, bench, fitted, identity_kept, saved

from ferdis.report.published import figures


def main(argv: Sequence[str] | None = None) -> pd.DataFrame:
    """Train, edit, verify, print; returns the table."""
    options = arguments(argv, __doc__ or "")
    on = bench(options)
    kept = identity_kept(on, fitted(options, on).edit(on.sources, on.targets))
    print(kept)
    rows = figures().query("paper == 'EGGAN' and table == 2").set_index("method")["value"]
    measured = pd.Series({"EGGAN": 100 * kept.accuracy, "real pairs": 100 * kept.real_accuracy})
    table = pd.DataFrame({"published (RaFD)": rows, "measured": measured}).loc[list(rows.index)]
    saved(options, "table2", table)
    return table


if __name__ == "__main__":
    main()
