#!/usr/bin/env python3
"""Attention on a GPU, forward and backward: `check` holds it against the formula in f64, `time` beside torch's SDPA and FlexAttention."""

import argparse
import json
import sys
import time
import traceback

import torch

from contest import Contest
from heddle_door import Door
from layouts import Pattern, compile_layout, random_blocks

NAMES = {torch.bfloat16: "bf16", torch.float16: "f16", torch.float32: "f32"}
ROUNDING = {torch.bfloat16: 2.0**-8, torch.float16: 2.0**-11, torch.float32: 2.0**-22}


class Problem:
    """Random inputs of one call and what runs on them. q, k, v lie as views of a packed product, [B, T, heads, D] transposed."""

    def __init__(self, door, b, h, kv, t, s, d, dtype, pattern, device, packed=True):
        make = lambda heads, n: torch.randn(b, n, heads, d, device=device, dtype=torch.float32).to(dtype).transpose(1, 2)
        self.q, self.k, self.v, self.do = make(h, t), make(kv, s), make(kv, s), make(h, t)
        if not packed:
            self.q, self.k, self.v, self.do = (x.contiguous() for x in (self.q, self.k, self.v, self.do))
        nan = float("nan")
        self.o = torch.full_like(self.q, nan)
        self.lse = torch.full((b, h, t), nan, device=device)
        self.dq, self.dk, self.dv = (torch.full_like(x, nan) for x in (self.q, self.k, self.v))
        self.shape, self.pattern, self.dtype = (b, h, kv, t, s, d), pattern, dtype
        self.layout = compile_layout(pattern, t, s, device) if pattern else None
        self.pairs = self.layout.pairs * b * h if pattern else b * h * t * s
        self.scale = d**-0.5
        params = {"scale": self.scale}
        lists = self.layout.forward() if pattern else {}
        both = self.layout.backward() if pattern else {}
        self.forward = door.call("attention_fwd", self.q, self.k, self.v, o=self.o, lse=self.lse, params=params, **lists)
        self.backward = door.call(
            "attention_bwd", self.q, self.k, self.v, self.o, self.lse, do=self.do, dq=self.dq, dk=self.dk, dv=self.dv, params=params, **both
        )

    def flops(self, backward):
        """Useful ones: pairs that are seen, and the five products that the gradients need."""
        return self.pairs * self.shape[5] * (10 if backward else 4)

    def name(self):
        b, h, kv, t, s, d = self.shape
        return f"B{b} H{h}:{kv} T{t} S{s} D{d} {NAMES[self.dtype]} {self.pattern.name if self.pattern else 'full'}"


def formula(q, k, v, do, seen, scale, dtype):
    """o, lse, dq, dk, dv computed in `dtype`."""
    group = q.shape[1] // k.shape[1]
    q, do = q.to(dtype), do.to(dtype)
    k, v = (x.to(dtype).repeat_interleave(group, 1) for x in (k, v))
    s = (q @ k.mT) * scale
    if seen is not None:
        s = s.masked_fill(~seen, float("-inf"))
    lse = torch.logsumexp(s.float() if dtype != torch.float64 else s, -1)
    p = torch.exp(s - lse[..., None].to(s.dtype)).nan_to_num(0) if seen is not None else torch.softmax(s, -1)
    o = p @ v
    dp = do @ v.mT
    ds = p * (dp - (do * o).sum(-1, keepdim=True)) * scale
    fold = lambda x: x.unflatten(1, (-1, group)).sum(2)
    return o, lse, ds @ k, fold(ds.mT @ q), fold(p.mT @ do)


def error(got, want):
    want, got = want.double(), got.double()
    finite = torch.isfinite(want)
    if not torch.equal(finite, torch.isfinite(got)):
        return float("inf")
    want, got = want[finite], got[finite]
    return (torch.linalg.vector_norm(got - want) / torch.linalg.vector_norm(want).clamp_min(1e-2 * want.numel() ** 0.5)).item()


def check_cases(quick):
    causal, window, both = Pattern("causal", None, 0), Pattern("window 200,0", 200, 0), Pattern("window 70,33", 70, 33)
    bf16, f16, f32 = torch.bfloat16, torch.float16, torch.float32
    for d in (64, 128, 256):
        for pattern in (None, causal, window):
            yield 2, 4, 2, 512, 512, d, bf16, pattern
    yield 1, 8, 1, 1024, 1024, 64, bf16, window
    yield 1, 8, 1, 1024, 1024, 128, bf16, window
    yield 1, 3, 3, 1000, 1000, 64, bf16, causal
    yield 1, 3, 3, 1000, 1000, 128, bf16, both
    yield 2, 4, 4, 333, 777, 64, bf16, causal
    yield 2, 4, 4, 777, 333, 128, bf16, causal  # the first queries see nothing
    yield 1, 2, 2, 1, 1, 64, bf16, None
    yield 1, 2, 2, 65, 129, 128, bf16, None
    yield 1, 2, 1, 640, 640, 80, bf16, window
    yield 1, 2, 1, 640, 640, 32, f16, both
    yield 1, 2, 1, 640, 640, 128, f16, causal
    yield 1, 6, 2, 768, 768, 64, bf16, random_blocks(768, 768, 64, 0.7, 1)
    yield 1, 4, 4, 1024, 1024, 128, bf16, random_blocks(1024, 1024, 128, 0.6, 2)
    yield 1, 4, 4, 1024, 1024, 128, bf16, random_blocks(1024, 1024, 64, 0.9, 3)
    yield 1, 2, 2, 300, 300, 36, bf16, causal
    yield 1, 2, 2, 300, 300, 64, f32, causal


