"""Checks an answer, then times it beside its peers, and keeps one row per peer: what every script here has in common.

A case is never timed without an answer that was checked: outputs are poisoned with NaN, ours and each peer's are compared with the
oracle's (in f64), and ours may be off by at most twice the best peer's own error plus the rounding of the output's dtype.
Contestants are timed in turns, in regions of about 20 ms between two events, and the median region counts.
"""

import datetime
import json
import statistics
import time
import traceback
from dataclasses import dataclass, field
from typing import Callable

import torch

# Root mean square of one rounding, as a share of the value: the size of an error that no formula can avoid.
ROUNDING = {torch.float32: 5e-7, torch.bfloat16: 2.2e-3, torch.float16: 2.8e-4, torch.float64: 1e-7}
NAMES = {torch.float32: "f32", torch.bfloat16: "bf16", torch.float16: "f16", torch.float64: "f64"}


@dataclass
class Inputs:
    """One set of inputs with what runs on it. Functions take `args`, so that one compiled function serves all sets."""

    ours: Callable[[], None]
    outputs: list  # written by ours, compared with the oracle's; None entries are skipped
    oracle: Callable  # (*args) -> the outputs in f64, or bit for bit when the case is exact
    args: tuple
    in_place: bool = False  # outputs are inputs too: no poison, and the oracle is asked first


@dataclass
class Case:
    op: str
    dtype: torch.dtype
    shape: str
    moved: int  # bytes that a call must read and write
    make: Callable[[], Inputs]
    peers: dict = field(default_factory=dict)  # name -> f(*args) -> outputs; "torch.compile" is compiled first
    few: bool = False  # its torch.compile peer also runs where only a few may (compiling costs seconds)
    exact: bool = False  # bit for bit
    flops: float = 0.0  # useful ones: the row then has "tflops"


def error_of(outputs, wanted):
    """The largest relative error norm over the outputs; infinite where one of them is not finite and should be."""
    worst = 0.0
    for got, want in zip(outputs, wanted, strict=True):
        if got is None or want is None:
            continue
        want, got = want.double(), got.double()
        norm = torch.linalg.vector_norm(want).item()
        worst = max(worst, torch.nan_to_num(torch.linalg.vector_norm(got - want), nan=float("inf")).item() / (norm or 1.0))
    return worst


def differing(outputs, wanted):
    """How many elements are not the same bits."""
    bits = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    same = lambda a, b: a.contiguous().view(bits[a.element_size()]) != b.contiguous().view(bits[b.element_size()])
    return sum(int(same(a, b).sum()) for a, b in zip(outputs, wanted, strict=True))


