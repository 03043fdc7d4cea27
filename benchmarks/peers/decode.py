#!/usr/bin/env python3
"""Greedy text of a GPT-2 small: Heddle beside transformers, with SDPA as it comes and with a static cache under torch.compile.

Ours runs as a user runs it (`heddle bench decode --model FOLDER`, a process of its own on the same GPU, asked for rounds in turns), from the folder that
transformers saved. Two times of each: to the first token (prefill) and for each token after it, the smallest of five texts per round, then the median of
the rounds. Ours reads each token by a replay of one recorded pass (CUDA graphs), the recording itself included. `check` compares the texts in f32, where both
must choose the same tokens.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

from step import ROOT, Ours

REPEATS = 5


def token(i, vocabulary):  # as in StepTimer.java
    return ((i * 2654435761) >> 7) % vocabulary


class Peer:
    def __init__(self, model, prompt, tokens, compiled):
        self.model, self.prompt, self.tokens, self.compiled = model, prompt, tokens, compiled

    def write(self, tokens):
        static = {"cache_implementation": "static"} if self.compiled else {}
        with torch.inference_mode():
            out = self.model.generate(
                self.prompt, attention_mask=torch.ones_like(self.prompt), do_sample=False, min_new_tokens=tokens, max_new_tokens=tokens, pad_token_id=0, **static
            )
        return out[0, self.prompt.shape[1] :].tolist()

    def seconds(self, tokens):
        best = float("inf")
        for _ in range(REPEATS):
            if self.prompt.is_cuda:
                torch.cuda.synchronize()
            start = time.perf_counter()
            self.write(tokens)
            best = min(best, time.perf_counter() - start)
        return best

    def round(self):
        """milliseconds: to the first token, for each after it."""
        first, all_of_them = self.seconds(1), self.seconds(self.tokens)
        return first * 1e3, (all_of_them - first) * 1e3 / (self.tokens - 1)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=["check", "time"])
    p.add_argument("--shape", default="12,768,12,50257", help="layers,features,heads,vocabulary")
    p.add_argument("--prompt", type=int, default=512)
    p.add_argument("--tokens", type=int, default=128)
    p.add_argument("--dtype", choices=["bf16", "f32"], default="bf16", help="of time")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--peers", default="sdpa,compile", help="sdpa, compile or both")
    p.add_argument("--out", help="JSONL, one row per peer, added to the file")
    p.add_argument("--backend", choices=["cuda", "cpu"], default="cuda")
    p.add_argument("--heddle", default=str(ROOT / "heddle"), help="the command")
    a = p.parse_args()
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(3)
    device = torch.device("cuda:0" if a.backend == "cuda" else "cpu")
    dtype = "f32" if a.what == "check" else a.dtype
    layers, d, heads, vocabulary = (int(x) for x in a.shape.split(","))
    config = GPT2Config(vocab_size=vocabulary, n_embd=d, n_layer=layers, n_head=heads, n_positions=1024, initializer_range=0.1)
    model = GPT2LMHeadModel(config).eval()
    prompt = torch.tensor([[token(i, vocabulary) for i in range(a.prompt)]], device=device)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        options = ["--model", folder, "--seq", str(a.prompt), "--tokens", str(a.tokens), "--dtype", dtype]
        ours = Ours(a.heddle.split(), a.backend, options, work="decode")
        model = model.to(device, {"bf16": torch.bfloat16, "f32": torch.float32}[dtype])
        if a.what == "check":
            ours.ask()
            got, want = ours.row()["ids"], Peer(model, prompt, a.tokens, False).write(a.tokens)
            ours.close()
            same = next((i for i, (x, y) in enumerate(zip(got, want)) if x != y), a.tokens)
            print(f"{same} of {a.tokens} tokens are the same from the first on; {len(set(want))} different ones")
            return 0 if same == a.tokens else 1
        for name in a.peers.split(","):
            peer = Peer(model, prompt, a.tokens, name == "compile")
            started = time.perf_counter()
            for n in (1, a.tokens, a.tokens):
                peer.write(n)
            print(f"transformers, {name}: warm in {time.perf_counter() - started:.0f} s", flush=True)
            rows, times = [], []
            for _ in range(a.rounds):
                ours.ask()
                rows.append(ours.row())
                times.append(peer.round())
            row = {k: v for k, v in rows[0].items() if k != "ids"}
            for at, kind in enumerate(("prefill_ms", "token_ms")):
                row[kind] = statistics.median(r[kind] for r in rows)
                row["peer_" + kind] = statistics.median(t[at] for t in times)
                row[kind.replace("_ms", "_ratio")] = row["peer_" + kind] / row[kind]
            row |= {"peer": "transformers " + name, "gpu": torch.cuda.get_device_name() if device.type == "cuda" else "none", "date": time.strftime("%Y-%m-%d")}
            row = {k: float(f"{v:.5g}") if isinstance(v, float) else v for k, v in row.items()}
            print(json.dumps(row), flush=True)
            if a.out:
                with open(a.out, "a") as file:
                    print(json.dumps(row), file=file)
        ours.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
