"""Checkpoint arithmetic beyond linear combinations, and products with weights of eight bits, as cases of contest.py.

Oracles take the steps of ops.def in f64 in torch, so that answers are compared bit for bit; peers are what one writes in torch for the same
method, in f32. Bytes count every operand once, though TIES reads its sources three times.
"""

import math

import torch
import torch.nn.functional as F

from contest import Inputs
from memory_cases import BF16, F32, F64, case, rounded_once

DENSITY, LAMBDA = 0.2, 0.7


def philox(n, key, device):
    """Words 0 to n of philox4x32-10 with counter (element / 4, 0, 0), as i64."""
    low = 0xFFFFFFFF

    def product(factor, x):  # of 32-bit numbers, as (high, low)
        upper, lower = (x >> 16) * factor, (x & 0xFFFF) * factor
        total = lower + ((upper & 0xFFFF) << 16)
        return (upper >> 16) + (total >> 32), total & low

    c = [torch.arange(-(-n // 4), device=device)] + [torch.zeros(-(-n // 4), dtype=torch.int64, device=device) for _ in range(3)]
    k0, k1 = key & low, key >> 32 & low
    for _ in range(10):
        (high_a, low_a), (high_b, low_b) = product(0xD2511F53, c[0]), product(0xCD9E8D57, c[2])
        c = [high_b ^ c[1] ^ k0, low_b, high_a ^ c[3] ^ k1, low_a]
        k0, k1 = k0 + 0x9E3779B9 & low, k1 + 0xBB67AE85 & low
    return torch.stack(c, 1).reshape(-1)[:n]


def largest_f64(d, density):
    """All but the density * n largest as 0; of equal ones the later stay."""
    below = d.numel() - int(density * d.numel())
    d[d.abs().sort(stable=True).indices[:below]] = 0
    return d


def elected(terms, weights, normalize):
    sign = torch.signbit(sum(terms))
    total, divisor = torch.zeros_like(terms[0]), torch.zeros_like(terms[0])
    for term, w in zip(terms, weights):
        counts = (term != 0) & (torch.signbit(term) == sign)
        total += torch.where(counts, term, 0)
        divisor += counts.to(term.dtype) * w
    return total.div_(torch.where(divisor == 0, 1, divisor)) if normalize else total


def ties_torch(base, weights, *sources):
    terms = []
    for w, s in zip(weights.tolist(), sources):
        d = s.float() - base.float()
        k = int(DENSITY * d.numel())
        mask = torch.zeros_like(d).scatter_(0, d.abs().topk(k, sorted=False).indices, 1)
        terms.append(d.mul_(mask).mul_(w))
    return (base.float() + LAMBDA * elected(terms, weights.tolist(), True)).to(base.dtype)


def dare_torch(base, weights, *sources):
    y = base.float()
    for w, s in zip(weights.tolist(), sources):
        d = s.float() - base.float()
        y += LAMBDA * w * d * torch.bernoulli(torch.full_like(d, DENSITY)) / DENSITY
    return y.to(base.dtype)


def sources_of(m, dtype, n, count):
    base = m.normal(n, dtype=dtype)
    return base, [(base.float() + m.normal(n, scale=0.1)).to(dtype) for _ in range(count)]


def weights_of(m, count):
    return torch.tensor([0.5 - 0.1 * i for i in range(count)], dtype=F64, device=m.device)


def ties(m, dtype, n, count):
    def make():
        base, sources = sources_of(m, dtype, n, count)
        weights, y = weights_of(m, count), m.like(n, dtype=dtype)
        ranks = torch.tensor([[n - int(DENSITY * n), n]] * count, device=m.device)
        cuts = m.like(count, 2, 2, dtype=F64)
        calls = (
            m.door.call("magnitude_cuts", base, ranks, sources, cuts),
            m.door.call("sparse_combination", base, weights, cuts, None, None, sources, y, params={"lambda": LAMBDA, "elect": 1, "normalize": 1}),
        )

        def oracle(base, weights, *sources):
            terms = [largest_f64(s.double() - base.double(), DENSITY).mul_(w) for w, s in zip(weights.tolist(), sources)]
            return (rounded_once(base.double() + LAMBDA * elected(terms, weights.tolist(), True), dtype),)

        return Inputs(lambda: [call() for call in calls], [y], oracle, (base, weights, *sources))

    return case("ties", dtype, f"{n}, {count} sources", n * (count + 2) * dtype.itemsize, make, ties_torch, exact=True)


def dare(m, dtype, n, count):
    def make():
        base, sources = sources_of(m, dtype, n, count)
        weights, y = weights_of(m, count), m.like(n, dtype=dtype)
        keys = torch.tensor([0x123456789ABCDEF * (i + 1) for i in range(count)], device=m.device)
        keep = torch.full((count,), DENSITY, dtype=F64, device=m.device)
        ours = m.door.call("sparse_combination", base, weights, None, keys, keep, sources, y, params={"lambda": LAMBDA, "rescale": 1})

        def oracle(base, weights, *sources):
            total = torch.zeros(n, dtype=F64, device=m.device)
            for w, s, key in zip(weights.tolist(), sources, keys.tolist()):
                d = (s.double() - base.double()).div_(DENSITY)
                d[philox(n, key, m.device) >= int(DENSITY * 2**32)] = 0
                total += d.mul_(w)
            return (rounded_once(base.double() + LAMBDA * total, dtype),)

        return Inputs(ours, [y], oracle, (base, weights, *sources))

    return case("dare", dtype, f"{n}, {count} sources", n * (count + 2) * dtype.itemsize, make, dare_torch, exact=True)


def arc(aa, ab, bb, t=0.3):
    angle = math.acos(max(-1.0, min(1.0, ab / (math.sqrt(aa) * math.sqrt(bb)))))
    return math.sin((1 - t) * angle) / math.sin(angle), math.sin(t * angle) / math.sin(angle)


def slerp_torch(a, b):
    x, y = a.float(), b.float()
    u, v = arc(torch.dot(x, x).item(), torch.dot(x, y).item(), torch.dot(y, y).item())
    return (u * x + v * y).to(a.dtype)


def slerp(m, dtype, n):
    def make():
        a, b, y = m.normal(n, dtype=dtype), m.normal(n, dtype=dtype), m.like(n, dtype=dtype)
        products, weights = m.like(3, dtype=F64), torch.zeros(2, dtype=F64)
        gram, sum_ = m.door.call("inner_products", None, [a, b], products), m.door.call("linear_combination", None, weights, [a, b], y)

        def ours():
            gram()
            weights.copy_(torch.tensor(arc(*products.tolist()), dtype=F64))
            sum_()

        def oracle(a, b):
            x, y = a.double(), b.double()
            u, v = arc(torch.dot(x, x).item(), torch.dot(x, y).item(), torch.dot(y, y).item())
            return (u * x + v * y,)

        return Inputs(ours, [y], oracle, (a, b))

    return case("slerp", dtype, f"{n}", 3 * n * dtype.itemsize, make, slerp_torch)


def inner_products(m, dtype, n, count):
    def make():
        base, sources = sources_of(m, dtype, n, count)
        y = m.like(count * (count + 1) // 2, dtype=F64)
        differences = lambda base, sources: [s.to(base.dtype) - base for s in sources]
        pairs = lambda d: torch.stack([torch.dot(d[i], d[j]) for j in range(count) for i in range(j + 1)])
        peer_oracle = lambda base, *sources: (pairs(differences(base.double(), sources)),)
        return Inputs(m.door.call("inner_products", base, sources, y), [y], peer_oracle, (base, *sources))

    def peer(base, *sources):
        d = [s.float() - base.float() for s in sources]
        return torch.stack([torch.dot(d[i], d[j]) for j in range(count) for i in range(j + 1)]).double()

    return case("inner_products", dtype, f"{n}, {count} sources", n * (count + 1) * dtype.itemsize, make, peer)


def linear_int8(m, dtype, rows, outputs, width):
    """The peer's weights are widened beforehand: it reads twice the bytes, as F.linear in bf16 does."""

    def make():
        x, y, scale = m.normal(rows, width, dtype=dtype), m.like(rows, outputs, dtype=dtype), m.normal(outputs, scale=1e-3, shift=0.01)
        w = torch.randint(0, 256, (outputs, width), dtype=torch.uint8, device=m.device)
        wide = ((w.float() - 128) * scale[:, None]).to(dtype)
        oracle = lambda x, w, scale, wide: (F.linear(x.double(), w.double() - 128) * scale.double(),)
        return Inputs(m.door.call("linear_int8", x, w, scale, None, y), [y], oracle, (x, w, scale, wide))

    peer = lambda x, w, scale, wide: F.linear(x, wide)
    moved = outputs * width + rows * (width + outputs) * dtype.itemsize
    return case("linear_int8", dtype, f"{rows} x {outputs} x {width}", moved, make, peer)


def cases(m, quick):
    n = m.size(1 << 26, 1 << 13)
    for count in (2, 3):
        yield ties(m, BF16, n, count)
        yield dare(m, BF16, n, count)
    yield slerp(m, BF16, n)
    yield inner_products(m, BF16, n, 2)
    outputs, width = m.size(16384, 96), m.size(4096, 256)
    for rows in (1, 4, 16):
        yield linear_int8(m, BF16, rows, outputs, width)
    if quick:
        return
    yield ties(m, F32, n, 2)
    yield dare(m, F32, n, 2)
    yield slerp(m, F32, n)
    yield inner_products(m, F32, n, 4)
    yield linear_int8(m, F32, 1, outputs, width)
