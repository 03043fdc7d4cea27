"""The memory-bound ops as cases of contest.py: inputs, oracle in f64, peers in torch, and the bytes that must move.

Every input byte that an op must read is counted once, every output byte once; what a kernel reads twice is its own affair.
`tiny` divides the shapes, so that a CPU gets through them; values are random, never zeros.
"""

import torch
import torch.nn.functional as F

from contest import NAMES, Case, Inputs

F32, BF16, F64 = torch.float32, torch.bfloat16, torch.float64


class Maker:
    def __init__(self, door, device, tiny):
        self.door, self.device, self.tiny = door, device, tiny

    def size(self, full, small):
        return small if self.tiny else full

    def normal(self, *shape, dtype=F32, scale=1.0, shift=0.0):
        x = torch.empty(shape, dtype=F32, device=self.device)
        x.normal_(shift, scale)
        return x if dtype == F32 else x.to(dtype)

    def like(self, *shape, dtype=F32):
        return torch.empty(shape, dtype=dtype, device=self.device)

    def ids(self, n, vocabulary):
        return torch.randint(0, vocabulary, (n,), dtype=torch.int32, device=self.device)


def nbytes(*tensors):
    return sum(t.numel() * t.element_size() for t in tensors if t is not None)


def case(op, dtype, shape, moved, make, torch_=None, compiled=None, **more):
    peers = {"torch": torch_} if torch_ else {}
    if compiled:
        peers["torch.compile"] = compiled
    return Case(op, dtype, shape, moved, make, peers, **more)


def gradients(outputs, inputs, upstream):
    """A peer's backward pass: the graph is kept, so that a call costs the backward kernels alone."""
    return lambda *_: torch.autograd.grad(outputs, inputs, upstream, retain_graph=True)


# ---- norms ----

EPS = 1e-5


def layer_fwd(x, residual, weight, bias):
    s = x + residual
    return F.layer_norm(s, (s.shape[-1],), weight, bias, EPS), s


def rms_fwd(x, weight):
    return F.rms_norm(x, (x.shape[-1],), weight, EPS)


def layer_f64(s, weight, bias):
    return F.layer_norm(s.double(), (s.shape[-1],), weight.double(), None if bias is None else bias.double(), EPS)


def norm_fwd_residual(m, dtype, rows, f):
    def make():
        x, r = m.normal(rows, f, dtype=dtype), m.normal(rows, f, dtype=dtype, shift=0.5)
        w, b = m.normal(f, dtype=dtype, scale=0.1, shift=1), m.normal(f, dtype=dtype)
        y, s, mean, rstd = m.like(rows, f, dtype=dtype), m.like(rows, f, dtype=dtype), m.like(rows), m.like(rows)
        ours = m.door.call("norm_fwd", x, r, w, b, y, s, mean, rstd, params={"kind": 0, "eps": EPS})

        def oracle(x, r, w, b):
            added = (x.float() + r.float()).to(dtype)
            d = added.double()
            return layer_f64(added, w, b), d, d.mean(-1), (d.var(-1, correction=0) + EPS).rsqrt()

        return Inputs(ours, [y, s, mean, rstd], oracle, (x, r, w, b))

    peer = lambda x, r, w, b: (*layer_fwd(x, r, w, b), None, None)
    e = dtype.itemsize
    return case("norm_fwd", dtype, f"layer {rows} x {f}, residual", 4 * rows * f * e, make, peer, peer, few=dtype == BF16)


def norm_fwd_rms(m, dtype, rows, f):
    def make():
        x, w, y, rstd = m.normal(rows, f, dtype=dtype), m.normal(f, dtype=dtype, shift=1), m.like(rows, f, dtype=dtype), m.like(rows)
        ours = m.door.call("norm_fwd", x=x, weight=w, y=y, rstd=rstd, params={"kind": 1, "eps": EPS})

        def oracle(x, w):
            root = (x.double().square().mean(-1) + EPS).rsqrt()
            return x.double() * root[:, None] * w.double(), root

        return Inputs(ours, [y, rstd], oracle, (x, w))

    peer = lambda x, w: (rms_fwd(x, w), None)
    return case("norm_fwd", dtype, f"rms {rows} x {f}", 2 * rows * f * dtype.itemsize, make, peer, peer)


