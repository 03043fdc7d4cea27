"""Writes search.json: GluonNLP's beam search, brute force and diverse beam search on random table models, from the formulas.

A table model gives the log probabilities of the next token by the last one. Made with Python 3.11.7, standard library only:
python3 make_search.py
"""

import itertools
import json
import math
import random
from pathlib import Path

V, END, START = 5, 4, 0


def lp(t, alpha, k):
    return ((k + t) / (k + 1)) ** alpha


def gluon(table, beams, alpha, k, longest):
    """[(sample with the start, -1 after the end), score] as section 4.9 of the method says."""
    state = [([START], 0.0 if i == 0 else -1e18, True) for i in range(beams)]
    for t in range(1, longest + 1):
        entries = []
        for b, (text, score, alive) in enumerate(state):
            for v in range(V):
                if alive:
                    value = (score * lp(t - 1, alpha, k) + table[text[-1]][v]) / lp(t, alpha, k)
                    entries.append((-value, b * V + v, text + [v], v != END))
            if not alive:
                entries.append((-score, beams * V + b, text + [-1], False))
        entries.sort(key=lambda e: e[:2])
        state = [(text, -value, alive) for value, _, text, alive in entries[:beams]]
        if not any(alive for _, _, alive in state):
            break
    else:
        state = [(text + [END if alive else -1], score, alive) for text, score, alive in state]
    return [{"sample": text, "valid": sum(x >= 0 for x in text), "score": score} for text, score, _ in state]


def brute(table, alpha, k, longest):
    best = None
    for n in range(1, longest + 1):
        for text in itertools.product(range(V), repeat=n):
            if END in text[:-1] or (n < longest and text[-1] != END):
                continue
            total = sum(table[a][b] for a, b in zip((START, *text), text))
            score = total / lp(n, alpha, k)
            if best is None or score > best["score"]:
                best = {"tokens": list(text) + ([END] if text[-1] != END else []), "score": score}
    return best


class Group:
    """A beam search with transformers' scoring and early_stopping=False."""

    def __init__(self, beams, penalty, longest):
        self.beams, self.penalty, self.longest = beams, penalty, longest
        self.run = [([START], 0.0 if i == 0 else -1e9) for i in range(beams)]
        self.done, self.open = [], True

    def step(self, rows, g):
        every = [(s + rows[b][v], t + [v]) for b, (t, s) in enumerate(self.run) for v in range(V)]
        every = sorted(every, key=lambda e: -e[0])[: 2 * self.beams]
        last = g == self.longest
        for i, (s, t) in enumerate(every):
            if i < self.beams and (t[-1] == END or last) and self.open:
                self.done.append((s / g**self.penalty, t[1:]))
        self.done = sorted(self.done, key=lambda e: -e[0])[: self.beams]
        self.run = [(t, s) for s, t in every if t[-1] != END][: self.beams]
        worst = self.done[-1][0] if len(self.done) == self.beams else -1e9
        self.open = self.open and not last and self.run[0][1] / g**self.penalty > worst


def diverse(table, groups, beams, diversity, penalty, longest):
    all_groups = [Group(beams // groups, penalty, longest) for _ in range(groups)]
    for g in range(1, longest + 1):
        taken = [0] * V
        for group in all_groups:
            if group.open:
                rows = [[table[t[-1]][v] - diversity * taken[v] for v in range(V)] for t, _ in group.run]
                group.step(rows, g)
                if group.open:
                    for t, _ in group.run:
                        taken[t[-1]] += 1
    found = sorted((h for group in all_groups for h in group.done), key=lambda e: -e[0])
    return [{"score": s, "tokens": t} for s, t in found]


def table(rng):
    rows = []
    for _ in range(V):
        logits = [rng.gauss(0, 1.5) for _ in range(V)]
        total = math.log(sum(map(math.exp, logits)))
        rows.append([x - total for x in logits])
    return rows


if __name__ == "__main__":
    rng = random.Random(49)
    models = []
    for _ in range(5):
        model = table(rng)
        models.append(
            {
                "table": model,
                "gluon": [
                    {"beams": b, "alpha": a, "k": k, "longest": n, "found": gluon(model, b, a, k, n)}
                    for b, a, k, n in itertools.product((1, 3, 7), (0, 0.6, 1, 2.5), (5,), (1, 4, 8))
                ]
                + [{"beams": 4, "alpha": 1, "k": 1, "longest": 5, "found": gluon(model, 4, 1, 1, 5)}],
                "brute": [{"alpha": a, "longest": 4, "best": brute(model, a, 5, 4)} for a in (0, 1)],
                "diverse": [
                    {"groups": g, "beams": b, "diversity": d, "penalty": p, "longest": 6, "found": diverse(model, g, b, d, p, 6)}
                    for (g, b), d, p in itertools.product(((2, 4), (3, 3)), (0, 0.5, 2), (0, 1))
                ],
            }
        )
    path = Path(__file__).with_name("search.json")
    rounded = json.loads(json.dumps(models), parse_float=lambda x: float(f"{float(x):.9g}"))
    path.write_text(json.dumps(rounded, separators=(",", ":")) + "\n")
