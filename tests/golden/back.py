"""The way back: loads folders that Heddle saved in transformers, and compares outputs with the golden files.

    HEDDLE_SAVED=DIR mvn ... -Dtest=FamilyGoldenTest      # Heddle loads every family and saves it to DIR/<name>
    python back.py DIR                                    # a table: the largest difference of logits from the golden ones
"""

import json
import logging
import sys
from pathlib import Path

import torch
import transformers as hf
from safetensors.torch import load_file

from golden_file import HERE
from make_families import logits_of


def difference(folder):
    golden = load_file(HERE / "families" / folder.name / "golden.safetensors")
    config = json.loads((folder / "config.json").read_text())
    model, report = getattr(hf, config["architectures"][0]).from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32, output_loading_info=True
    )
    problems = {key: value for key, value in report.items() if value}
    assert not problems, f"{folder.name}: {problems}"
    keys = ("input_ids", "attention_mask", "token_type_ids", "global_attention_mask", "labels")
    inputs = {key: golden[key].long() for key in keys if key in golden}
    if folder.name.endswith("_regression") or folder.name.endswith("_choice"):
        inputs["labels"] = golden["labels"]
    if config["model_type"] not in ("t5", "bart", "marian"):
        inputs.pop("labels", None)
    with torch.no_grad():
        outputs = logits_of(model.eval()(**inputs))
    worst = 0.0
    for key, logits in outputs.items():
        hidden = inputs["attention_mask"] == 0
        if logits.shape[:2] == hidden.shape:
            logits = logits.masked_fill(hidden[..., None] if logits.dim() == 3 else hidden, 0.0)
        worst = max(worst, (logits - golden[key]).abs().max().item())
    return worst


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    hf.utils.logging.disable_progress_bar()
    for each in sorted(path for path in Path(sys.argv[1]).iterdir() if path.is_dir()):
        print(f"{each.name:24} {difference(each):.1e}")