def check(door, device, quick):
    wrong = 0
    for case in check_cases(quick):
        b, h, kv, t, s, d, dtype, pattern = case
        x = Problem(door, b, h, kv, t, s, d, dtype, pattern, device)
        try:
            x.forward()
            door.sync()
            x.backward()
            door.sync()
            again = [y.clone() for y in (x.o, x.dq, x.dk, x.dv)]
            x.forward()
            x.backward()
            door.sync()
            same = all(torch.equal(a, y) for a, y in zip(again, (x.o, x.dq, x.dk, x.dv)))
            seen = pattern.dense(t, s, device) if pattern else None
            want = formula(x.q, x.k, x.v, x.do, seen, x.scale, torch.float64)
            naive = formula(x.q, x.k, x.v, x.do, seen, x.scale, dtype)
            got = (x.o, x.lse, x.dq, x.dk, x.dv)
            errors = [error(g, w) for g, w in zip(got, want)]
            bounds = [2 * e + ROUNDING[dtype] if (e := error(n, w)) < 1 else 4 * ROUNDING[dtype] for n, w in zip(naive, want)]
            good = all(e <= limit for e, limit in zip(errors, bounds)) and same
            text = " ".join(f"{n} {e:.1e}" for n, e in zip(("o", "lse", "dq", "dk", "dv"), errors))
            print(f"{'ok   ' if good else 'WRONG'} {x.name():50s} {text}{'' if same else ' NOT THE SAME TWICE'}", flush=True)
        except Exception as problem:
            good = False
            print(f"WRONG {x.name()}: {problem}", flush=True)
            if "DEVICE" in str(problem) or "illegal" in str(problem) or "launch" in str(problem):
                traceback.print_exc()
                return wrong + 1
        wrong += not good
    print(f"{wrong} wrong")
    return wrong


def pattern_of(text):
    """full, causal, window:LEFT,RIGHT (keys on each side) or sparse:BLOCK,SHARE (random blocks, that share of them left out)."""
    kind, _, rest = text.partition(":")
    if kind == "full":
        return lambda s: None
    if kind == "causal":
        return lambda s: Pattern("causal", None, 0)
    try:
        first, second = rest.split(",")
        if kind == "window":
            return lambda s: Pattern(f"window {rest}", int(first), int(second))
        if kind == "sparse":
            return lambda s: random_blocks(s, s, int(first), float(second), 5)
    except ValueError:
        pass
    raise SystemExit(f"--pattern is '{text}'; expected full, causal, window:LEFT,RIGHT or sparse:BLOCK,SHARE")


def one_case(shape, pattern, dtype):
    try:
        b, h, kv, s, d = (int(x) for x in shape.split(","))
    except ValueError:
        raise SystemExit(f"--shape is '{shape}'; expected batch,heads,kv heads,length,head size") from None
    yield b, h, kv, s, s, d, {v: k for k, v in NAMES.items()}[dtype], pattern_of(pattern)(s)


def time_cases(rows):
    bf16 = torch.bfloat16
    full, causal = Pattern("full"), Pattern("causal", None, 0)
    cases = {
        "swa64": [(2, 64, 8, s, 64, Pattern("window 1024,0", 1023, 0)) for s in (8192, 32768)],
        "swa128": [(1, 1, 1, 32768, 128, Pattern("window 1024,1024", 1024, 1024)), (1, 32, 8, 16384, 128, Pattern("window 2048,0", 2047, 0))],
        "blocks": [(1, 16, 16, 16384, 128, random_blocks(16384, 16384, 128, e, 5)) for e in (0.5, 0.9)],
        "dense": [(1, 64, 8, 16384, 128, p) for p in (None, causal)] + [(1, 16, 16, 16384, 64, p) for p in (None, causal)],
        "d256": [(1, 16, 16, 8192, 256, causal)],
    }
    for name in rows:
        for b, h, kv, s, d, pattern in cases[name]:
            yield b, h, kv, s, s, d, bf16, pattern


