"""mergekit's merge formulas in numpy, f64, for MergeGoldenTest: python make_merge.py [OUT].

Written from mergekit's documentation and from the papers; each is the formula in whole-array form. What Heddle does otherwise
(docs/merging.md: rescaling of random methods, order of ties) is not tested here: inputs have no ties and nothing random is in them.
"""

import os
import sys

import numpy as np
from safetensors.numpy import save_file

out = sys.argv[1] if len(sys.argv) > 1 else "merge"
os.makedirs(out, exist_ok=True)
rng = np.random.default_rng(20261123)
shape = (48, 40)
base = rng.normal(size=shape).astype(np.float32)
sources = [(base + rng.normal(size=shape) * scale).astype(np.float32) for scale in (0.3, 0.5, 0.2)]
b = base.astype(np.float64)
s = [x.astype(np.float64) for x in sources]
d = [x - b for x in s]
w = np.array([0.7, 1.0, 0.4])


def top(x, density):
    """The share of largest magnitude."""
    k = int(density * x.size)
    keep = np.zeros(x.size, bool)
    keep[np.argsort(-np.abs(x).ravel(), kind="stable")[:k]] = True
    return np.where(keep.reshape(x.shape), x, 0)


def middle(x, density, gamma):
    """Without the gamma largest, density of all kept."""
    n = x.size
    n_top = int(gamma * n)
    n_bottom = n - int(density * n) - n_top
    if n_bottom < 0:
        n_top, n_bottom = n_top + n_bottom, 0
    order = np.argsort(np.abs(x).ravel(), kind="stable")
    keep = np.zeros(n, bool)
    keep[order[n_bottom:n - n_top]] = True
    return np.where(keep.reshape(x.shape), x, 0)


def consensus(deltas):
    """Weighted deltas whose sign is that of their sum, and who they are."""
    weighted = np.stack([wi * x for wi, x in zip(w, deltas)])
    sign = np.where(weighted.sum(0) >= 0, 1, -1)
    mask = np.sign(weighted) == sign
    return (weighted * mask).sum(0), (w[:, None, None] * mask).sum(0)


def slerp(t, x, y):
    cosine = (x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum())
    if abs(cosine) > 0.9995:
        return (1 - t) * x + t * y
    angle = np.arccos(cosine)
    return (np.sin((1 - t) * angle) * x + np.sin(t * angle) * y) / np.sin(angle)


def karcher(points, alphas, iterations=10, tolerance=1e-5):
    lengths = [np.linalg.norm(p) for p in points]
    units = [p / n for p, n in zip(points, lengths)]
    u = sum(a * x for a, x in zip(alphas, units))
    u /= np.linalg.norm(u)
    for _ in range(iterations):
        tangent = np.zeros_like(u)
        for a, x in zip(alphas, units):
            cosine = np.clip((u * x).sum(), -1, 1)
            angle = np.arccos(cosine)
            if angle > 1e-12:
                tangent += a * angle / np.sin(angle) * (x - cosine * u)
        size = np.linalg.norm(tangent)
        if size < tolerance:
            break
        u = np.cos(size) * u + np.sin(size) * tangent / size
        u /= np.linalg.norm(u)
    return sum(a * n for a, n in zip(alphas, lengths)) * u


def sce(share):
    deltas = np.stack(d)
    variance = deltas.var(axis=0)
    k = int(share * np.count_nonzero(variance))
    keep = np.zeros(variance.size, bool)
    keep[np.argsort(-variance.ravel(), kind="stable")[:k]] = True
    deltas = deltas * keep.reshape(shape)
    weights = (deltas ** 2).mean(axis=(1, 2))
    weights /= weights.sum()
    erase = np.sign(deltas) == np.where(deltas.sum(0) >= 0, 1, -1)
    erased = weights[:, None, None] * erase
    return b + (deltas * erased).sum(0) / np.maximum(erased.sum(0), 1e-6)


summed, divisor = consensus([top(x, 0.4) for x in d])
crumbs = [middle(x, 0.6, 0.05) for x in d]
pairs = [(d[i] * d[j]).sum() / (np.linalg.norm(d[i]) * np.linalg.norm(d[j])) for i in range(3) for j in range(i)]
cosine = np.mean(pairs)
t = 3 * cosine / (1 + 2 * cosine)
expected = {
    "task_arithmetic": b + 0.9 * sum(wi * x for wi, x in zip(w, d)),
    "linear": sum(wi * x for wi, x in zip(w, s)) / w.sum(),
    "slerp": slerp(0.3, s[0], s[1]),
    "nuslerp": b + slerp(1.0 / 1.7, d[0], d[1]),
    "karcher": karcher(s, w / w.sum()),
    "ties": b + 0.9 * summed / np.where(divisor == 0, 1, divisor),
    "breadcrumbs": b + 0.9 * sum(wi * x for wi, x in zip(w, crumbs)),
    "breadcrumbs_ties": b + 0.9 * consensus(crumbs)[0],
    "model_stock": t * sum(s) / 3 + (1 - t) * b,
    "sce": sce(0.5),
}
tensors = {"base": base, **{f"source{i}": x for i, x in enumerate(sources)}, **{k: np.ascontiguousarray(v) for k, v in expected.items()}}
save_file(tensors, os.path.join(out, "merge.safetensors"), metadata={"weights": "0.7,1.0,0.4", "source": "numpy f64"})
