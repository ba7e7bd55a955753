"""Make the reference that tells en face OCTA from other pictures: statistics of rendered eyes, as they are and exposed otherwise.

python scripts/fit_familiar.py --data out/octa [--n 1000] [--seed 0]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.covariance import LedoitWolf

from chiasm.measure._familiar import REFERENCE, picture_statistics
from chiasm.training import DenseRows, PhotometryTable, WarmupTable
from chiasm.training._photometry import rephotographed
from chiasm.training._rows import open_rows

TARGET = Path(__file__).parents[1] / "src" / "chiasm" / "measure" / REFERENCE
EXPOSURES = PhotometryTable(gamma=0.35, gain=0.2, offset=0.04, blur_px=1.5, noise=0.04, speckle=0.15, spectrum=0.2)
KEPT = 0.999
"""Share of the rendered pictures that lie within the limit."""


def main() -> None:
    """Read, fit, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder that `chiasm build octa` made")
    parser.add_argument("--n", type=int, default=1000, help="pictures of its train split")
    parser.add_argument("--seed", type=int, default=0, help="of the choice and the exposures")
    args = parser.parse_args()
    source = DenseRows(open_rows(args.data, "train").shards, WarmupTable(steps=1, maps=("artery",)))
    rng = np.random.default_rng(args.seed)
    rows = []
    for index in np.sort(rng.permutation(len(source))[: args.n]):
        image = source[int(index)].image
        exposed = np.asarray(rephotographed(Image.fromarray(image), EXPOSURES, rng))
        rows += [picture_statistics(image), picture_statistics(exposed)]
    table = np.asarray(rows)
    centre, scale = table.mean(0), table.std(0)
    fit = LedoitWolf().fit((table - centre) / scale)
    limit = float(np.quantile(np.sqrt(fit.mahalanobis((table - centre) / scale)), KEPT))
    found = {
        "made_by": f"scripts/fit_familiar.py --n {args.n} --seed {args.seed}",
        "pictures": len(table),
        "limit": round(limit, 2),
        "centre": np.round(centre, 5).tolist(),
        "scale": np.round(scale, 5).tolist(),
        "precision": [[float(f"{x:.4g}") for x in row] for row in fit.precision_],
    }
    TARGET.write_text(json.dumps(found) + "\n", encoding="utf-8")
    print(f"{TARGET}: {len(table)} pictures, limit {limit:.2f}")


if __name__ == "__main__":
    main()
