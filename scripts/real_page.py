"""Twenty real eyes with what a model says and draws, on one page to be read by a person. Keep the page out of the repository.

CHIASM_DATA=... python scripts/real_page.py [--model nano] [--n 20] [--seed 0] [--out private/real_page]
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from chiasm.case import Laterality
from chiasm.evaluation import answer_image, draw_answer, load_exam, load_model

COLUMNS = 2


def main() -> None:
    """Draw eyes of the half for development at random, ask, write the page and the texts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nano", help="as for chiasm evaluate")
    parser.add_argument("--n", type=int, default=20, help="eyes, half of them with retinopathy")
    parser.add_argument("--seed", type=int, default=0, help="of the choice")
    parser.add_argument("--out", type=Path, default=Path("private/real_page"), help="folder")
    args = parser.parse_args()
    items = load_exam(f"octa500:{Path(os.environ['CHIASM_DATA']) / 'octa500'}").items
    rng = np.random.default_rng(args.seed)
    chosen = []
    for truth in ("dr", "healthy"):
        own = [item for item in items if item.truth == truth]
        chosen += [own[k] for k in rng.permutation(len(own))[: args.n // 2]]
    model = load_model(args.model)
    args.out.mkdir(parents=True, exist_ok=True)
    tiles, texts = [], []
    for number, item in enumerate(chosen):
        answer = answer_image(model, item.question.pictures[0].array(), item.fov_mm, Laterality(item.laterality))
        tile = Image.fromarray(draw_answer(answer, item.fov_mm))
        label = f"{number + 1}: {item.truth}, {item.fov_mm:g} mm, {item.item_id}"
        ImageDraw.Draw(tile).text((8, 8), label, fill=(255, 255, 0), font=ImageFont.load_default(20))
        tiles.append(tile)
        texts.append(f"{label}\n{answer.reply}\n{answer.probabilities}\n")
    width, height = max(t.width for t in tiles), max(t.height for t in tiles)
    page = Image.new("RGB", (COLUMNS * width, -(-len(tiles) // COLUMNS) * height))
    for number, tile in enumerate(tiles):
        page.paste(tile, (number % COLUMNS * width, number // COLUMNS * height))
    page.save(args.out / "page.png")
    (args.out / "texts.txt").write_text("\n".join(texts), encoding="utf-8")
    print(f"{args.out / 'page.png'}, {args.out / 'texts.txt'}")


if __name__ == "__main__":
    main()