def norm_bwd(m, dtype, rows, f, kind):
    layer = kind == 0

    def make():
        s, dy, ds = (m.normal(rows, f, dtype=dtype, shift=shift) for shift in (0.5, 0, 0))
        w, b = m.normal(f, dtype=dtype, scale=0.1, shift=1), m.normal(f, dtype=dtype)
        mean = s.float().mean(-1) if layer else None
        power = s.float().var(-1, correction=0) if layer else s.float().square().mean(-1)
        rstd = (power + EPS).rsqrt()
        dx, dw, db = m.like(rows, f, dtype=dtype), m.like(f), m.like(f) if layer else None
        ours = m.door.call("norm_bwd", dy, ds, s, w, mean, rstd, dx, dw, db, params={"kind": kind, "eps": EPS})

        def oracle(*_):
            d, g = s.double(), dy.double()
            centre = d.mean(-1, keepdim=True) if layer else 0.0
            power = d.var(-1, correction=0, keepdim=True) if layer else d.square().mean(-1, keepdim=True)
            root = (power + EPS).rsqrt()
            x = (d - centre) * root
            gw = g * w.double()
            dx = ds.double() + root * (gw - (gw.mean(-1, keepdim=True) if layer else 0.0) - x * (gw * x).mean(-1, keepdim=True))
            return (dx, (g * x).sum(0), g.sum(0)) if layer else (dx, (g * x).sum(0), None)

        leaves = [t.detach().requires_grad_() for t in (s, w, b)]
        y = F.layer_norm(leaves[0], (f,), leaves[1], leaves[2], EPS) if layer else F.rms_norm(leaves[0], (f,), leaves[1], EPS)
        through = gradients([y, leaves[0] * 1], leaves if layer else leaves[:2], [dy, ds])
        backward = through if layer else lambda: (*through(), None)
        return Inputs(ours, [dx, dw, db], oracle, (backward,))

    shape = f"{'layer' if layer else 'rms'} {rows} x {f}, ds"
    return case("norm_bwd", dtype, shape, 4 * rows * f * dtype.itemsize, make, lambda backward: backward())


# ---- cross-entropy ----


def cross_entropy_formula(logits, targets):
    x = logits.float()
    lse = x.logsumexp(-1)
    at = x.gather(-1, targets[:, None])[:, 0]
    hot = torch.arange(x.shape[-1], device=x.device)[None, :] == targets[:, None]
    return lse - at, ((x - lse[:, None]).exp() - hot.float()).to(logits.dtype)


def cross_entropy_eager(logits, targets):
    leaf = logits.detach().requires_grad_()
    loss = F.cross_entropy(leaf, targets, reduction="none")
    return loss.detach(), torch.autograd.grad(loss.sum(), leaf)[0]


def cross_entropy_f64(logits, targets):
    """By pieces: the whole in f64 would take tens of gigabytes."""
    loss, gradient = [], []
    for x, t in zip(logits.split(1024), targets.split(1024)):
        p = x.double().log_softmax(-1)
        loss.append(-p.gather(-1, t[:, None])[:, 0])
        p = p.exp_()
        p.scatter_add_(-1, t[:, None], -torch.ones_like(p[:, :1]))
        gradient.append(p)
    return torch.cat(loss), torch.cat(gradient)


def cross_entropy(m, dtype, rows, vocabulary, few=False):
    def make():
        x, t = m.normal(rows, vocabulary, dtype=dtype, scale=2), m.ids(rows, vocabulary)
        loss, dx = m.like(rows), m.like(rows, vocabulary, dtype=dtype)
        ours = m.door.call("cross_entropy", x, t, loss, dx, params={"ignore_index": -100, "grad_scale": 1.0})
        return Inputs(ours, [loss, dx], cross_entropy_f64, (x, t.long()))

    moved = 2 * rows * vocabulary * dtype.itemsize
    return case("cross_entropy", dtype, f"{rows} x {vocabulary}, dlogits", moved, make, cross_entropy_eager, cross_entropy_formula, few=few)


# ---- AdamW ----

LR, BETA1, BETA2, ADAM_EPS, DECAY, STEP = 1e-3, 0.9, 0.95, 1e-8, 0.1, 10


