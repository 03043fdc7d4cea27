"""Writes decoding/<model>.json: what transformers' beam search and filters make of the committed tiny models.

Each case has the options and, for every prompt, the continuations with their scores, the best first.
"""

import json
import logging
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers as hf

from golden_file import HERE, generator_of

# The models' random weights never prefer one token for long; this one ends texts often enough to be of interest.
END = {
    "families/qwen2": 17, "families/bloom": 31, "models/gpt2": 40, "families/opt": 9,
    "families/marian": 12, "families/t5": 23, "families/bart": 50,
}  # fmt: skip
SEQ2SEQ = ("families/marian", "families/t5", "families/bart")
BOOST = {"families/marian": 7.0}  # added to the end's logit, by the test too; 2.5 for the others
MAX = 9

CASES = {
    "default": {"num_beams": 4},
    "two best": {"num_beams": 3, "num_return_sequences": 2},
    "short": {"num_beams": 4, "num_return_sequences": 4, "length_penalty": -1.0},
    "long": {"num_beams": 4, "num_return_sequences": 3, "length_penalty": 2.0},
    "no penalty": {"num_beams": 4, "num_return_sequences": 4, "length_penalty": 0.0},
    "first": {"num_beams": 4, "num_return_sequences": 4, "early_stopping": True},
    "never": {"num_beams": 4, "num_return_sequences": 4, "early_stopping": "never"},
    "never, long": {"num_beams": 4, "num_return_sequences": 4, "early_stopping": "never", "length_penalty": 1.5},
    "at least five": {"num_beams": 3, "num_return_sequences": 3, "min_new_tokens": 5},
    "penalty": {"num_beams": 3, "num_return_sequences": 3, "repetition_penalty": 1.7},
    "no bigram twice": {"num_beams": 3, "num_return_sequences": 3, "no_repeat_ngram_size": 2},
    "allowed": {"num_beams": 3, "num_return_sequences": 3, "allowed": True},
    "greedy": {"num_beams": 1},
}


def allowed_after(end):
    """Tokens of the same remainder by 3 as the last one plus one, and the end: a rule a test can write in one line."""
    return lambda batch, ids: [t for t in range(99) if t % 3 == (int(ids[-1]) + 1) % 3 or t == end]


def boosted(model, end, boost):
    """Adds to the end's logit, before any log-softmax."""
    head = model.get_output_embeddings()
    original = head.forward

    def forward(x):
        y = original(x)
        y[..., end] = y[..., end] + boost
        return y

    head.forward = forward


def texts(name, count=3):
    generator = generator_of("decoding/" + name)
    lengths = [4, 7, 2][:count]
    return [torch.randint(3, 99, (n,), generator=generator).tolist() for n in lengths]


def run(name):
    auto = hf.AutoModelForSeq2SeqLM if name in SEQ2SEQ else hf.AutoModelForCausalLM
    model = auto.from_pretrained(HERE / name, attn_implementation="eager", dtype=torch.float32).eval()
    end = END[name]
    boosted(model, end, BOOST.get(name, 2.5))
    prompts = texts(name)
    cases = []
    for what, options in CASES.items():
        options = dict(options)
        if options.pop("allowed", False):
            options["prefix_allowed_tokens_fn"] = allowed_after(end)
        outputs = []
        for prompt in prompts:
            ids = torch.tensor([prompt])
            arguments = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
            given = ids.shape[1]
            if name in SEQ2SEQ:
                start = model.config.decoder_start_token_id
                # A forced prefix of one token for every other case.
                prefix = [start, 7] if len(cases) % 2 else [start]
                arguments["decoder_input_ids"] = torch.tensor([prefix])
                given = len(prefix)
            with torch.no_grad():
                out = model.generate(
                    **arguments, **options, do_sample=False, max_new_tokens=MAX, eos_token_id=end, pad_token_id=1,
                    forced_eos_token_id=None, return_dict_in_generate=True, output_scores=True,
                )  # fmt: skip
            rows = []
            for i, row in enumerate(out.sequences[:, given:].tolist()):
                tokens = row[: row.index(end) + 1] if end in row else row
                score = out.sequences_scores[i].item() if options["num_beams"] > 1 else None
                rows.append({"tokens": tokens, "score": score})
            outputs.append(rows)
        plain = {k: v for k, v in options.items() if not callable(v)} | {"allowed": "prefix_allowed_tokens_fn" in options}
        cases.append({"name": what, "options": plain, "prefix": len(cases) % 2 == 1 and name in SEQ2SEQ, "outputs": outputs})
    return {
        "model": name, "end": end, "boost": BOOST.get(name, 2.5), "max_new_tokens": MAX, "prompts": prompts, "cases": cases,
        "source": f"torch {torch.__version__}, transformers {hf.__version__}, one prompt at a time, eager attention, f32",
    }  # fmt: skip


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    hf.utils.logging.set_verbosity_error()
    hf.utils.logging.disable_progress_bar()
    folder = HERE / "decoding"
    folder.mkdir(exist_ok=True)
    for each in sys.argv[1:] or END:
        result = json.dumps(run(each), separators=(",", ":"))
        (folder / (each.split("/")[1] + ".json")).write_text(result + "\n")
