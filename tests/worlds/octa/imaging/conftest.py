import importlib.util
import sys
from pathlib import Path

import pytest

# The tests run with --import-mode=importlib, so that helpers beside them are loaded by path.
_spec = importlib.util.spec_from_file_location("imaging_phantoms", Path(__file__).with_name("phantoms.py"))
assert _spec
assert _spec.loader
phantoms = importlib.util.module_from_spec(_spec)
sys.modules["imaging_phantoms"] = phantoms
_spec.loader.exec_module(phantoms)


@pytest.fixture(scope="session")
def eye():
    """A mesh of capillaries around a round FAZ, 3 mm."""
    return phantoms.lattice_eye()