def adamw(m, dtype, n):
    narrow = dtype == BF16

    def make():
        p, v = m.normal(n), m.normal(n).square_().mul_(1e-4)
        g, mo = m.normal(n, dtype=dtype, scale=1e-2), m.normal(n, scale=1e-2)
        param = p.to(BF16) if narrow else p
        values = {
            "lr": LR,
            "beta1": BETA1,
            "beta2": BETA2,
            "eps": ADAM_EPS,
            "weight_decay": DECAY,
            "correction1": 1 - BETA1**STEP,
            "correction2": 1 - BETA2**STEP,
        }
        ours = m.door.call("adamw", grad=g, param=param, m=mo, v=v, master=p if narrow else None, params=values)

        def oracle(*_):
            g64, p64 = g.double(), p.double()
            m64, v64 = BETA1 * mo.double() + (1 - BETA1) * g64, BETA2 * v.double() + (1 - BETA2) * g64.square()
            root = v64.sqrt() / (1 - BETA2**STEP) ** 0.5 + ADAM_EPS
            p64 = p64 * (1 - LR * DECAY) - LR / (1 - BETA1**STEP) * m64 / root
            return (p64, m64, v64, p64.clone()) if narrow else (p64, m64, v64)

        own = [t.clone() for t in (p, mo, v)]
        steps = torch.full((), float(STEP - 1), device=m.device)
        return Inputs(ours, [param, mo, v] + ([p] if narrow else []), oracle, (g, *own, steps, param.clone() if narrow else None), in_place=True)

    def fused(g, p, mo, v, step, narrow_param):
        """torch's fused AdamW; it has no 16-bit parameters with a master copy, so the gradient is widened and the parameter rounded."""
        torch._fused_adamw_(
            [p],
            [g if g.dtype == F32 else g.float()],
            [mo],
            [v],
            [],
            [step],
            amsgrad=False,
            lr=LR,
            beta1=BETA1,
            beta2=BETA2,
            weight_decay=DECAY,
            eps=ADAM_EPS,
            maximize=False,
        )
        if narrow_param is not None:
            narrow_param.copy_(p)

    moved = n * (2 + 12 + 12 + 2 if narrow else 16 + 12)
    return case("adamw", dtype, f"{n} parameters" + (", f32 master" if narrow else ""), moved, make, fused)


# ---- embedding ----


def embedding_fwd(m, dtype, n, vocabulary, f):
    def make():
        table, ids, y = m.normal(vocabulary, f, dtype=dtype), m.ids(n, vocabulary), m.like(n, f, dtype=dtype)
        return Inputs(m.door.call("embedding_fwd", table, ids, y), [y], lambda table, ids: (table[ids.long()],), (table, ids))

    peer = lambda table, ids: F.embedding(ids, table)
    return case("embedding_fwd", dtype, f"{n} of {vocabulary} x {f}", 2 * n * f * dtype.itemsize, make, peer, exact=True)


def embedding_bwd(m, dtype, n, vocabulary, f, skewed):
    def make():
        ids, dy, d = m.ids(n, vocabulary), m.normal(n, f, dtype=dtype), m.like(vocabulary, f, dtype=dtype)
        if skewed:  # words are spread as 1 / rank, and one id in sixteen is padding
            ids = (torch.rand(n, device=m.device, dtype=F64).mul_(torch.log(torch.tensor(float(vocabulary)))).exp_() - 1).to(torch.int32)
            ids = ids.clamp_(0, vocabulary - 1)
            ids[::16] = 0
        ours = m.door.call("embedding_bwd", dy, ids, d)
        oracle = lambda dy, ids: (torch.zeros(vocabulary, f, dtype=F64, device=m.device).index_add_(0, ids.long(), dy.double()),)
        return Inputs(ours, [d], oracle, (dy, ids))

    peer = lambda dy, ids: torch.ops.aten.embedding_dense_backward(dy, ids, vocabulary, -1, False)
    shape = f"{n} of {vocabulary} x {f}{', skewed' if skewed else ''}"
    return case("embedding_bwd", dtype, shape, (n + vocabulary) * f * dtype.itemsize, make, peer)


# ---- checkpoint arithmetic ----


def rounded_once(x, dtype):
    """f64 to dtype with one rounding: torch goes through f32 on its way to bf16, so the f32 is first rounded to odd."""
    if dtype != BF16:
        return x.to(dtype)
    f = x.float()
    bits = f.view(torch.int32)
    bits = torch.where(f.double().abs() > x.abs(), bits - 1, bits)  # toward zero
    bits = torch.where(bits.view(F32).double() != x, bits | 1, bits)
    return bits.view(F32).to(BF16)


