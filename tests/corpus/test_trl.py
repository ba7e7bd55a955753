"""Rows go through TRL's SFTTrainer as they are."""

from __future__ import annotations

import math

import pytest
from fake_world import fake_plan


@pytest.mark.filterwarnings("ignore")  # TRL, accelerate and torch warn about CPU training
def test_rows_train_a_model_unchanged(make, tmp_path):
    import datasets
    from trl import SFTConfig, SFTTrainer

    from chiasm.models import build

    make("set", fake_plan(patients=8))
    data = datasets.load_dataset(
        "parquet",
        data_files=str(tmp_path / "set/data/train-*.parquet"),
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    texts = [part["text"] or "" for row in data for message in row["messages"] for part in message["content"]]
    bundle = build("tiny", seed=0, texts=texts)
    settings = SFTConfig(
        output_dir=str(tmp_path / "out"),
        max_steps=2,
        per_device_train_batch_size=4,
        max_length=None,
        assistant_only_loss=True,
        report_to="none",
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        save_strategy="no",
        disable_tqdm=True,
    )
    trainer = SFTTrainer(model=bundle.model, args=settings, train_dataset=data, processing_class=bundle.processor)
    result = trainer.train()
    assert result.global_step == 2
    assert math.isfinite(result.training_loss)
    assert result.training_loss > 0
