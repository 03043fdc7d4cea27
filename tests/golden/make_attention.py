"""Writes ops/attention_*.safetensors: forward, log-sum-exp and gradients of every mask pattern, in float64.

Definition (B batch, Hq query heads, Hk key heads, T queries, S keys, D head size; query head h reads key head h // (Hq / Hk)):

    score[q, k] = scale * <q, k>;  with softcap c: score = c * tanh(score / c);  with ALiBi: score -= slope[h] * |qp - k|
    qp = q + S - T  (bottom-right alignment);  keys not seen score -inf;  lse = log sum exp score;  o = exp(score - lse) v
    a row that sees no key: o = 0, lse = -inf, and no gradient.
"""

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from golden_file import HERE, generator_of, normal, save, seed_of


@dataclass(frozen=True)
class Case:
    """One file. A window of -1 is unbounded on that side; 0 (dilation 1) turns the other rules off."""

    name: str
    pattern: str
    T: int
    S: int
    D: int = 16
    B: int = 1
    Hq: int = 2
    Hk: int = 2
    causal: bool = False
    window_left: int = -1
    window_right: int = -1
    dilation: int = 1
    global_tokens: int = 0
    block: int = 0
    softcap: float = 0.0
    alibi: bool = False
    scale: float = 0.0  # 0 stands for 1 / sqrt(D)
    gain: float = 1.0  # of the query, for scores far from zero


CASES = [
    Case("full", "full", T=37, S=37, B=2),
    Case("causal", "causal", T=65, S=65, D=32, Hq=1, Hk=1, causal=True),
    Case("causal_cross", "causal", T=19, S=70, causal=True),
    Case("causal_large_scores", "causal", T=33, S=33, causal=True, gain=30.0),
    Case("window_left", "window", T=130, S=130, Hq=1, Hk=1, causal=True, window_left=16, window_right=0),
    Case("window_both", "window", T=77, S=77, D=24, window_left=8, window_right=8, scale=0.25),
    Case("window_cross", "window", T=40, S=100, causal=True, window_left=12, window_right=0),
    Case("gqa", "causal", T=33, S=33, Hq=6, Hk=2, causal=True),
    Case("alibi", "causal", T=33, S=33, Hq=4, Hk=4, causal=True, alibi=True),
    Case("alibi_cross", "causal", T=9, S=33, Hq=4, Hk=2, causal=True, alibi=True),
    Case("masked_rows", "causal", T=70, S=40, causal=True),
    Case("documents", "documents", T=48, S=48, B=2, causal=True),
    Case("block_local", "block_local", T=50, S=50, causal=True, block=16),
    Case("global_causal", "global", T=60, S=60, causal=True, window_left=8, window_right=0, global_tokens=4),
    Case("global_both", "global", T=45, S=45, window_left=4, window_right=4, global_tokens=3),
    Case("dilated", "dilated", T=50, S=50, causal=True, window_left=14, window_right=0, dilation=2),
    Case("softcap", "causal", T=33, S=33, causal=True, softcap=5.0, gain=6.0),
    Case("head_64", "causal", T=21, S=21, D=64, causal=True),
    Case("head_128", "causal", T=17, S=17, D=128, Hq=1, Hk=1, causal=True),
]

DOCUMENT_LENGTHS = [[1, 20, 16, 11], [30, 18]]


def seen_keys(case, documents):
    """Which keys each query may see, bool [T, S], or [B, T, S] with documents: the definition of every pattern."""
    k = torch.arange(case.S)
    qp = torch.arange(case.T)[:, None] + case.S - case.T
    distance = qp - k
    seen = torch.ones(case.T, case.S, dtype=torch.bool)
    if case.window_left >= 0:
        seen &= distance <= case.window_left
    if case.window_right >= 0:
        seen &= -distance <= case.window_right
    seen &= distance % case.dilation == 0
    seen |= (k < case.global_tokens) | (qp < case.global_tokens)
    if case.causal:
        seen &= distance >= 0
    if case.block > 0:
        seen &= qp // case.block == k // case.block
    if documents is not None:
        seen = seen & (documents[:, :, None] == documents[:, None, :])
    return seen