def combination_f64(dtype):
    def oracle(base, weights, *sources):
        total = None if base is None else base.double()
        for w, s in zip(weights.tolist(), sources):
            term = s.double()
            term = (term if base is None else term.sub_(base.double())).mul_(w)
            total = term if total is None else total.add_(term)
        return (rounded_once(total, dtype),)

    return oracle


def combination_eager(base, weights, *sources):
    w = weights.tolist()
    if base is None:
        y = sources[0] * w[0]
        for a, s in zip(w[1:], sources[1:]):
            y.add_(s, alpha=a)
        return y
    if len(sources) == 1:
        return torch.lerp(base, sources[0], w[0])
    y = base * (1 - sum(w))
    for a, s in zip(w, sources):
        y.add_(s, alpha=a)
    return y


def combination_formula(base, weights, *sources):
    b = base.float()
    y = b
    for i, s in enumerate(sources):
        y = y + (0.3 - 0.1 * i) * (s.float() - b)
    return y.to(base.dtype)


def linear_combination(m, dtype, n, count, source_dtype=None, few=False):
    source_dtype = source_dtype or dtype

    def make():
        base, y = m.normal(n, dtype=dtype), m.like(n, dtype=dtype)
        sources = [m.normal(n, dtype=source_dtype) for _ in range(count)]
        weights = torch.tensor([0.3 - 0.1 * i for i in range(count)], dtype=F64)
        return Inputs(m.door.call("linear_combination", base, weights, sources, y), [y], combination_f64(dtype), (base, weights, *sources))

    moved = n * (2 * dtype.itemsize + count * source_dtype.itemsize)
    shape = f"{n}, {count} source{'s' * (count > 1)}" + (f" of {NAMES[source_dtype]}" if source_dtype != dtype else "")
    return case("linear_combination", dtype, shape, moved, make, combination_eager, combination_formula, exact=True, few=few)


# ---- activations ----


def bias_gelu_f64(x, bias):
    return (F.gelu((x.double() + bias.double()), approximate="tanh"),)


def bias_act_fwd(m, dtype, rows, f):
    def make():
        x, b, y = m.normal(rows, f, dtype=dtype), m.normal(f, dtype=dtype), m.like(rows, f, dtype=dtype)
        return Inputs(m.door.call("bias_act_fwd", x, b, y, params={"kind": 3}), [y], bias_gelu_f64, (x, b))

    peer = lambda x, b: F.gelu(x + b, approximate="tanh")
    return case("bias_act_fwd", dtype, f"gelu_tanh {rows} x {f}", 2 * rows * f * dtype.itemsize, make, peer, peer)


def backward_f64(f, *inputs, upstream):
    leaves = [t.double().requires_grad_() for t in inputs]
    return torch.autograd.grad(f(*leaves), leaves, upstream.double())


def bias_act_bwd(m, dtype, rows, f):
    forward = lambda x, b: F.gelu(x + b, approximate="tanh")

    def make():
        dy, x, b, dx, db = m.normal(rows, f, dtype=dtype), m.normal(rows, f, dtype=dtype), m.normal(f, dtype=dtype), m.like(rows, f, dtype=dtype), m.like(f)
        leaves = [t.detach().requires_grad_() for t in (x, b)]
        backward = gradients(forward(*leaves), leaves, dy)
        ours = m.door.call("bias_act_bwd", dy, x, b, dx, db, params={"kind": 3})
        return Inputs(ours, [dx, db], lambda _: backward_f64(forward, x, b, upstream=dy), (backward,))

    moved = 3 * rows * f * dtype.itemsize
    return case("bias_act_bwd", dtype, f"gelu_tanh {rows} x {f}", moved, make, lambda backward: backward())


def swiglu(x):
    g, u = x.chunk(2, -1)
    return F.silu(g) * u


def glu_fwd(m, dtype, rows, f):
    def make():
        x, y = m.normal(rows, 2 * f, dtype=dtype), m.like(rows, f, dtype=dtype)
        return Inputs(m.door.call("glu_fwd", x=x, y=y, params={"kind": 4}), [y], lambda x: (swiglu(x.double()),), (x,))

    return case("glu_fwd", dtype, f"swiglu {rows} x 2 x {f}", 3 * rows * f * dtype.itemsize, make, swiglu, swiglu, few=True)


