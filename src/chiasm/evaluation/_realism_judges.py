"""Classifiers that try to tell synthetic from real images, cross-validated by image.

Every judge gives each image one held-out score (high: synthetic), averaged over repeated stratified folds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.evaluation.statistics import Estimate, auc

PATCH_PX = 7
_WORDS = 96
_PATCHES_PER_IMAGE = 400

Scores = NDArray[np.float64]


def judge_features(
    features: NDArray[np.float64], synthetic: NDArray[np.bool_], *, seed: int, repeats: int = 2
) -> dict[str, Estimate]:
    """AUC of three classifiers over stated features.

    Args:
        features: (n, F).
        synthetic: (n,) truth.
        seed: Of folds and forests.
        repeats: How often the five folds are drawn anew.

    Returns:
        "forest", "logistic" and "kernel machine" -> AUC with its interval.
    """
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import QuantileTransformer, StandardScaler
    from sklearn.svm import SVC

    quantiles = max(4, min(50, len(features) // 3))
    makers: dict[str, Callable[[], Any]] = {
        "forest": lambda: ExtraTreesClassifier(400, min_samples_leaf=2, random_state=seed),
        "logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=2000)),
        "kernel machine": lambda: make_pipeline(
            QuantileTransformer(n_quantiles=quantiles, output_distribution="normal", random_state=seed), SVC(C=2.0)
        ),
    }
    out = {}
    for name, make in makers.items():
        scores = np.zeros(len(features))
        for train, test in folds(synthetic, seed, repeats):
            model = make().fit(features[train], synthetic[train])
            scores[test] += score_of(model, features[test])
        out[name] = auc(synthetic, scores / repeats)
    return out


def judge_patches(images: Sequence[NDArray[np.uint8]], synthetic: NDArray[np.bool_], *, seed: int) -> Estimate:
    """AUC of a small learned patch classifier.

    Inside each training fold it learns a dictionary of whitened 7x7 patches by k-means (Coates & Ng 2011), then a linear
    classifier over how strongly each word answers in the image, in mean, spread and over quadrants of eccentricity.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(seed)
    patches = [_patches(pixels, rng) for pixels in images]
    scores = np.zeros(len(images))
    for train, test in folds(synthetic, seed, 1):
        encode = _learn_words(np.concatenate([patches[i] for i in train]), seed)
        codes = np.array([encode(p) for p in patches])
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.02, max_iter=2000))
        model.fit(codes[train], synthetic[train])
        scores[test] = score_of(model, codes[test])
    return auc(synthetic, scores)


def forest_importance(features: NDArray[np.float64], synthetic: NDArray[np.bool_], *, seed: int) -> NDArray[np.float64]:
    """(F,) share of a forest's decisions that each feature carries."""
    from sklearn.ensemble import ExtraTreesClassifier

    forest = ExtraTreesClassifier(400, min_samples_leaf=2, random_state=seed).fit(features, synthetic)
    return np.asarray(forest.feature_importances_, dtype=np.float64)


def folds(synthetic: NDArray[np.bool_], seed: int, repeats: int) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """(train, test) indices of five stratified folds, drawn `repeats` times."""
    from sklearn.model_selection import RepeatedStratifiedKFold

    count = min(5, int(synthetic.sum()), int((~synthetic).sum()))
    splitter = RepeatedStratifiedKFold(n_splits=count, n_repeats=repeats, random_state=seed)
    return list(splitter.split(np.zeros(len(synthetic)), synthetic))


def score_of(model: Any, features: NDArray[np.float64]) -> Scores:
    """Held-out scores, high for synthetic, in the model's own scale (comparable between folds after ranking)."""
    if hasattr(model, "decision_function"):
        return np.asarray(model.decision_function(features), dtype=np.float64)
    return np.asarray(model.predict_proba(features)[:, 1], dtype=np.float64)


def _patches(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float32]:
    """(_PATCHES_PER_IMAGE, PATCH_PX^2) patches at random places, grey 0..1."""
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (PATCH_PX, PATCH_PX))
    rows = rng.integers(0, windows.shape[0], _PATCHES_PER_IMAGE)
    cols = rng.integers(0, windows.shape[1], _PATCHES_PER_IMAGE)
    chosen = windows[rows, cols].reshape(_PATCHES_PER_IMAGE, -1)
    return np.asarray(chosen, dtype=np.float32) / np.float32(255)


def _learn_words(patches: NDArray[np.float32], seed: int) -> Any:
    """A function from the patches of one image to its code, learned on the patches of many."""
    from sklearn.cluster import MiniBatchKMeans

    mean = patches.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov((patches - mean).T))
    whiten = (vectors / np.sqrt(values + 0.002)).astype(np.float32)
    words = MiniBatchKMeans(_WORDS, n_init=1, batch_size=2048, max_iter=20, random_state=seed)
    centres = words.fit((patches - mean) @ whiten).cluster_centers_.astype(np.float32)

    def encode(sample: NDArray[np.float32]) -> NDArray[np.float64]:
        white = (sample - mean) @ whiten
        distance = np.sqrt(np.maximum((white**2).sum(1)[:, None] - 2 * white @ centres.T + (centres**2).sum(1), 0))
        answer = np.maximum(distance.mean(axis=1, keepdims=True) - distance, 0)
        return np.concatenate([answer.mean(axis=0), answer.std(axis=0)]).astype(np.float64)

    return encode
