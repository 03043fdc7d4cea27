#!/usr/bin/env python3
"""A training step of a GPT-2 shaped decoder with a schedule of full and sparse attention: Heddle's trainer beside PyTorch.

Ours runs as a user runs it (`heddle bench step --peer none`, a process of its own on the same GPU, asked for rounds in turns); the peer
is the same maths in PyTorch: bf16 autocast over f32 weights (or f32), blocks under torch.compile, FlexAttention for sparse layers, SDPA for full
ones, fused AdamW with clipping. On a CPU PyTorch keeps its heap while it is timed, and a second process, with the heap of the system, says what
memory its steps take: either is what is best for it. `check` trains one small model both ways, from the same weights, and compares the losses.
"""

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

ROOT = Path(__file__).resolve().parents[2]
STEPS, WARM_UP = 5, 3
# Results of glibc's malloc are not mapped anew by every step, as in `./heddle bench`, which says why.
KEPT_HEAP = "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=68719476736:glibc.malloc.top_pad=268435456:glibc.malloc.arena_max=1:glibc.malloc.hugetlb=1"


def parse_schedule(text, layers):
    """kind of each layer: ("full",), ("window", W) or ("block", B, previous blocks); the schedules of `heddle train lm` without heads."""
    kinds = [("full",)] * layers
    for item in text.split(","):
        pattern, _, where = item.partition("@")
        kind, _, rest = pattern.partition(":")
        numbers = [int(x) for x in rest.split("/")] if rest else []
        if kind not in ("full", "window", "block"):
            raise SystemExit(f"--schedule '{text}': this script knows full, window:W and block:B[/P]")
        which = range(layers)
        if where:
            which = [i for part in where.split("+") for i in range(int(part.split("-")[0]), int(part.split("-")[-1]) + 1)]
        for i in which:
            kinds[i] = (kind, *numbers)
    return kinds