def glu_bwd(m, dtype, rows, f):
    def make():
        x, dy, dx = m.normal(rows, 2 * f, dtype=dtype), m.normal(rows, f, dtype=dtype), m.like(rows, 2 * f, dtype=dtype)
        leaf = x.detach().requires_grad_()
        backward = gradients(swiglu(leaf), [leaf], dy)
        ours = m.door.call("glu_bwd", dy=dy, x=x, dx=dx, params={"kind": 4})
        return Inputs(ours, [dx], lambda _: backward_f64(swiglu, x, upstream=dy), (backward,))

    return case("glu_bwd", dtype, f"swiglu {rows} x 2 x {f}", 5 * rows * f * dtype.itemsize, make, lambda backward: backward())


def rotate(x, cosine, sine):
    u, v = x.chunk(2, -1)
    return torch.cat((u * cosine - v * sine, v * cosine + u * sine), -1).to(x.dtype)


def rotary(m, dtype, b, h, t, d):
    def make():
        x, y = m.normal(b, h, t, d, dtype=dtype), m.like(b, h, t, d, dtype=dtype)
        positions = torch.arange(t, dtype=torch.int32, device=m.device)
        inverse = (10000.0 ** (-torch.arange(0, d, 2, dtype=F64, device=m.device) / d)).float()
        angle = positions.double()[:, None] * inverse.double()
        cosine, sine = angle.cos().float(), angle.sin().float()
        oracle = lambda x, *_: (rotate(x.double(), angle.cos(), angle.sin()),)
        ours = m.door.call("rotary", x, positions, inverse, y, params={"amplitude": 1.0})
        return Inputs(ours, [y], oracle, (x, cosine, sine))

    return case("rotary", dtype, f"{b} x {h} x {t} x {d}", 2 * b * h * t * d * dtype.itemsize, make, rotate, rotate)


# ---- the rest ----


def softmax_fwd(m, dtype, rows, f):
    def make():
        x, y = m.normal(rows, f, dtype=dtype, scale=2), m.like(rows, f, dtype=dtype)
        return Inputs(m.door.call("softmax_fwd", x, y), [y], lambda x: (x.double().softmax(-1),), (x,))

    return case("softmax_fwd", dtype, f"{rows} x {f}", 2 * rows * f * dtype.itemsize, make, lambda x: x.softmax(-1))


def softmax_bwd(m, dtype, rows, f):
    def make():
        dy, y, dx = m.normal(rows, f, dtype=dtype), m.normal(rows, f, scale=2).softmax(-1).to(dtype), m.like(rows, f, dtype=dtype)

        def oracle(dy, y):
            g, p = dy.double(), y.double()
            return (p * (g - (g * p).sum(-1, keepdim=True)),)

        return Inputs(m.door.call("softmax_bwd", dy, y, dx), [dx], oracle, (dy, y))

    peer = lambda dy, y: torch.ops.aten._softmax_backward_data(dy, y, -1, dy.dtype)
    return case("softmax_bwd", dtype, f"{rows} x {f}", 3 * rows * f * dtype.itemsize, make, peer)


