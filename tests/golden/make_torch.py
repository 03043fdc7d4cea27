"""Files of torch.save, good and hostile, for TorchFileTest: python make_torch.py [OUT] (torch and safetensors; see requirements.txt).

Good ones stand beside NAME.safetensors with the same tensors; hostile ones are named bad-*. None of the latter is harmful to anything
but an unpickler that runs what it reads: they would make a file called heddle-was-here.
"""

import io
import os
import pickle
import struct
import sys
import zipfile

import torch
from safetensors.torch import save_file

out = sys.argv[1] if len(sys.argv) > 1 else "torch"
os.makedirs(out, exist_ok=True)
g = torch.Generator().manual_seed(1)


def path(name):
    return os.path.join(out, name)


def good(name, value, flat, **how):
    torch.save(value, path(name + ".pt"), **how)
    save_file({k: v.detach().clone().contiguous() for k, v in flat.items()}, path(name + ".safetensors"))


a = torch.randn(3, 5, generator=g)
simple = {"a": a, "b": torch.arange(4), "scalar": torch.tensor(2.5, dtype=torch.float64), "none": torch.empty(0, 3)}
for protocol in (2, 3, 4, 5):
    good(f"protocol{protocol}", simple, simple, pickle_protocol=protocol)
strided = {"t": a.t(), "column": a[:, 2], "steps": a[::2, 1::3], "whole": a, "row": a[1], "deep": torch.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1)}
good("strided", strided, strided)
dtypes = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool,
          torch.float8_e4m3fn, torch.float8_e5m2, torch.uint16, torch.uint32, torch.uint64]
every = {str(d).split(".")[1]: torch.tensor([0, 1, 2, 3]).to(d) for d in dtypes}
good("dtypes", every, every)
module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LayerNorm(2))
good("module", module.state_dict(), module.state_dict())
good("parameters", dict(module.named_parameters()), dict(module.named_parameters()))
training = {"model": module.state_dict(), "epoch": 3, "loss": 0.25, "name": "x", "history": [1, 2.5, None, (1, 2)], "done": True}
good("training", training, {"model." + k: v for k, v in module.state_dict().items()})


class Runs:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def hostile(name, data, folder="archive", storages=(("0", bytes(64)),), compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path("bad-" + name + ".pt"), "w", compression) as z:
        z.writestr(folder + "/data.pkl", data)
        z.writestr(folder + "/byteorder", b"little")
        for key, content in storages:
            z.writestr(folder + "/data/" + key, content)