class Contest:
    def __init__(self, device, out=None, repeats=5, region_ms=20.0, compile_peers="few", footprint=1 << 29, tags=None, parts=None):
        self.device, self.repeats, self.region_ms = device, repeats, region_ms
        self.compile_peers, self.footprint = compile_peers, footprint  # footprint: bytes over which the sets of a case rotate
        self.file = open(out, "w") if out else None
        self.parts_file = open(parts, "w") if parts else None  # JSONL: what each case's call is made of
        self.cuda = device.type == "cuda"
        self.tags = {
            "backend": device.type,
            "gpu": torch.cuda.get_device_name(device) if self.cuda else "none",
            "date": datetime.date.today().isoformat(),
            **(tags or {}),
        }
        self.rows, self.wrong = [], []
        self.ceiling = 0.0

    # ---- time ----

    def wait(self):
        if self.cuda:
            torch.cuda.synchronize()

    def region(self, calls, n):
        """Milliseconds per call of n calls that go round the sets."""
        self.wait()
        if self.cuda:
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            for i in range(n):
                calls[i % len(calls)]()
            end.record()
            end.synchronize()
            return start.elapsed_time(end) / n
        before = time.perf_counter()
        for i in range(n):
            calls[i % len(calls)]()
        return (time.perf_counter() - before) * 1e3 / n

    def times(self, contestants):
        """Median milliseconds per call of each contestant (a list of calls, one per set), timed in turns."""
        counts = []
        for calls in contestants:
            self.region(calls, len(calls))  # warm-up
            counts.append(max(len(calls), min(2000, round(self.region_ms / max(self.region(calls, 3), 1e-4)))))
        samples = [[] for _ in contestants]
        for _ in range(self.repeats):
            for calls, n, times in zip(contestants, counts, samples):
                times.append(self.region(calls, n))
        return [statistics.median(times) for times in samples]

    def measure_roof(self, nbytes):
        """The speed of torch's copy_ in GB/s, bytes read plus written: the ceiling of memory-bound ops."""
        x = torch.empty(nbytes // 4, dtype=torch.float32, device=self.device).uniform_()
        y = torch.empty_like(x)
        self.ceiling = 2 * nbytes / self.times([[lambda: y.copy_(x)]])[0] / 1e6
        return self.ceiling

    # ---- what a call is made of ----

    def parts(self, calls, n=40):
        """One call taken apart: microseconds of each kernel, copy and fill (means over n calls, in the order of their first start), of the GPU from
        the first start to the last end, and of the host until it has given the work away. Empty where the profiler sees nothing."""
        self.region(calls, len(calls))
        before = time.perf_counter()
        for i in range(n):
            calls[i % len(calls)]()
        host = (time.perf_counter() - before) * 1e6 / n
        self.wait()
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
            for i in range(n):
                calls[i % len(calls)]()
            self.wait()
        seen = [e for e in profile.events() if e.device_type == torch.autograd.DeviceType.CUDA]
        if not seen:
            return {}
        seen.sort(key=lambda e: e.time_range.start)
        sums = {}
        for e in seen:
            us, count = sums.get(e.name, (0.0, 0))
            sums[e.name] = (us + e.time_range.elapsed_us(), count + 1)
        span = (max(e.time_range.end for e in seen) - seen[0].time_range.start) / n
        return {
            "span_us": _round(span),
            "busy_us": _round(sum(us for us, _ in sums.values()) / n),
            "host_us": _round(host),
            "kernels": [{"name": name, "us": _round(us / n), "per_call": _round(count / n)} for name, (us, count) in sums.items()],
        }

    def _take_apart(self, case, calls):
        try:
            parts = self.parts(calls)
        except RuntimeError as problem:  # a machine may forbid the profiler; the times stand without it
            parts, reason = {}, str(problem).splitlines()[0]
        else:
            reason = "the profiler saw no kernel"
        row = {"op": case.op, "dtype": NAMES[case.dtype], "shape": case.shape, **(parts or {"without": reason}), **self.tags}
        print(json.dumps(row), file=self.parts_file, flush=True)

    # ---- one case ----

    def run(self, case):
        try:
            self._run(case)
        except Exception as problem:  # a broken case must not cost the others their rows
            traceback.print_exc()
            self.wrong.append(f"{case.op} {case.shape}: {problem}")
            print(f"WRONG {case.op} {NAMES[case.dtype]} {case.shape}: {problem}", flush=True)
        if self.cuda:
            torch.cuda.empty_cache()

    def _run(self, case):
        first = case.make()
        peers = self._peers(case)
        wanted = first.oracle(*first.args)
        answers = {}
        for name, f in list(peers.items()):
            try:
                answers[name] = error_of(_tuple(f(*first.args)), wanted) if not (case.exact or first.in_place) else 0.0
            except Exception as problem:  # a peer that this torch does not have, or that does not compile
                print(f"  without {name}: {str(problem).splitlines()[0][:120]}", flush=True)
                del peers[name]
        self._poison(first)
        first.ours()
        self.wait()
        error = self._judge(case, first, wanted, min(answers.values(), default=0.0))
        del wanted
        if error is None:
            return
        sets = [first] + [case.make() for _ in range(min(8, -(-self.footprint // max(case.moved, 1))) - 1)]
        contestants = [[s.ours for s in sets]]
        for f in peers.values():
            contestants.append([(lambda s=s, f=f: f(*s.args)) for s in sets])
        ours, *others = self.times(contestants)
        if self.parts_file and self.cuda:
            self._take_apart(case, contestants[0])
        for name, ms in zip(peers, others):
            self._keep(case, ours, name, ms, error)
        if not peers:
            self._keep(case, ours, None, None, error)

    def _peers(self, case):
        chosen = {}
        for name, f in case.peers.items():
            if name == "torch.compile":
                if self.compile_peers == "none" or (self.compile_peers == "few" and not case.few):
                    continue
                torch._dynamo.reset()  # else shapes of one function would run into the limit on recompiling
                f = torch.compile(f, dynamic=False)
            chosen[name] = f
        return chosen

    def _poison(self, inputs):
        if not inputs.in_place:
            for t in inputs.outputs:
                if t is not None:
                    t.fill_(float("nan") if t.is_floating_point() else -7)

    def _judge(self, case, inputs, wanted, naive):
        """The error of our answer, or None after saying that it is wrong."""
        error = error_of(inputs.outputs, wanted)
        if case.exact:
            count = differing(inputs.outputs, wanted)
            if count == 0:
                return 0.0
            return self._wrong(case, f"{count} elements are not the oracle's bits, error norm {error:.3g}")
        widest = max(ROUNDING[t.dtype] for t in inputs.outputs if t is not None)
        bound = 2 * (naive if naive < 1 else 0) + widest
        return error if error <= bound else self._wrong(case, f"error norm {error:.3g}, bound {bound:.3g} (best peer {naive:.3g})")

    def _wrong(self, case, what):
        self.wrong.append(f"{case.op} {case.shape}: {what}")
        print(f"WRONG {case.op} {NAMES[case.dtype]} {case.shape}: {what}", flush=True)
        return None

    def _keep(self, case, ours, peer, peer_ms, error):
        gbps = case.moved / ours / 1e6
        row = {
            "op": case.op,
            "dtype": NAMES[case.dtype],
            "shape": case.shape,
            "ours_ms": _round(ours),
            "peer": peer,
            "peer_ms": _round(peer_ms),
            "ratio": _round(peer_ms and peer_ms / ours),
            "gbps": _round(gbps),
            "ceiling": _round(self.ceiling),
            "share": _round(gbps / self.ceiling if self.ceiling else None),
            "error": _round(error),
            **({"tflops": _round(case.flops / ours / 1e9)} if case.flops else {}),
            **self.tags,
        }
        self.rows.append(row)
        if self.file:
            print(json.dumps(row), file=self.file, flush=True)

    # ---- what comes out ----

    def table(self):
        lines = [("op", "dtype", "shape", "ours ms", "GB/s", "of roof", "peer", "peer ms", "ratio", "error")]
        for r in self.rows:
            share = "" if r["share"] is None else f"{100 * r['share']:.1f} %"
            cells = [r[k] for k in ("op", "dtype", "shape", "ours_ms", "gbps")] + [share] + [r[k] for k in ("peer", "peer_ms", "ratio", "error")]
            lines.append(tuple("" if c is None else str(c) for c in cells))
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        for line in lines:
            print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())

    def finish(self):
        """Prints the table and the wrong answers; the exit status."""
        self.table()
        for line in self.wrong:
            print("WRONG", line)
        print(f"{len(self.rows)} rows, {len(self.wrong)} wrong; roof {self.ceiling:.0f} GB/s ({self.tags['gpu']})")
        return 1 if self.wrong else 0


def _tuple(x):
    return x if isinstance(x, (tuple, list)) else (x,)


def _round(x):
    return None if x is None else float(f"{x:.4g}")
