"""The tests of pathology share grown eyes, hence the path."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