def peers_of(x, names, device):
    """name -> (forward, backward or None); a peer that cannot do the pattern is left out, and what it said is printed."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    b, h, kv, t, s, d = x.shape
    q, k, v = (y.detach().requires_grad_() for y in (x.q, x.k, x.v))
    kinds = {}
    plain = x.pattern is None or (x.pattern.left is None and x.pattern.right == 0 and x.pattern.blocks is None)
    if plain and "sdpa" in names:
        causal = x.pattern is not None
        for name, kind in (("sdpa cudnn", SDPBackend.CUDNN_ATTENTION), ("sdpa flash", SDPBackend.FLASH_ATTENTION)):

            def sdpa(kind=kind):
                with sdpa_kernel(kind):
                    return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=x.scale, enable_gqa=h != kv)

            kinds[name] = sdpa
    if "flex" in names:
        from torch.nn.attention.flex_attention import create_block_mask, flex_attention

        torch._dynamo.reset()  # else shapes of one function would run into the limit on recompiling
        compiled = torch.compile(flex_attention, dynamic=False)
        mask = None
        if x.pattern is not None:
            mask = create_block_mask(x.pattern.predicate(t, s, device), None, None, t, s, device=device)
        kinds["flex"] = lambda: compiled(q, k, v, block_mask=mask, scale=x.scale, enable_gqa=h != kv)
    for name, f in kinds.items():
        try:
            o = f()
            grads = torch.autograd.grad(o, (q, k, v), x.do, retain_graph=True)
            yield name, f, lambda o=o: torch.autograd.grad(o, (q, k, v), x.do, retain_graph=True), (o.detach(), *grads)
        except Exception as problem:
            print(f"  {name}: {str(problem).splitlines()[0][:150]}", flush=True)


def times(door, device, cases, directions, peers, out, tags):
    kept = []
    clock = Contest(device, repeats=7, region_ms=15.0)
    for case in cases:
        b, h, kv, t, s, d, dtype, pattern = case
        x = Problem(door, b, h, kv, t, s, d, dtype, pattern, device)
        x.forward()
        x.backward()
        door.sync()
        found = list(peers_of(x, peers, device)) if peers else []
        for name, _, _, answers in found:  # at this size the peers are the oracle
            for what, ours, theirs in zip(("o", "dq", "dk", "dv"), (x.o, x.dq, x.dk, x.dv), answers):
                e = error(ours, theirs)
                if not e < 2e-2:
                    print(f"WRONG {x.name()}: {what} is off {name}'s by {e:.3g}", flush=True)
        for backward in directions:
            ours = x.backward if backward else x.forward
            measured = clock.times([[ours]] + [[p[2] if backward else (lambda f=p[1]: no_grad(f))] for p in found])
            tflops = x.flops(backward) / measured[0] / 1e9
            for name, ms in zip(["", *(p[0] for p in found)], measured):
                if name == "" and found:
                    continue
                row = {
                    "op": "attention_bwd" if backward else "attention_fwd",
                    "backend": "cuda",
                    "dtype": NAMES[dtype],
                    "shape": x.name(),
                    "ours_ms": round(measured[0], 4),
                    "tflops": round(tflops, 1),
                    "peer": name or None,
                    "peer_ms": round(ms, 4) if name else None,
                    "peer_tflops": round(x.flops(backward) / ms / 1e9, 1) if name else None,
                    "ratio": round(ms / measured[0], 3) if name else None,
                    **tags,
                }
                kept.append(row)
                print(f"{row['op']:14s} {row['shape']:52s} {row['ours_ms']:9.3f} ms {row['tflops']:6.0f} TF  {row['peer'] or '':11s} {row['ratio'] or '':>6}", flush=True)
                if out:
                    print(json.dumps(row), file=out, flush=True)
        del found, x
        torch.cuda.empty_cache()
    return kept


def no_grad(f):
    with torch.no_grad():
        return f()


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("what", choices=["check", "time"])
    p.add_argument("--rows", default="swa64,swa128,blocks,dense,d256", help="which rows to time")
    p.add_argument("--shape", help="one shape instead: batch,heads,kv heads,length,head size")
    p.add_argument("--pattern", default="full", help="of --shape: full, causal, window:LEFT,RIGHT or sparse:BLOCK,SHARE")
    p.add_argument("--dtype", choices=list(NAMES.values()), default="bf16", help="of --shape")
    p.add_argument("--direction", choices=["forward", "backward", "both"], default="both")
    p.add_argument("--peers", default="", help="sdpa, flex or both; none: ours alone")
    p.add_argument("--out", help="JSONL, one row per op and peer, added to the file")
    p.add_argument("--backend", choices=["cuda", "cpu"], default="cuda", help="cpu: a test of this script")
    p.add_argument("--plugin", help="the CUDA library to load, instead of HD_CUDA_LIBRARY")
    a = p.parse_args()
    torch.manual_seed(3)
    device = torch.device("cpu" if a.backend == "cpu" else "cuda:0")
    door = Door(a.backend, plugin=a.plugin)
    started = time.monotonic()
    if a.what == "check":
        return 1 if check(door, device, False) else 0
    tags = {"gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else "none", "date": time.strftime("%Y-%m-%d")}
    out = open(a.out, "a") if a.out else None
    cases = one_case(a.shape, a.pattern, a.dtype) if a.shape else time_cases(a.rows.split(","))
    directions = {"forward": [False], "backward": [True], "both": [False, True]}[a.direction]
    times(door, device, cases, directions, [x for x in a.peers.split(",") if x], out, tags)
    print(f"{time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
