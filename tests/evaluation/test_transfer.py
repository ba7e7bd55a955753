"""The transfer benchmark end to end on a few eyes and steps: it learns, reads no real mask, and repeats with its seed."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip("monai", reason="MONAI is not installed: pip install 'chiasm[seg]'")

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture(scope="module")
def transfer() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "transfer.py"
    spec = importlib.util.spec_from_file_location("transfer", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["transfer"] = module
    spec.loader.exec_module(module)
    return module


def test_labels_are_large_vessels_at_the_image_s_own_pixels(transfer: ModuleType) -> None:
    samples = transfer.synthetic(2, seed=3)
    assert [s.pixels.shape for s in samples] == [(304, 304)] * 2 + [(400, 400)] * 2
    for sample in samples:
        assert sample.vessels.shape == sample.pixels.shape
        assert 0.03 < sample.vessels.mean() < 0.3
        assert sample.pixels[sample.vessels].mean() > sample.pixels[~sample.vessels].mean()


@pytest.mark.slow
def test_a_few_steps_learn_and_repeat(transfer: ModuleType) -> None:
    samples = transfer.synthetic(2, seed=3)
    found = [transfer.by_network(transfer.train(samples, 10, seed=1), samples[0]) for _ in range(2)]
    np.testing.assert_array_equal(*found)
    learned = transfer.by_network(transfer.train(samples, 150, seed=1), samples[0])
    assert transfer.dice(learned, samples[0].vessels) > 0.5
    one = transfer.choose_filter(samples)
    assert transfer.dice(one.vessels(transfer.vesselness(samples[0]), (304, 304)), samples[0].vessels) > 0.4
