"""Read every set of an export with LLaMA-Factory's own loader; prints what it found as JSON. Run with its environment's python."""

import json
import sys
from pathlib import Path

from llamafactory.data.loader import _get_merged_dataset
from llamafactory.hparams import DataArguments, ModelArguments, TrainingArguments

folder = Path(sys.argv[1])
told = {}
for name in json.loads((folder / "dataset_info.json").read_text()):
    arguments = DataArguments(dataset=name, dataset_dir=str(folder), media_dir=str(folder))
    training = TrainingArguments(output_dir=str(folder / "unused"), report_to=[])
    rows = _get_merged_dataset([name], ModelArguments(model_name_or_path="none"), arguments, training, stage="sft")
    told[name] = {
        "answers": [row["_response"][0]["content"] for row in rows],
        "pictures": [picture for row in rows for picture in row["_images"]],
    }
sys.stdout.write(json.dumps(told) + "\n")
