"""Shared fixtures and the environment of the test run."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no failing property: examples have no deadline, and the same ones are drawn on every run.
settings.register_profile("chiasm", deadline=None, derandomize=True)
settings.load_profile("chiasm")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real images, or a skip that says how to set it."""
    folder = os.environ.get("CHIASM_DATA")
    if not folder:
        pytest.skip("CHIASM_DATA is not set: tests on real images need the folder of real data sets")
    path = Path(folder)
    if not path.is_dir():
        pytest.skip(f"CHIASM_DATA is {folder}, which is not a folder")
    return path
