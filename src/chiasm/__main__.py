"""`python -m chiasm`: the command line."""

import sys

from chiasm.cli import main

sys.exit(main())