def document_ids():
    """Two packed rows, i64 [B, S]; the ids neither start at 0 nor rise by one, for only their equality counts."""
    rows = [torch.repeat_interleave(3 * torch.arange(len(row)) + 1, torch.tensor(row)) for row in DOCUMENT_LENGTHS]
    return torch.stack(rows)


def alibi_slopes(heads):
    return (2.0 ** (-8.0 * torch.arange(1, heads + 1, dtype=torch.float64) / heads)).float().double()


def additive_bias(case, seen, slopes):
    """0 or the ALiBi term where a key is seen, -inf elsewhere; broadcasts against [B, Hq, T, S]."""
    distance = torch.arange(case.T)[:, None] + case.S - case.T - torch.arange(case.S)
    bias = torch.zeros(1, 1, case.T, case.S, dtype=torch.float64)
    if slopes is not None:
        bias = -slopes[:, None, None] * distance.abs()
        bias = bias[None]
    seen = seen[:, None] if seen.dim() == 3 else seen
    return bias.masked_fill(~seen, float("-inf"))


def by_formula(q, k, v, bias, scale, softcap):
    """(o, lse) by the definition; a row without keys is computed as if it saw all and then put to 0, so no NaN arises."""
    group = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    score = scale * q @ k.transpose(-1, -2)
    if softcap > 0:
        score = softcap * torch.tanh(score / softcap)
    empty = bias.isneginf().all(-1, keepdim=True)
    score = score + bias.masked_fill(empty, 0.0)
    lse = score.logsumexp(-1)
    o = (score - lse[..., None]).exp() @ v
    return o.masked_fill(empty, 0.0), lse.masked_fill(empty[..., 0], float("-inf"))


def by_torch(q, k, v, bias, scale):
    with sdpa_kernel(SDPBackend.MATH):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=scale, enable_gqa=q.shape[1] != k.shape[1])


def write(case):
    name = f"attention_{case.name}"
    generator = generator_of(name)
    q = normal(generator, case.B, case.Hq, case.T, case.D, scale=case.gain).requires_grad_()
    k = normal(generator, case.B, case.Hk, case.S, case.D).requires_grad_()
    v = normal(generator, case.B, case.Hk, case.S, case.D).requires_grad_()
    do = normal(generator, case.B, case.Hq, case.T, case.D)
    documents = document_ids() if case.pattern == "documents" else None
    slopes = alibi_slopes(case.Hq) if case.alibi else None
    scale = case.scale or case.D**-0.5
    seen = seen_keys(case, documents)
    bias = additive_bias(case, seen, slopes)

    o, lse = by_formula(q, k, v, bias, scale, case.softcap)
    results = (o, *torch.autograd.grad(o, (q, k, v), do))
    source = "masked safe softmax in float64"
    if case.softcap == 0 and seen.any(-1).all():
        formula = results
        o = by_torch(q, k, v, bias, scale)
        results = (o, *torch.autograd.grad(o, (q, k, v), do))
        torch.testing.assert_close(results, formula, rtol=1e-12, atol=1e-10)
        source = "F.scaled_dot_product_attention in float64"

    tensors = dict(zip(("o", "dq", "dk", "dv"), results), q=q, k=k, v=v, do=do, lse=lse, mask=seen)
    if slopes is not None:
        tensors["slopes"] = slopes
    if documents is not None:
        tensors["documents"] = documents
    parameters = asdict(case) | {"case": case.name, "op": "attention", "scale": scale, "dropout": 0.0, "seed": seed_of(name)}
    del parameters["name"], parameters["gain"]
    save(HERE / "ops" / f"{name}.safetensors", tensors, source, **parameters)


if __name__ == "__main__":
    for each in CASES:
        write(each)
