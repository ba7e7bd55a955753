import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco

from chiasm.case import counts_to_mask, counts_to_text, mask_to_counts, text_to_counts
from chiasm.errors import InvalidInput

SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 12))


@given(arrays(bool, SHAPES))
def test_text_equals_cocos_own_and_reads_back(mask: np.ndarray) -> None:
    text = counts_to_text(mask_to_counts(mask))
    assert text == coco.encode(np.asfortranarray(mask, dtype=np.uint8))["counts"].decode()
    np.testing.assert_array_equal(counts_to_mask(text_to_counts(text), mask.shape), mask)


@given(arrays(bool, st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5))))
def test_volumes_round_trip(mask: np.ndarray) -> None:
    np.testing.assert_array_equal(counts_to_mask(mask_to_counts(mask), mask.shape), mask)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused_never_worse(text: str) -> None:
    try:
        counts = text_to_counts(text)
    except InvalidInput:
        return
    assert all(isinstance(c, int) for c in counts)


@pytest.mark.parametrize(("counts", "size"), [([3, -1, 2], (2, 2)), ([5], (2, 2)), ([4], (-2, -2)), ([10**12], (2, 2))])
def test_malformed_counts_are_refused(counts: list[int], size: tuple[int, int]) -> None:
    with pytest.raises(InvalidInput):
        counts_to_mask(counts, size)
