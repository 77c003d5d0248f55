"""``python -m mpdiag``."""

from __future__ import annotations

import sys

from mpdiag.cli import main

if __name__ == "__main__":
    sys.exit(main())
