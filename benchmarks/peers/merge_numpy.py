#!/usr/bin/env python3
"""Merging from files, beside a straightforward numpy script. Run by hand; the product never needs it.

    python3 -m venv venv && venv/bin/pip install numpy safetensors ml_dtypes
    venv/bin/python benchmarks/peers/merge_numpy.py warm --heddle ./heddle --folder /dev/shm/merge --mib 1024
    venv/bin/python benchmarks/peers/merge_numpy.py cold --heddle ./heddle --folder /var/tmp/merge --mib 1024

warm: a base and two sources of bf16 in shards, in the page cache; in turns a copy in memory, the system's calls alone (as many bytes read
and written by one thread per core, with nothing in between), the script, and the command `heddle merge`, its start-up included. cold: the inputs are dropped from the page cache before each merge; dd says what the disk
reads and writes past the cache in the same round. Medians are printed. The outputs are compared bit for bit against numpy in double.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import threading
import time

import ml_dtypes
import numpy as np
from safetensors.numpy import load_file, save_file

SHARDS, TENSORS, WEIGHTS = 8, 4, (0.3, 0.4)
NAMES = ["base", "a", "b"]


def generate(folder, mib):
    rng = np.random.default_rng(1)
    elements = (mib << 20) // 2 // (SHARDS * TENSORS)
    for name in NAMES:
        os.makedirs(f"{folder}/{name}")
        where, count = {}, SHARDS * TENSORS
        # Each tensor a window of the same numbers: drawing gigabytes takes longer than merging them.
        numbers = (rng.standard_normal(elements + 64 * count, dtype=np.float32) * 0.02).astype(ml_dtypes.bfloat16)
        for s in range(SHARDS):
            file = f"model-{s + 1:05}-of-{SHARDS:05}.safetensors"
            tensors = {}
            for t in range(TENSORS):
                key = f"model.layers.{s * TENSORS + t}.w"
                at = 64 * (s * TENSORS + t)
                tensors[key], where[key] = np.ascontiguousarray(numbers[at:at + elements]), file
            save_file(tensors, f"{folder}/{name}/{file}")
        with open(f"{folder}/{name}/model.safetensors.index.json", "w") as f:
            json.dump({"metadata": {"total_size": mib << 20}, "weight_map": where}, f)


def shards(folder, name):
    return [f"{folder}/{name}/{f}" for f in sorted(os.listdir(f"{folder}/{name}")) if f.endswith(".safetensors")]


def nearest_bf16(x):
    """f64 to bf16 in one rounding, to nearest even: astype goes by way of f32 and rounds twice. For normal finite results."""
    bits = x.view(np.int64)
    bits = (bits + ((1 << 44) - 1) + ((bits >> 45) & 1)) & -(1 << 45)
    return bits.view(np.float64).astype(np.float32).astype(ml_dtypes.bfloat16)


def numpy_merge(folder, kind=np.float32):
    """What one would write: load a shard of each model, add the differences, save."""
    os.makedirs(f"{folder}/numpy", exist_ok=True)
    for files in zip(*(shards(folder, n) for n in NAMES)):
        base, *sources = (load_file(f) for f in files)
        out = {}
        for key, b in base.items():
            b = b.astype(kind)
            total = b.copy()
            for w, source in zip(WEIGHTS, sources):
                total += w * (source[key].astype(kind) - b)
            out[key] = nearest_bf16(total) if kind is np.float64 else total.astype(ml_dtypes.bfloat16)
        save_file(out, f"{folder}/numpy/{os.path.basename(files[0])}")


def heddle_merge(heddle, folder, *more):
    command = [heddle, "merge", "--method", "dem", "--base", f"{folder}/base", "--source", f"{folder}/a={WEIGHTS[0]}",
               "--source", f"{folder}/b={WEIGHTS[1]}", "--out", f"{folder}/out", "--no-hash", "--quiet", *more]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def calls_alone(folder):
    """Reads and writes what a merge does, half a mebibyte at a time, and combines nothing: no merge of files is faster than that."""
    os.makedirs(f"{folder}/calls", exist_ok=True)

    def some(of):
        room = bytearray(512 << 10)
        for files in of:
            sources = [os.open(f, os.O_RDONLY) for f in files]
            out = os.open(f"{folder}/calls/{os.path.basename(files[0])}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for at in range(0, os.fstat(sources[0]).st_size, len(room)):
                n = min(os.preadv(fd, [room], at) for fd in sources)
                os.pwrite(out, memoryview(room)[:n], at)
            for fd in [*sources, out]:
                os.close(fd)

    files, cores = list(zip(*(shards(folder, n) for n in NAMES))), len(os.sched_getaffinity(0))
    threads = [threading.Thread(target=some, args=(files[i::cores],)) for i in range(cores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def timed(work, *arguments):
    return clocked(work, *arguments)[0]


def clocked(work, *arguments):
    """Seconds on the clock, and of processors, which a busy machine changes less."""
    start, before = time.perf_counter(), os.times()
    work(*arguments)
    return time.perf_counter() - start, sum(os.times()[:4]) - sum(before[:4])


def same(folder):
    numpy_merge(folder, np.float64)
    want = {k: v for f in shards(folder, "numpy") for k, v in load_file(f).items()}
    got = {k: v for f in shards(folder, "out") for k, v in load_file(f).items()}
    differ = sum(int((want[k].view(np.uint16) != got[k].view(np.uint16)).sum()) for k in want)
    print(f"bits that differ from numpy in double precision: {differ} elements of {sum(v.size for v in want.values())}")


def dd(*arguments):
    start = time.perf_counter()
    subprocess.run(["dd", "bs=16M", *arguments], check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def drop(folder):
    for name in NAMES:
        for file in shards(folder, name):
            fd = os.open(file, os.O_RDONLY)
            os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)


def warm(a, size):
    copies, calls, peers, ours = [], [], [], []
    from_, to = np.ones(256 << 20, np.uint8), np.zeros(256 << 20, np.uint8)

    def empty():
        for name in ["calls", "numpy", "out"]:
            shutil.rmtree(f"{a.folder}/{name}", ignore_errors=True)

    for _ in range(a.rounds):
        took, busy = clocked(lambda: [np.copyto(to, from_) for _ in range(8)])
        copies.append((16 * to.size / took / 1e9, 16 * to.size / busy / 1e9))
        empty()
        calls.append(clocked(calls_alone, a.folder))
        empty()
        if not a.alone:
            peers.append(clocked(numpy_merge, a.folder))
            empty()
        ours.append(clocked(heddle_merge, a.heddle, a.folder, *a.more))
    moved, by = 4 * size / 1e9, [("heddle", ours), ("calls alone", calls), ("numpy", peers)]
    for k, unit in enumerate(["seconds", "seconds of processors"]):
        print(f"{unit}: copy {statistics.median(c[k] for c in copies):.1f} GB/s; " + "; ".join(
            f"{what} {statistics.median(t[k] for t in s):.2f} = {statistics.median(100 * moved / t[k] / c[k] for t, c in zip(s, copies)):.0f} % of copying,"
            f" {statistics.median(t[k] / o[k] for t, o in zip(s, ours)):.2f} times heddle" for what, s in by if s))


def cold(a, size):
    shares = []
    for _ in range(a.rounds):
        read = sum(dd(f"if={f}", "of=/dev/null", "iflag=direct") for n in NAMES for f in shards(a.folder, n))
        write = dd("if=/dev/zero", f"of={a.folder}/zeros", "oflag=direct", "conv=fsync", f"count={size >> 24}")
        os.remove(f"{a.folder}/zeros")
        shutil.rmtree(f"{a.folder}/out", ignore_errors=True)
        drop(a.folder)
        ours = timed(heddle_merge, a.heddle, a.folder, *a.more)
        shares.append(ours / max(read, write))
        print(f"O_DIRECT read {3 * size / read / 1e9:.2f} GB/s, write {size / write / 1e9:.2f} GB/s;"
              f" merge {ours:.2f} s, {shares[-1]:.2f} times the slower of the two")
    print(f"median {statistics.median(shares):.2f}")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("mode", choices=["warm", "cold"])
    p.add_argument("--heddle", required=True)
    p.add_argument("--folder", required=True)
    p.add_argument("--mib", type=int, default=1024)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--alone", action="store_true", help="without the script, which takes long and as much memory again")
    a, a.more = p.parse_known_args()
    shutil.rmtree(a.folder, ignore_errors=True)
    generate(a.folder, a.mib)
    try:
        (warm if a.mode == "warm" else cold)(a, a.mib << 20)
        if not a.alone:
            same(a.folder)
    finally:
        shutil.rmtree(a.folder)


if __name__ == "__main__":
    main()