def tensor(count=16, key="0", offset=0, size=(4, 4), stride=(4, 1), storage="FloatStorage"):
    """The pickle of {'w': a tensor} with whatever numbers."""
    p = io.BytesIO()
    p.write(b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n(")
    p.write(b"(X\x07\x00\x00\x00storagectorch\n" + storage.encode() + b"\n")
    p.write(b"X" + struct.pack("<I", len(key)) + key.encode() + b"X\x03\x00\x00\x00cpu" + number(count) + b"tQ")
    p.write(number(offset) + b"(" + b"".join(map(number, size)) + b"t(" + b"".join(map(number, stride)) + b"t")
    p.write(b"\x89ccollections\nOrderedDict\n)RtRs.")
    return p.getvalue()


def number(n):
    data = n.to_bytes(8, "little", signed=True)
    return b"\x8a\x08" + data


mark = "open('heddle-was-here','w')"
hostile("system", pickle.dumps({"w": Runs(os.system, "touch heddle-was-here")}, 2))
hostile("eval", pickle.dumps({"w": Runs(eval, mark)}, 2))
hostile("exec4", pickle.dumps({"w": Runs(exec, mark)}, 4))
hostile("getattr", pickle.dumps(Runs(getattr, dict, "keys"), 2))
hostile("nested", pickle.dumps({"w": [Runs(map, Runs(eval, mark), ())]}, 2))
hostile("inst", b"(S'touch heddle-was-here'\nios\nsystem\n.")
hostile("obj", b"\x80\x02(cos\nsystem\nX\x14\x00\x00\x00touch heddle-was-hereo.")
hostile("newobj-ex", b"\x80\x04cos\nsystem\n)}\x92.")
hostile("build", b"\x80\x02ccollections\ndeque\n)R}b.")
hostile("attribute", b"\x80\x02ctorch._utils\n_rebuild_tensor_v2.__globals__\n)R.")
hostile("wrong-arguments", b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.")
hostile("call-no-function", b"\x80\x02X\x01\x00\x00\x00a)R.")
hostile("extension", b"\x80\x02\x82\x01.")
hostile("protocol0", b"(dp0\n.")
hostile("protocol9", b"\x80\x09}.")
hostile("empty", b"")
hostile("no-stop", b"\x80\x02}")
hostile("underflow", b"\x80\x02s.")
hostile("mark-only", b"\x80\x02(.")
hostile("no-memo", b"\x80\x02h\x07.")
hostile("long-text", b"\x80\x02X\xff\xff\xff\x7fa.")
hostile("negative-text", b"\x80\x02X\xff\xff\xff\xffa.")
hostile("long-text8", b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7fa.")
hostile("long-number", b"\x80\x02\x8a\xff" + bytes(255) + b".")
hostile("self", b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.")
laughs = b"\x80\x02}q\x00"
for i in range(1, 30):  # each dictionary holds the one before twice: 2^29 paths
    laughs += b"}q" + bytes([i]) + b"(X\x01\x00\x00\x00ah" + bytes([i - 1]) + b"X\x01\x00\x00\x00bh" + bytes([i - 1]) + b"u"
hostile("laughs", laughs + b".")
hostile("deep", b"\x80\x02" + b"}X\x01\x00\x00\x00a" * 5000 + b"}" + b"s" * 5000 + b".")
hostile("past-storage", tensor(size=(4, 5), stride=(5, 1)))
hostile("offset", tensor(offset=1))
hostile("negative-offset", tensor(offset=-1))
hostile("negative-size", tensor(size=(-4, -4)))
hostile("negative-stride", tensor(stride=(-4, 1)))
hostile("overflow", tensor(size=(1 << 62, 1 << 62), stride=(1, 1)))
hostile("stride-overflow", tensor(size=(3, 3), stride=(1 << 62, 1 << 62)))
hostile("expanded", tensor(count=1, size=(1 << 40,), stride=(0,)))
hostile("ranks", tensor(size=(4, 4), stride=(4,)))
hostile("count", tensor(count=17))
hostile("huge-count", tensor(count=1 << 61))
hostile("no-storage", tensor(key="../../etc/passwd"))
hostile("storage-type", tensor(storage="QInt8Storage"))
hostile("compressed", tensor(), compression=zipfile.ZIP_DEFLATED)
hostile("no-pickle", b"", folder="archive/data.pkl")
whole = open(path("protocol2.pt"), "rb").read()
for cut in (3, 21, len(whole) // 2, len(whole) - 1):
    open(path(f"bad-cut{cut}.pt"), "wb").write(b"PK\x03\x04"[:4] + whole[4:cut] if cut > 4 else b"PK\x03\x04")
end = len(whole) - 22
for name, at, value in (("entries", end + 10, b"\xfe\xff"), ("directory-at", end + 16, b"\xff\xff\xff\x7f"), ("directory-size", end + 12, b"\xff\xff\xff\x7f")):
    open(path(f"bad-{name}.pt"), "wb").write(whole[:at] + value + whole[at + len(value):])
with open(path("bad-end64.pt"), "wb") as f:
    f.write(b"PK\x03\x04" + bytes(26) + struct.pack("<IIQI", 0x07064b50, 0, (1 << 63) - 8, 1))
    f.write(struct.pack("<IHHHHIIH", 0x06054b50, 0, 0, 0xffff, 0xffff, 0xffffffff, 0xffffffff, 0))
torch.save(simple, path("bad-legacy.pt"), _use_new_zipfile_serialization=False)
twice = io.BytesIO()
with zipfile.ZipFile(twice, "w") as z:
    z.writestr("archive/data.pkl", tensor())
    z.writestr("archive/data/0", bytes(64))
    z.writestr("archive/data/1", bytes(64))
open(path("bad-twice.pt"), "wb").write(twice.getvalue().replace(b"archive/data/1", b"archive/data/0"))
big = io.BytesIO()
with zipfile.ZipFile(big, "w") as z:
    z.writestr("archive/data.pkl", tensor())
    z.writestr("archive/byteorder", b"big")
    z.writestr("archive/data/0", bytes(64))
open(path("bad-big-endian.pt"), "wb").write(big.getvalue())
