"""Writes batching.json: bucket keys, bucket members and batch sizes, and pieces of texts, from the formulas alone.

Made with Python 3.11.7, standard library only: python3 make_batching.py
"""

import json
import math
import random
import statistics
from pathlib import Path


def constant(mn, mx, n):
    width = max((1 + mx - mn) // n, 1)
    return [max(mx - i * width, mn) for i in range(n)]


def linear(mn, mx, n):
    a = 2 * (mx - mn - n) / (n * (n + 1))
    keys = [round(mn + a * (i + 1) * (i + 2) / 2 + i + 1) for i in range(n)]
    return keys[:-1] + [max(keys[-1], mx)]


def exponential(s):
    def keys(mn, mx, n):
        w = (mx - mn) * (s - 1) / (s**n - 1)
        out = [round(mn + w * (s ** (i + 1) - 1) / (s - 1)) for i in range(n)]
        return out[:-1] + [max(out[-1], mx)]

    return keys


SCHEMES = {"constant": constant, "linear": linear, "exponential 1.1": exponential(1.1), "exponential 1.2": exponential(1.2)}


def buckets(lengths, scheme, n, batch, ratio, tokens):
    fields = len(lengths[0])
    columns = [scheme(min(x[f] for x in lengths), max(x[f] for x in lengths), n) for f in range(fields)]
    keys = sorted({tuple(column[i] for column in columns) for i in range(n)})
    members = {key: [] for key in keys}
    for i, x in enumerate(lengths):
        fitting = [key for key in keys if all(k >= v for k, v in zip(key, x))]
        members[min(fitting, key=lambda key: sum(key) - sum(x))].append(i)
    used = [key for key in keys if members[key]]
    longest = max(sum(key) for key in used)
    sizes = []
    for key in used:
        if tokens:
            values = [v for i in members[key] for v in lengths[i]]
            sizes.append(max(int(batch / (statistics.fmean(values) + statistics.pstdev(values))), 1))
        else:
            sizes.append(max(int(ratio * batch * longest / sum(key)), batch))
    batches = []
    for key, size in reversed(list(zip(used, sizes))):
        batches += [members[key][at : at + size] for at in range(0, len(members[key]), size)]
    return {"keys": used, "empty": [k for k in keys if not members[k]], "sizes": sizes, "batches": batches}


def pieces(corpus, rows, steps, pad):
    corpus = list(corpus)
    if pad is not None:
        length = math.ceil(len(corpus) / rows)
        while (length - 1) % steps or length < steps + 1:
            length += 1
        corpus += [pad] * (length * rows - len(corpus))
    length = len(corpus) // rows
    columns = [corpus[n * length : (n + 1) * length] for n in range(rows)]
    out = []
    for at in range(0, length - steps, steps):
        out.append([[c[t] for c in columns] for t in range(at, at + steps + 1)])
    return out


if __name__ == "__main__":
    rng = random.Random(6)
    one = [[max(3, min(120, round(rng.lognormvariate(3, 0.6))))] for _ in range(60)]
    two = [[x[0], max(1, round(x[0] * rng.uniform(0.7, 1.4)))] for x in one]
    cases = []
    for name, scheme in SCHEMES.items():
        for lengths, what in ((one, "one"), (two, "two")):
            for n, batch, ratio, tokens in ((10, 4, 0, False), (5, 4, 0.7, False), (4, 100, 0, True), (1, 7, 0.5, False)):
                case = {"scheme": name, "lengths": what, "buckets": n, "batch": batch, "ratio": ratio, "tokens": tokens}
                cases.append(case | buckets(lengths, scheme, n, batch, ratio, tokens))
    keys = [
        {"scheme": name, "min": mn, "max": mx, "buckets": n, "keys": scheme(mn, mx, n)}
        for name, scheme in SCHEMES.items()
        for mn, mx, n in ((1, 100, 10), (10, 500, 10), (5, 5, 3), (1, 7, 10), (3, 64, 4), (2, 1000, 7))
    ]
    corpora = [
        {"length": n, "rows": rows, "steps": steps, "pad": pad, "pieces": pieces(range(100, 100 + n), rows, steps, pad)}
        for n, rows, steps in ((23, 2, 3), (24, 2, 3), (7, 3, 5), (40, 4, 3), (13, 1, 4), (2, 2, 1), (26, 2, 4))
        for pad in (None, 0)
    ]
    out = {"one": one, "two": two, "keys": keys, "buckets": cases, "pieces": corpora}
    path = Path(__file__).with_name("batching.json")
    path.write_text(json.dumps(out, separators=(",", ":")) + "\n")
