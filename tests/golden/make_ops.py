"""Writes ops/*.safetensors for every op but attention: inputs, outputs, and gradients of a random upstream gradient.

Everything is computed in float64 from inputs that are exact in f32, and rounded once when stored;
only adamw runs in f32, for its ten steps are the very thing to reproduce.
"""

import torch
import torch.nn.functional as F
from torch.autograd import grad
from transformers.models.gptj import modeling_gptj
from transformers.models.llama import modeling_llama

from golden_file import HERE, generator_of, normal, save, seed_of

ACTIVATIONS = {
    "gelu": (F.gelu, "F.gelu"),
    "gelu_tanh": (lambda x: F.gelu(x, approximate="tanh"), "F.gelu approximate=tanh"),
    "relu": (F.relu, "F.relu"),
    "silu": (F.silu, "F.silu"),
    "tanh": (torch.tanh, "torch.tanh"),
}


def write(name, tensors, source, **parameters):
    save(HERE / "ops" / f"{name}.safetensors", tensors, source, **parameters, seed=seed_of(name))


def norm(kind, x, weight, bias, eps):
    """Returns y, mean (None for rms) and rstd (both [N]) of the last axis."""
    if kind == "layer_norm":
        y = F.layer_norm(x, x.shape[-1:], weight, bias, eps)
        mean = x.mean(-1)
        return y, mean, (x.var(-1, unbiased=False) + eps).rsqrt()
    y = F.rms_norm(x, x.shape[-1:], weight, eps)
    return y if bias is None else y + bias, None, (x.square().mean(-1) + eps).rsqrt()


def norms():
    for kind in ("layer_norm", "rms_norm"):
        for width in (1, 33, 96):
            for with_bias in (True, False):
                for with_residual in (True, False):
                    suffix = ("_bias" if with_bias else "") + ("_residual" if with_residual else "")
                    norm_case(f"{kind}_{width}{suffix}", kind, width, with_bias, with_residual)
        # The mean is 500 deviations away from zero: a variance taken as E[x^2] - E[x]^2 in f32 is lost here.
        norm_case(f"{kind}_96_bias_offset", kind, 96, True, False, offset=500.0)


def norm_case(name, kind, width, with_bias, with_residual, offset=0.0, rows=7, eps=1e-5):
    generator = generator_of(name)
    x = (normal(generator, rows, width) + offset).float().double().requires_grad_()
    residual = normal(generator, rows, width) if with_residual else None
    weight = normal(generator, width).requires_grad_()
    bias = normal(generator, width).requires_grad_() if with_bias else None
    dy, ds = normal(generator, rows, width), normal(generator, rows, width)

    s = x + residual if with_residual else x
    y, mean, rstd = norm(kind, s, weight, bias, eps)
    outputs, upstream = ([y, s], [dy, ds]) if with_residual else ([y], [dy])
    leaves = {"dx": x, "dweight": weight} | ({"dbias": bias} if with_bias else {})
    tensors = dict(zip(leaves, grad(outputs, list(leaves.values()), upstream)))
    tensors |= {"x": x, "weight": weight, "y": y, "rstd": rstd, "dy": dy}
    if with_bias:
        tensors["bias"] = bias
    if with_residual:
        tensors |= {"residual": residual, "s": s, "ds": ds}
    if mean is not None:
        tensors["mean"] = mean
    write(name, tensors, f"F.{kind} in float64", op=kind, kind=kind, eps=eps, bias=with_bias, residual=with_residual)


def bias_activations(rows=7, width=45):
    for kind, (activation, source) in ACTIVATIONS.items():
        name = f"bias_act_{kind}"
        generator = generator_of(name)
        x = normal(generator, rows, width, scale=2.0)
        x[0] *= 20.0  # far out, where exp and tanh saturate
        x.requires_grad_()
        bias = normal(generator, width).requires_grad_()
        dy = normal(generator, rows, width)
        y = activation(x + bias)
        dx, dbias = grad(y, (x, bias), dy)
        tensors = {"x": x, "bias": bias, "y": y, "dy": dy, "dx": dx, "dbias": dbias}
        write(name, tensors, f"{source} in float64", op="bias_act", kind=kind)


def gated_units(rows=7, width=23):
    for kind in ("silu", "gelu_tanh"):
        activation, source = ACTIVATIONS[kind]
        name = f"glu_{kind}"
        generator = generator_of(name)
        x = normal(generator, rows, 2 * width, scale=2.0).requires_grad_()
        bias = normal(generator, 2 * width).requires_grad_()
        dy = normal(generator, rows, width)
        gate, up = (x + bias).chunk(2, -1)
        y = activation(gate) * up
        dx, dbias = grad(y, (x, bias), dy)
        tensors = {"x": x, "bias": bias, "y": y, "dy": dy, "dx": dx, "dbias": dbias}
        write(name, tensors, f"{source}(gate) * up in float64", op="glu", kind=kind, packed="gate,up")


def rotate_half(x, angle):
    """x [B, H, T, R], angle [T, R/2]: pair i is (x[i], x[i + R/2])."""
    angle = torch.cat((angle, angle), -1)[None]
    return modeling_llama.apply_rotary_pos_emb(x, x, angle.cos(), angle.sin())[0]


def rotate_interleaved(x, angle):
    """x [B, H, T, R], angle [T, R/2]: pair i is (x[2i], x[2i + 1]); GPT-J keeps the heads after the positions."""
    return modeling_gptj.apply_rotary_pos_emb(x.transpose(1, 2), angle.sin()[None], angle.cos()[None]).transpose(1, 2)


