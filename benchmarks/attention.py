"""Fused against plain attention on a processor: CPU seconds of a small model alone, the two in turn.

    OMP_NUM_THREADS=1 python benchmarks/attention.py [--model nano] [--dtype float32] [--rounds 20] [--images 8] [--side-px 304]

One round passes the same grey noise images through the vision tower, forward and backward, once with each kind of attention,
the first of them changing from round to round. No data are read and no text is written; one warm-up round is not counted. Printed
are the median CPU milliseconds an image of each, and the median and the middle 95 % of their ratio by round.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch
from PIL import Image

from chiasm.models import load_bundle, quicken

KINDS = ("sdpa", "eager")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--images", type=int, default=8, help="a batch")
    parser.add_argument("--side-px", type=int, default=304)
    args = parser.parse_args()
    torch.set_num_threads(1)
    bundle = load_bundle(args.model, dtype=args.dtype)
    quicken(bundle.model)
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (args.images, args.side_px, args.side_px), dtype=np.uint8)
    inputs = bundle.processor.image_processor([Image.fromarray(p) for p in noise], return_tensors="pt")
    passed = {kind: np.empty(args.rounds + 1) for kind in KINDS}
    for k in range(args.rounds + 1):
        for kind in KINDS if k % 2 else KINDS[::-1]:
            bundle.model.set_attn_implementation(kind)
            passed[kind][k] = 1000 * _seconds(bundle.model, inputs) / args.images
    fused, plain = (passed[kind][1:] for kind in KINDS)
    ratio = plain / fused
    low, high = np.quantile(ratio, (0.025, 0.975))
    print(f"{args.dtype}, {args.rounds} rounds of {args.images} images of {args.side_px} px, CPU ms an image, medians")
    print(f"fused {np.median(fused):.1f}, plain {np.median(plain):.1f}")
    print(f"plain / fused {np.median(ratio):.3f} ({low:.3f} to {high:.3f})")


def _seconds(model: Any, inputs: Any) -> float:
    """CPU seconds of one forward and backward pass of the vision tower."""
    pixels = inputs["pixel_values"].to(next(model.parameters()).dtype)
    began = time.process_time()
    out = model.model.visual(pixels, grid_thw=inputs["image_grid_thw"])
    out.pooler_output.float().square().mean().backward()
    model.zero_grad()
    return time.process_time() - began


if __name__ == "__main__":
    main()
