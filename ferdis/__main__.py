"""`python -m ferdis` is `ferdis`."""

from __future__ import annotations

import sys

from ferdis.cli import main

sys.exit(main())
