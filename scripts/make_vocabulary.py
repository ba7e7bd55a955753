"""Write the vocabulary that ships with the nano model: byte-level BPE over the texts of a built data set.

    chiasm build octa --n 100 --seed 11 --set questions=100 --set world_config.size_px=152 --out out/vocabulary
    python scripts/make_vocabulary.py out/vocabulary

Run it when the sentences change much; models trained before keep their own vocabulary in their folder.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow.parquet as pq

import chiasm.models
from chiasm.models import vocabulary_text
from chiasm.models._tokenizer import train_tokenizer

VOCABULARY = 2048


def main(dataset: str) -> None:
    """Train on every question and reply, and write the file into the package."""
    texts = []
    for shard in sorted(Path(dataset, "data").glob("*.parquet")):
        for messages in pq.read_table(shard, columns=["messages"])["messages"].to_pylist():
            texts += [part["text"] for turn in messages for part in turn["content"] if part.get("text")]
    target = Path(chiasm.models.__file__).with_name("vocabulary.json")
    target.write_text(vocabulary_text(train_tokenizer(texts, VOCABULARY)), encoding="utf-8")
    print(f"{target}: {VOCABULARY} tokens from {len(texts)} texts")


if __name__ == "__main__":
    main(sys.argv[1])