def rotaries(batch=2, heads=3, width=16):
    positions = torch.cat((torch.arange(3, 14), torch.arange(6)))  # an offset, then a second document
    styles = {
        "half": (rotate_half, "transformers llama apply_rotary_pos_emb"),
        "interleaved": (rotate_interleaved, "transformers gptj apply_rotary_pos_emb"),
    }
    for style, (rotate, source) in styles.items():
        for rotated in (width, width // 2):
            name = f"rotary_{style}" + ("" if rotated == width else "_partial")
            generator = generator_of(name)
            inv_freq = (10000.0 ** (-torch.arange(0, rotated, 2, dtype=torch.float64) / rotated)).float().double()
            x = normal(generator, batch, heads, len(positions), width).requires_grad_()
            dy = normal(generator, batch, heads, len(positions), width)
            angle = positions[:, None] * inv_freq
            y = torch.cat((rotate(x[..., :rotated], angle), x[..., rotated:]), -1)
            (dx,) = grad(y, x, dy)
            tensors = {"x": x, "positions": positions, "inv_freq": inv_freq, "y": y, "dy": dy, "dx": dx}
            write(name, tensors, f"{source} in float64", op="rotary", style=style, rotary_dim=rotated, theta=10000.0)


def cross_entropies(rows=9, classes=31):
    for smoothing, name in ((0.0, "cross_entropy"), (0.1, "cross_entropy_smoothed")):
        generator = generator_of(name)
        logits = normal(generator, rows, classes, scale=2.0)
        logits[1] *= 40.0  # exp overflows in f32 unless the row's maximum is taken away
        logits.requires_grad_()
        targets = torch.randint(classes, (rows,), generator=generator)
        targets[[2, 7]] = -100
        options = {"ignore_index": -100, "label_smoothing": smoothing}
        loss = F.cross_entropy(logits, targets, reduction="none", **options)
        mean_loss = F.cross_entropy(logits, targets, **options)
        (dlogits,) = grad(mean_loss, logits)
        tensors = {"logits": logits, "targets": targets, "loss": loss, "mean_loss": mean_loss, "dlogits": dlogits}
        tensors["lse"] = logits.logsumexp(-1)
        write(name, tensors, "F.cross_entropy in float64", op="cross_entropy", **options)


def embedding():
    generator = generator_of("embedding")
    table = normal(generator, 13, 6).requires_grad_()
    ids = torch.tensor([[3, 0, 12, 3, 5], [3, 7, 7, 1, 12], [9, 0, 3, 11, 5]])
    dy = normal(generator, *ids.shape, 6)
    y = F.embedding(ids, table)
    (dtable,) = grad(y, table, dy)
    tensors = {"table": table, "ids": ids, "y": y, "dy": dy, "dtable": dtable}
    write("embedding", tensors, "F.embedding in float64", op="embedding")


def softmax(rows=7, width=45):
    generator = generator_of("softmax")
    x = normal(generator, rows, width, scale=2.0)
    x[0] *= 100.0
    x[1, 5:] = float("-inf")
    x.requires_grad_()
    dy = normal(generator, rows, width)
    y = F.softmax(x, -1)
    (dx,) = grad(y, x, dy)
    write("softmax", {"x": x, "y": y, "dy": dy, "dx": dx}, "F.softmax in float64", op="softmax")


def adamw(steps=10):
    generator = generator_of("adamw")
    options = {"lr": 1e-2, "betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.1}
    named = {"a": normal(generator, 17).float(), "b": normal(generator, 5, 3).float()}
    tensors = {f"{name}.param_init": parameter.clone() for name, parameter in named.items()}
    optimizer = torch.optim.AdamW(named.values(), **options, foreach=False, fused=False)
    for step in range(steps):
        for name, parameter in named.items():
            parameter.grad = normal(generator, *parameter.shape, scale=10.0 ** -(step % 4)).float()
            tensors[f"{name}.g_{step}"] = parameter.grad
        optimizer.step()
        for name, parameter in named.items():
            state = optimizer.state[parameter]
            tensors[f"{name}.param_{step}"] = parameter.clone()
            tensors[f"{name}.exp_avg_{step}"] = state["exp_avg"].clone()
            tensors[f"{name}.exp_avg_sq_{step}"] = state["exp_avg_sq"].clone()
    beta1, beta2 = options.pop("betas")
    write("adamw", tensors, "optim.AdamW in float32", op="adamw", steps=steps, beta1=beta1, beta2=beta2, **options)


def gradient_clipping():
    for name, scale in (("clip_grad_norm", 1.0), ("clip_grad_norm_below", 0.01)):
        generator = generator_of(name)
        parameters = [torch.zeros(shape, dtype=torch.float64) for shape in ((17,), (5, 3), (1,), (2, 3, 4))]
        for parameter in parameters:
            parameter.grad = normal(generator, *parameter.shape, scale=scale)
        tensors = {f"g_{i}": parameter.grad.clone() for i, parameter in enumerate(parameters)}
        tensors["total_norm"] = torch.nn.utils.clip_grad_norm_(parameters, max_norm=1.0)
        tensors |= {f"clipped_{i}": parameter.grad for i, parameter in enumerate(parameters)}
        # torch multiplies by min(1, max_norm / (total_norm + 1e-6)).
        source = "nn.utils.clip_grad_norm_ in float64"
        write(name, tensors, source, op="clip_grad_norm", max_norm=1.0, eps=1e-6)


if __name__ == "__main__":
    norms()
    bias_activations()
    gated_units()
    rotaries()
    cross_entropies()
    embedding()
    softmax()
    adamw()
    gradient_clipping()
