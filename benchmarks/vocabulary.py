"""Train the vocabulary that ships with the package, from the texts of a built dataset.

chiasm build octa --n 100 --seed 7 --set questions=100 --out out/vocabulary
python benchmarks/vocabulary.py out/vocabulary
"""

import sys
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq

import chiasm.models
from chiasm.models import NANO, train_tokenizer
from chiasm.models._tokenizer import vocabulary_text


def texts_of(folder: Path) -> list[str]:
    """Every question and answer of the dataset, in order."""
    texts: list[str] = []
    for shard in sorted((folder / "data").glob("*.parquet")):
        for messages in pq.read_table(shard, columns=["messages"]).column("messages").to_pylist():
            texts.extend(item["text"] for turn in messages for item in turn["content"] if item["text"])
    return texts


def main() -> None:
    """Write vocabulary.json into the package and say how it splits the texts."""
    texts = texts_of(Path(sys.argv[1]))
    tokenizer = train_tokenizer(texts, NANO.vocabulary)
    target = Path(chiasm.models.__file__).with_name("vocabulary.json")
    target.write_text(vocabulary_text(tokenizer), encoding="utf-8")
    lengths = [len(tokenizer(text).input_ids) for text in texts[:4000]]
    longest = Counter({text[:60]: length for text, length in zip(texts, lengths, strict=False)}).most_common(1)
    print(f"{len(texts)} texts, {len(tokenizer)} tokens, {target.stat().st_size} bytes")
    print(f"tokens per text: mean {sum(lengths) / len(lengths):.1f}, most {longest}")


if __name__ == "__main__":
    main()