def block_mask(kind, seq, device):
    from torch.nn.attention.flex_attention import create_block_mask, create_mask

    if kind[0] == "window":
        mod = lambda b, h, q, k: (k <= q) & (k > q - kind[1])
    else:
        previous = kind[2] if len(kind) > 2 else 0
        mod = lambda b, h, q, k: (k <= q) & (k // kind[1] >= q // kind[1] - previous)
    if device.type == "cpu":  # where FlexAttention has no backward pass: a dense mask
        return create_mask(mod, None, None, seq, seq, device=device)
    return create_block_mask(mod, None, None, seq, seq, device=device)


class Block(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.up, self.down = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)

    def forward(self, x, mask):
        b, t, d = x.shape
        q, k, v = self.qkv(self.ln_1(x)).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        if mask is None:
            o = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        elif isinstance(mask, torch.Tensor):
            o = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        else:
            from torch.nn.attention.flex_attention import flex_attention

            o = flex_attention(q, k, v, block_mask=mask)
        x = x + self.out(o.transpose(1, 2).reshape(b, t, d))
        return x + self.down(F.gelu(self.up(self.ln_2(x)), approximate="tanh"))


class Model(nn.Module):
    def __init__(self, layers, d, heads, vocabulary, seq, kinds, device):
        super().__init__()
        self.embed, self.positions = nn.Embedding(vocabulary, d), nn.Embedding(seq, d)
        self.blocks = nn.ModuleList(Block(d, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(d)
        sparse = {kind: block_mask(kind, seq, device) for kind in set(kinds) - {("full",)}}
        self.masks = [sparse.get(kind) for kind in kinds]
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.normal_(p, std=0.02)

    def forward(self, ids, targets):
        x = self.embed(ids) + self.positions.weight[: ids.shape[1]]
        for block, mask in zip(self.blocks, self.masks):
            x = block(x, mask)
        return self.loss(x, targets)

    def loss(self, x, targets):
        logits = F.linear(self.norm(x), self.embed.weight)
        return F.cross_entropy(logits.view(-1, logits.shape[-1]).float(), targets.view(-1))


def tokens(batch, seq, vocabulary, device):
    """The sequence of StepTimer.token, and what follows each token."""
    i = torch.arange(batch * seq + 1, dtype=torch.int64)
    ids = ((i * 2654435761) >> 7) % vocabulary
    return ids[:-1].view(batch, seq).to(device), ids[1:].view(batch, seq).to(device)


class Peer:
    """PyTorch's side of one model."""

    def __init__(self, shape, schedule, device, compiled=True, dtype="bf16"):
        batch, layers, d, heads, vocabulary, seq = shape
        with torch.device(device):
            self.model = Model(layers, d, heads, vocabulary, seq, parse_schedule(schedule, layers), device)
        if compiled:
            for block in self.model.blocks:
                block.compile(dynamic=False)
            self.model.loss = torch.compile(self.model.loss, dynamic=False)
        self.bf16 = dtype == "bf16"
        decayed = [p for p in self.model.parameters() if p.dim() > 1]
        plain = [p for p in self.model.parameters() if p.dim() <= 1]
        groups = [{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=1e-4, betas=(0.9, 0.95), eps=1e-8, fused=True)
        self.ids, self.targets = tokens(batch, seq, vocabulary, device)
        self.device = device

    def step(self):
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            loss = self.model(self.ids, self.targets)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.item()

    def round(self):
        """Median milliseconds of a step."""
        times = []
        for _ in range(STEPS):
            start = time.perf_counter()
            self.step()  # item() has waited
            times.append((time.perf_counter() - start) * 1e3)
        return statistics.median(times)


class Ours:
    """A process that works on demand: one JSON row per round."""

    def __init__(self, command, backend, arguments, work="step"):
        full = [*command, "bench", work, "--backend", backend, "--peer", "none", "--on-demand", *arguments]
        environment = os.environ | {"GLIBC_TUNABLES": ""}  # the peer's affair: ours has its own memory
        self.process = subprocess.Popen(full, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self):
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise SystemExit(f"ours ended with status {self.process.wait()}; what it said stands above") from None

    def row(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise SystemExit(f"ours ended with status {self.process.wait()}")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def options(shape, schedule, dtype):
    names = ("batch", "layers", "hidden", "heads", "vocab", "seq")
    return [x for name, value in zip(names, shape) for x in (f"--{name}", str(value))] + ["--schedule", schedule, "--dtype", dtype]


def save_gpt2(model, shape, schedule, folder):
    """The model as a GPT-2 folder, which has transposed linear weights."""
    from safetensors.torch import save_file

    batch, layers, d, heads, vocabulary, seq = shape
    config = {
        "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "vocab_size": vocabulary, "n_embd": d, "n_layer": layers, "n_head": heads,
        "n_inner": 4 * d, "n_positions": seq, "layer_norm_epsilon": 1e-5, "activation_function": "gelu_new", "tie_word_embeddings": True,
        "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0, "heddle_schedule": schedule,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    out = {"transformer.wte.weight": model.embed.weight, "transformer.wpe.weight": model.positions.weight}
    out |= {f"transformer.ln_f.{n}": p for n, p in model.norm.named_parameters()}
    names = {"ln_1": "ln_1", "ln_2": "ln_2", "qkv": "attn.c_attn", "out": "attn.c_proj", "up": "mlp.c_fc", "down": "mlp.c_proj"}
    for i, block in enumerate(model.blocks):
        for n, p in block.named_parameters():
            module, kind = n.split(".")
            out[f"transformer.h.{i}.{names[module]}.{kind}"] = p.T if p.dim() > 1 else p
    save_file({n: p.detach().cpu().contiguous() for n, p in out.items()}, folder / "model.safetensors", metadata={"format": "pt"})


def check(command, backend, device):
    """The losses of the first steps, from the same weights; f32 on the CPU backend, bf16 on the GPU."""
    shape, schedule = (2, 3, 128, 2, 1000, 512), "window:100,block:128@1,full@0"
    dtype, bound = ("bf16", 5e-3) if backend == "cuda" else ("f32", 1e-4)
    peer = Peer(shape, schedule, device, compiled=False, dtype=dtype)
    with tempfile.TemporaryDirectory() as folder:
        save_gpt2(peer.model, shape, schedule, Path(folder))
        ours = Ours(command, backend, [*options(shape, schedule, dtype), "--model", folder])
        ours.ask()
        losses = ours.row()["losses"]
        ours.close()
    theirs = [peer.step() for _ in losses]
    worst = max(abs(a - b) / b for a, b in zip(losses, theirs))
    fell = theirs[0] - theirs[-1] > 0.02
    print(f"losses of {len(losses)} steps: ours {losses[0]:.5f} to {losses[-1]:.5f}, PyTorch's {theirs[0]:.5f} to {theirs[-1]:.5f}, largest difference {worst:.1e}")
    return 0 if worst < bound and fell else 1


def peak_bytes(device):
    """What PyTorch took at most: of the GPU's memory, or as a process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def peak_with_system_heap(arguments):
    """What a process of PyTorch's own takes for the same steps when freed memory goes back to the system."""
    environment = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    told = subprocess.run([sys.executable, __file__, "peak", *arguments], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return int(told.stdout.split()[-1])


def contest(command, backend, device, shape, schedule, dtype, rounds, out, recompute):
    ours = Ours(command, backend, options(shape, schedule, dtype) + ["--recompute"] * recompute)
    peer = Peer(shape, schedule, device, dtype=dtype)
    started = time.perf_counter()
    for _ in range(WARM_UP):
        loss = peer.step()
    print(f"PyTorch compiled and warm in {time.perf_counter() - started:.0f} s, loss {loss:.3f}", flush=True)
    rows, times = [], []
    for _ in range(rounds):
        ours.ask()
        rows.append(ours.row())
        times.append(peer.round())
    ours.close()
    row = rows[-1]
    losses = rows[0].pop("losses")
    row.pop("losses", None)
    row["ours_ms"] = statistics.median(r["ours_ms"] for r in rows)
    row["tflops"] = row["flops"] / row["ours_ms"] / 1e9
    peer_ms = statistics.median(times)
    if not (math.isfinite(losses[0]) and abs(losses[0] - math.log(shape[4])) < 0.5):
        raise SystemExit(f"ours begins with a loss of {losses[0]}, not near log {shape[4]}")
    peer_bytes = peak_bytes(device)
    if device.type == "cpu":
        text = ",".join(str(x) for x in shape)
        peer_bytes = min(peer_bytes, peak_with_system_heap(["--backend", "cpu", "--shape", text, "--schedule", schedule, "--dtype", dtype]))
        row["memory_ratio"] = row["process_bytes"] / peer_bytes
    name = torch.cuda.get_device_name() if device.type == "cuda" else "none"
    row |= {"peer": "torch.compile + flex" if device.type == "cuda" else "torch.compile", "peer_ms": peer_ms, "ratio": peer_ms / row["ours_ms"], "peer_bytes": peer_bytes, "threads": torch.get_num_threads(), "gpu": name, "date": time.strftime("%Y-%m-%d")}
    row = {k: float(f"{v:.5g}") if isinstance(v, float) else v for k, v in row.items()}
    print(json.dumps(row), flush=True)
    if out:
        with open(out, "a") as file:
            print(json.dumps(row), file=file)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=["check", "time", "peak"], help="peak: the bytes that PyTorch alone takes")
    p.add_argument("--shape", default="1,24,2048,16,50257,8192", help="batch,layers,features,heads,vocabulary,length")
    p.add_argument("--schedule", action="append", help="one for each row; default: full, mixed (four full layers at the bottom) and sparse")
    p.add_argument("--dtype", choices=["bf16", "f32"], default="bf16")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--recompute", action="store_true", help="ours runs its blocks again on the way back; PyTorch's are as ever")
    p.add_argument("--out", help="JSONL, one row per schedule, added to the file")
    p.add_argument("--backend", choices=["cuda", "cpu"], default="cuda")
    p.add_argument("--heddle", default=str(ROOT / "heddle"), help="the command")
    a = p.parse_args()
    torch.manual_seed(3)
    torch.set_float32_matmul_precision("high" if a.backend == "cuda" else "highest")
    device = torch.device("cuda:0" if a.backend == "cuda" else "cpu")
    if a.backend == "cpu" and a.what == "time" and "GLIBC_TUNABLES" not in os.environ:
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | {"GLIBC_TUNABLES": KEPT_HEAP})
    command = a.heddle.split()
    if a.what == "check":
        return check(command, a.backend, device)
    shape = [int(x) for x in a.shape.split(",")]
    if a.what == "peak":
        peer = Peer(shape, (a.schedule or ["full"])[0], device, dtype=a.dtype)
        for _ in range(WARM_UP):
            peer.step()
        print(peak_bytes(device))
        return 0
    for schedule in a.schedule or ["full", "block:1024,full@0-3", "block:1024"]:
        contest(command, a.backend, device, shape, schedule, a.dtype, a.rounds, a.out, a.recompute)
        torch._dynamo.reset()
        if device.type == "cuda":
            torch.cuda.empty_cache()
    return 0


if __name__ == "__main__":
    sys.exit(main())
