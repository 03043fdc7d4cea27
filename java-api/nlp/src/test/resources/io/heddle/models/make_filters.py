"""Writes filters.json: the distributions that transformers' logits processors leave. Made with Python 3.11.7, torch 2.13.0+cpu and
transformers 5.18.0: python make_filters.py"""

import json
from pathlib import Path

import torch
import transformers as hf

FILTERS = [
    {"temperature": 0.7}, {"top_k": 5}, {"top_p": 0.6}, {"top_p": 0.05}, {"min_p": 0.2}, {"typical_p": 0.4},
    {"temperature": 1.6, "top_k": 12, "top_p": 0.8}, {"top_k": 10, "min_p": 0.3}, {"top_p": 0.9, "typical_p": 0.7},
    {"temperature": 0.5, "top_k": 20, "top_p": 0.95, "min_p": 0.05, "typical_p": 0.9},
    {"repetition_penalty": 1.8}, {"no_repeat_ngram_size": 3}, {"no_repeat_ngram_size": 1, "top_k": 4},
]  # fmt: skip
# In the order in which generate() applies them.
MAKE = {
    "repetition_penalty": hf.RepetitionPenaltyLogitsProcessor, "no_repeat_ngram_size": hf.NoRepeatNGramLogitsProcessor,
    "temperature": hf.TemperatureLogitsWarper, "top_k": hf.TopKLogitsWarper, "top_p": hf.TopPLogitsWarper,
    "min_p": hf.MinPLogitsWarper, "typical_p": hf.TypicalLogitsWarper,
}  # fmt: skip

if __name__ == "__main__":
    logits = (2.5 * torch.randn(2, 40, generator=torch.Generator().manual_seed(7))).float()
    text = [3, 7, 3, 7, 9, 11, 3, 7]
    cases = []
    for options in FILTERS:
        processors = hf.LogitsProcessorList(MAKE[key](options[key]) for key in MAKE if key in options)
        probabilities = processors(torch.tensor([text, text]), logits.clone()).softmax(-1)
        cases.append({"options": options, "probabilities": [[float(f"{p:.8g}") for p in row] for row in probabilities.tolist()]})
    out = {"logits": logits.tolist(), "text": text, "cases": cases}
    Path(__file__).with_name("filters.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")