def philox_words(n, seed, offset, device):
    """The first n words of the stream of ops.def's dropout, as i64: philox4x32-10 over counters (i / 4, offset)."""
    low = lambda x: x & 0xFFFFFFFF
    counter = torch.arange((n + 3) // 4, device=device)
    c = [low(counter), counter >> 32, torch.full_like(counter, offset & 0xFFFFFFFF), torch.full_like(counter, offset >> 32)]
    key = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        a, b = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57  # the low 64 bits of the product, whatever the sign
        c = [low(b >> 32) ^ c[1] ^ key[0], low(b), low(a >> 32) ^ c[3] ^ key[1], low(a)]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return torch.stack(c, -1).flatten()[:n]


def dropout(m, dtype, n):
    def make():
        x, y = m.normal(n, dtype=dtype), m.like(n, dtype=dtype)
        ours = m.door.call("dropout", x, y=y, params={"seed": 7, "offset": 3, "p": 0.1})
        p = torch.tensor(0.1, dtype=F32).double().item()

        def oracle(x):
            keep = philox_words(n, 7, 3, m.device) >= int(-(-p * 2**32 // 1))
            return (torch.where(keep, x.double() / (1 - p), 0.0),)

        return Inputs(ours, [y], oracle, (x,))

    peer = lambda x: F.dropout(x, 0.1)
    return case("dropout", dtype, f"{n}", 2 * n * dtype.itemsize, make, peer)


def binary(m, dtype, rows, f, broadcast):
    def make():
        a, y = m.normal(rows, f, dtype=dtype), m.like(rows, f, dtype=dtype)
        b = m.normal(f, dtype=dtype).expand(rows, f) if broadcast else m.normal(rows, f, dtype=dtype)
        ours = m.door.call("binary", a, b, y, params={"kind": 0, "alpha": 1.0, "beta": 1.0})
        return Inputs(ours, [y], lambda a, b: (rounded_once(a.double() + b.double(), dtype),), (a, b))

    moved = (2 if broadcast else 3) * rows * f * dtype.itemsize
    return case("binary", dtype, f"add {rows} x {f}{', a row broadcast' if broadcast else ''}", moved, make, torch.add, exact=True)


def unary(m, dtype, n):
    def make():
        x, y = m.normal(n, dtype=dtype), m.like(n, dtype=dtype)
        return Inputs(m.door.call("unary", x, y, params={"kind": 8, "scale": 1.0}), [y], lambda x: (x.double().sigmoid(),), (x,))

    return case("unary", dtype, f"sigmoid {n}", 2 * n * dtype.itemsize, make, torch.sigmoid)


def reduce(m, dtype, rows, f, dims):
    shape = tuple(1 if d in dims else (rows, f)[d] for d in range(2))
    what = {(1,): "rows", (0,): "columns", (0, 1): "all"}[dims]

    def make():
        x, y = m.normal(rows, f, dtype=dtype, shift=0.1), m.like(*shape)
        ours = m.door.call("reduce", x, y, params={"kind": 0})
        return Inputs(ours, [y], lambda x: (x.double().sum(dims, keepdim=True),), (x,))

    peer = lambda x: x.sum(dims, keepdim=True, dtype=F32)
    return case("reduce", dtype, f"sum of {what}, {rows} x {f}", rows * f * dtype.itemsize, make, peer)


def copy(m, dtype, shape, order, to=None):
    to = to or dtype

    def make():
        x = m.normal(*shape, dtype=dtype).permute(order)
        y = m.like(*x.shape, dtype=to)
        return Inputs(m.door.call("copy", x, y), [y], lambda x: (x.to(to),), (x,))

    n = torch.Size(shape).numel()
    text = " x ".join(map(str, shape)) + (f", permuted {order}" if list(order) != sorted(order) else "") + (f" to {NAMES[to]}" if to != dtype else "")
    peer = lambda x: x.to(to, memory_format=torch.contiguous_format, copy=True)
    return case("copy", dtype, text, n * (dtype.itemsize + to.itemsize), make, peer, exact=True)


def sum_squares(m, dtype, n):
    def make():
        x, y = m.normal(n, dtype=dtype), m.like(1)
        return Inputs(m.door.call("sum_squares", x, y), [y], lambda x: (x.double().square().sum().reshape(1),), (x,))

    peer = lambda x: torch.linalg.vector_norm(x, dtype=F32).square().reshape(1)
    return case("sum_squares", dtype, f"{n}", n * dtype.itemsize, make, peer)


def block_lists(m, keys, document):
    """The lists of a causal mask over packed documents: what a step with other documents costs before its first attention."""

    def make():
        n = -(-keys // 64)
        starts = torch.rand(keys, device=m.device) < 1 / document
        ids = starts.cumsum(0).to(torch.int32)
        first = torch.where(starts, torch.arange(keys, device=m.device), 0).cummax(0).values // 64
        block = torch.arange(n, device=m.device)
        seen = (block[None, :] >= first[::64][:, None]) & (block[None, :] <= block[:, None])
        count = lambda dim: F.pad(seen.sum(dim).cumsum(0), (1, 0)).to(torch.int32)
        rows, columns = seen.nonzero()[:, 1].to(torch.int32), seen.T.nonzero()[:, 1].to(torch.int32)
        bounds = torch.tensor([[-1, 0, -1, 0]], dtype=torch.int64, device=m.device)
        lists = [torch.empty(shape, dtype=torch.int32, device=m.device) for shape in ((1, 1, n + 1), (len(rows), 2)) * 2]
        masks = torch.empty(len(rows) + 1, 64, dtype=torch.int64, device=m.device)
        ours = m.door.call("block_lists", bounds, ids[None], *lists, masks, params={"queries": keys, "keys": keys})
        outputs = [lists[0].flatten(), lists[1][:, 0], lists[2].flatten(), lists[3][:, 0]]
        return Inputs(ours, outputs, lambda *_: (count(1), rows, count(0), columns), (ids,))

    return case("block_lists", F32, f"causal, {keys} keys in documents of some {document}", 4 * keys, make, exact=True)


def all_cases(door, device, tiny, quick):
    """The cases, the issue's targets first; `quick` leaves out the second shapes of an op."""
    m = Maker(door, device, tiny)
    rows, f, wide, n = m.size(16384, 32), m.size(4096, 256), m.size(8192, 512), m.size(1 << 28, 1 << 14)
    tokens, vocabulary = m.size(8192, 16), m.size(50257, 1031)
    yield norm_fwd_residual(m, BF16, rows, f)
    yield norm_fwd_rms(m, BF16, rows, f)
    yield norm_bwd(m, BF16, rows, f, 0)
    yield norm_bwd(m, BF16, rows, f, 1)
    yield cross_entropy(m, BF16, tokens, vocabulary, few=True)
    yield cross_entropy(m, F32, tokens, vocabulary)
    yield adamw(m, BF16, m.size(100_000_000, 20_000))
    yield adamw(m, F32, m.size(100_000_000, 20_000))
    yield embedding_fwd(m, BF16, m.size(65536, 64), vocabulary, m.size(2048, 128))
    yield embedding_bwd(m, BF16, m.size(65536, 64), vocabulary, m.size(2048, 128), False)
    yield embedding_bwd(m, BF16, m.size(65536, 64), vocabulary, m.size(2048, 128), True)
    for dtype in (BF16, F32):
        for count in (1, 2, 3, 4):
            yield linear_combination(m, dtype, n, count, few=count == 2 and dtype == BF16)
    yield linear_combination(m, F32, n, 2, BF16)
    yield bias_act_fwd(m, BF16, rows, wide)
    yield bias_act_bwd(m, BF16, rows, wide)
    yield glu_fwd(m, BF16, rows, wide)
    yield glu_bwd(m, BF16, rows, wide)
    yield rotary(m, BF16, 4, m.size(32, 2), f, m.size(128, 16))
    yield softmax_fwd(m, BF16, 4 * rows, f)
    yield softmax_bwd(m, BF16, 4 * rows, f)
    yield dropout(m, BF16, n)
    yield binary(m, BF16, rows, wide, False)
    yield binary(m, F32, rows, wide, False)
    yield binary(m, BF16, rows, wide, True)
    yield unary(m, BF16, n)
    yield reduce(m, BF16, 4 * rows, f, (1,))
    yield reduce(m, BF16, 4 * rows, f, (0,))
    yield reduce(m, F32, 4 * rows, f, (0, 1))
    yield copy(m, BF16, (4, f, m.size(32, 2), m.size(128, 16)), (0, 2, 1, 3))
    yield copy(m, F32, (rows, wide), (1, 0))
    yield copy(m, BF16, (rows, wide), (1, 0))
    yield copy(m, F32, (rows, wide), (0, 1), BF16)
    yield sum_squares(m, BF16, n)
    yield block_lists(m, m.size(32768, 512), m.size(2048, 90))
    if quick:
        return
    yield norm_fwd_residual(m, F32, rows, f)
    for dtype, count, width in ((BF16, m.size(65536, 64), m.size(768, 96)), (BF16, rows, wide), (F32, rows, f), (BF16, rows, m.size(12288, 768))):
        yield norm_fwd_rms(m, dtype, count, width)
    yield norm_bwd(m, BF16, m.size(65536, 64), m.size(768, 96), 0)
    yield norm_bwd(m, BF16, rows, wide, 1)
    yield norm_bwd(m, F32, rows, f, 0)
    yield cross_entropy(m, BF16, tokens, m.size(128256, 2048))
    yield cross_entropy(m, BF16, m.size(32768, 32), m.size(32000, 1000))
    yield embedding_fwd(m, F32, m.size(65536, 64), vocabulary, m.size(768, 96))
    yield softmax_fwd(m, F32, rows, wide)
    yield softmax_fwd(m, BF16, m.size(2048, 8), m.size(65536, 2048))
    yield dropout(m, F32, n)
    yield unary(m, F32, n)
    yield reduce(m, F32, rows, wide, (1,))
    yield reduce(m, F32, rows, wide, (0,))
    yield copy(m, BF16, (rows, wide), (0, 1))
    yield sum_squares(m, F32, n)
