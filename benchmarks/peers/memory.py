#!/usr/bin/env python3
"""The memory-bound ops beside torch (eager and torch.compile) and beside the speed of a copy: see README.md here."""

import argparse
import itertools
import re
import sys
import time

import torch

import memory_cases
import merging_cases
from contest import Contest
from heddle_door import Door


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--out", help="JSONL, one row per op and peer")
    p.add_argument("--quick", action="store_true", help="one or two shapes per op, three repeats, torch.compile for a few: at most a minute")
    p.add_argument("--backend", choices=["cuda", "cpu"], default="cuda")
    p.add_argument("--compile", choices=["none", "few", "all"], help="for which cases torch.compile is a peer; default: few with --quick, else all")
    p.add_argument("--only", default="", help="a regular expression; cases whose 'op dtype shape' has no match are left out")
    p.add_argument("--kernels", help="JSONL, one row per case: the time of each kernel of our call, by CUPTI through torch.profiler")
    p.add_argument("--repeats", type=int, help="regions per contestant, of which the median counts; default: 3 with --quick, else 7")
    p.add_argument("--tiny", action="store_true", help="shapes that a CPU can do; implied by --backend cpu")
    a = p.parse_args()
    tiny = a.tiny or a.backend == "cpu"
    device = torch.device("cpu" if a.backend == "cpu" else "cuda:0")
    torch.manual_seed(1)
    door = Door(a.backend, threads=1 if a.backend == "cpu" else 0)
    if a.backend == "cpu":
        torch.set_num_threads(1)
    contest = Contest(
        device,
        a.out,
        repeats=a.repeats or (3 if a.quick else 7),
        region_ms=2.0 if tiny else 20.0,
        compile_peers=a.compile or ("few" if a.quick else "all"),
        footprint=1 << 20 if tiny else 1 << 29,
        parts=a.kernels,
    )
    start = time.monotonic()
    print(f"copy roof: {contest.measure_roof(1 << 24 if tiny else 4 << 30):.0f} GB/s", flush=True)
    maker = memory_cases.Maker(door, device, tiny)
    for case in itertools.chain(memory_cases.all_cases(door, device, tiny, a.quick), merging_cases.cases(maker, a.quick)):
        name = f"{case.op} {memory_cases.NAMES[case.dtype]} {case.shape}"
        if re.search(a.only, name):
            contest.run(case)
            print(f"{time.monotonic() - start:6.1f} s  {name}", flush=True)
    return contest.finish()


if __name__ == "__main__":
    sys.exit(main())
