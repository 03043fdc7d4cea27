#!/usr/bin/env python3
"""PyTorch's own CPU wheel as a contestant of `heddle bench --python PATH`: does what it is told over stdin, in turns with the others.

The first line is a JSON object: work, threads, tensors {name: [dtype, shape, file]} and the work's own settings; the answer is "ready" and the
version; the files are then gone. Then each line "run N" runs the work N times ("done"), "answer FILE" writes the numbers of the last run, f32, to FILE ("done"), and
the end of input ends it.
"""

import json
import signal
import sys

import torch
from torch.nn import functional as F

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "i32": torch.int32, "u8": torch.bool}


def attention(x, setting):
    q, k, v, mask = x["q"], x["k"], x["v"], x.get("mask")

    def forward():
        return F.scaled_dot_product_attention(q, k, v, mask, 0.0, setting["causal"], enable_gqa=q.shape[1] != k.shape[1])

    if not setting["backward"]:
        return lambda: [forward()]
    inputs = [t.requires_grad_() for t in (q, k, v)]
    out = forward()  # the graph is made once and walked at every run
    return lambda: torch.autograd.grad(out, inputs, x["g"], retain_graph=True)


def gemm(x, setting):
    return lambda: [F.linear(x["x"], x["w"])]


def norm(x, setting):
    return lambda: [F.layer_norm(x["x"], x["weight"].shape, x["weight"], x["bias"])]


def loss(x, setting):
    logits, targets = x["logits"].requires_grad_(), x["targets"].long()
    return lambda: torch.autograd.grad(F.cross_entropy(logits, targets), [logits])


def adamw(x, setting):
    """Steps of the fused optimizer from zeros; the answer that is compared is that of the first."""
    p = torch.zeros_like(x["gradient"])
    p.grad = x["gradient"]
    betas = (setting["beta1"], setting["beta2"])
    optimizer = torch.optim.AdamW([p], lr=setting["rate"], betas=betas, eps=setting["eps"], weight_decay=setting["decay"], fused=True)

    def run():
        optimizer.step()
        return [p, optimizer.state[p]["exp_avg"], optimizer.state[p]["exp_avg_sq"]]

    return run


def merge(x, setting):
    """base + sum of w_i (source_i - base): as it reads, or with one pass per operand over an output that is made once."""
    base, weights = x["base"], setting["weights"]
    sources = [x[f"source{i}"] for i in range(len(weights))]
    y = torch.empty_like(base) if setting["in_place"] else None

    def reads():
        total = base
        for w, source in zip(weights, sources):
            total = total.add(source.sub(base), alpha=w)
        return [total]

    def in_place():
        if len(sources) == 1:
            return [torch.lerp(base, sources[0], weights[0], out=y)]
        torch.mul(base, 1 - sum(weights), out=y)
        for w, source in zip(weights, sources):
            y.add_(source, alpha=w)
        return [y]

    return in_place if setting["in_place"] else reads


def step(x, setting):
    """Loss and all gradients of a GPT-2 shaped decoder: what StepContest does with libtorch's operators."""
    ids, targets, mask = x.pop("ids").long(), x.pop("targets").long(), x.pop("mask", None)
    weights = {name: t.requires_grad_() for name, t in x.items()}
    heads, layers, compared = setting["heads"], setting["layers"], setting["compared"]

    def linear(name, h):
        return F.linear(h, weights[name + ".weight"], weights[name + ".bias"])

    def norm(name, h):
        return F.layer_norm(h, h.shape[-1:], weights[name + ".weight"], weights[name + ".bias"])

    def run():
        h = F.embedding(ids, weights["embed.weight"]) + weights["positions.weight"][: len(ids)]
        for i in range(layers):
            layer = f"layers.{i}."
            q, k, v = linear(layer + "qkv", norm(layer + "norm1", h)).view(1, len(ids), 3, heads, -1).permute(2, 0, 3, 1, 4)
            seen = F.scaled_dot_product_attention(q, k, v, mask, 0.0, mask is None)
            h = h + linear(layer + "out", seen.transpose(1, 2).reshape(len(ids), -1))
            h = h + linear(layer + "down", F.gelu(linear(layer + "up", norm(layer + "norm2", h)), approximate="tanh"))
        loss = F.cross_entropy(F.linear(norm("norm", h), weights["embed.weight"]), targets)
        gradients = dict(zip(weights, torch.autograd.grad(loss, weights.values())))
        return [loss, *(gradients[name] for name in compared)]

    return run


WORKS = {"attention": attention, "gemm": gemm, "norm": norm, "loss": loss, "adamw": adamw, "merge": merge, "step": step}


def read(dtype, shape, file):
    with open(file, "rb") as data:
        return torch.frombuffer(bytearray(data.read()), dtype=DTYPES[dtype]).view(shape)


def main():
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the end of input comes soon enough, and says nothing
    setting = json.loads(sys.stdin.readline())
    torch.set_num_threads(setting["threads"])
    tensors = {name: read(*place) for name, place in setting["tensors"].items()}
    work = WORKS[setting["work"]](tensors, setting)
    with torch.set_grad_enabled(setting["gradients"]):
        print("ready", torch.__version__, flush=True)
        for line in sys.stdin:
            command, argument = line.rstrip("\n").split(" ", 1)
            if command == "run":
                for _ in range(int(argument)):
                    answer = work()
            else:
                with open(argument, "wb") as out:
                    for t in answer:
                        out.write(t.detach().float().contiguous().numpy().tobytes())
            print("done", flush=True)


if __name__ == "__main__":
    main()
