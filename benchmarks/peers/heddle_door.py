"""libheddle.so from Python: the door of native/include/heddle/heddle.h over torch tensors.

    door = Door("cuda")
    door.run("softmax_fwd", x, y)                                              # tensors in the order of the op's signature
    door.run("attention_fwd", q, k, v, o=o, lse=lse, params={"scale": 0.125})  # or by their names there; absent ones are None
    call = door.call("linear_combination", base, weights, [a, b], y)           # formed once, for timing: call() only crosses the door

Nothing is copied or checked here beyond names: shapes, dtypes and devices are the library's to judge, and its error arrives as a
DoorError. Calls are asynchronous on CUDA; the context's stream is an ordinary blocking one, so it is ordered with torch's (legacy)
default stream on both sides. Ops and parameter structs are read from ops.def and params.def: no second list of either is kept here.
"""

import ctypes
import os
import re
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
HEADERS = ROOT / "native" / "include" / "heddle"
DTYPES = [torch.float32, torch.bfloat16, torch.float16, torch.float64, torch.int32, torch.int64, torch.uint8]  # hd_dtype
MAX_RANK = 6


class DoorError(RuntimeError):
    """What hd_last_error said."""


class HdTensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_int64),
        ("shape", ctypes.c_int64 * MAX_RANK),
        ("stride", ctypes.c_int64 * MAX_RANK),
        ("dtype", ctypes.c_int32),
        ("rank", ctypes.c_int32),
        ("device", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    ]


assert ctypes.sizeof(HdTensor) == 120


def _structs():
    """The parameter structs of params.def, by name."""
    kinds = {"I32": ctypes.c_int32, "F32": ctypes.c_float, "I64": ctypes.c_int64, "F64": ctypes.c_double}
    structs, fields = {}, []
    for word, name in re.findall(r"^HD_(PARAMS|I32|F32|I64|F64|END)\((\w+)", (HEADERS / "params.def").read_text(), re.M):
        if word == "PARAMS":
            fields = []
        elif word == "END":
            structs[name] = type(name, (ctypes.Structure,), {"_fields_": fields})
        else:
            fields.append((name, kinds[word]))
    return structs


def _ops():
    """Name -> (parameter struct, signature) of every row of ops.def."""
    structs = _structs()
    rows = re.findall(r'^HD_OP\((\w+), (\w+), "([^"]*)"\)', (HEADERS / "ops.def").read_text(), re.M)
    return {name: (structs[params], signature) for name, params, signature in rows}


def _load(library, plugin):
    built = ROOT / "native/target/classes/io/heddle/lib/linux-x86_64/libheddle.so"
    path = library or os.environ.get("HEDDLE_LIBRARY") or str(built)
    cuda = ROOT / "cuda-kernels/target/cmake/libheddle_cuda.so"
    if plugin or ("HD_CUDA_LIBRARY" not in os.environ and cuda.exists()):
        os.environ["HD_CUDA_LIBRARY"] = str(plugin or cuda)  # read by libheddle.so when it is loaded
    if not Path(path).exists():
        raise DoorError(f"no libheddle.so at {path}: build native/, or name it with HEDDLE_LIBRARY")
    hd = ctypes.CDLL(path)
    i32, i64 = ctypes.c_int32, ctypes.c_int64
    for name, result, arguments in [
        ("hd_backend_count", i32, []),
        ("hd_backend_name", i64, [i32, i64, i64]),
        ("hd_backend_probe", i32, [i32, i64, i64]),
        ("hd_op_count", i32, []),
        ("hd_op_name", i64, [i32, i64, i64]),
        ("hd_op_params_bytes", i64, [i32]),
        ("hd_open", i64, [i32, i32, i32]),
        ("hd_close", i32, [i64]),
        ("hd_sync", i32, [i64]),
        ("hd_run", i32, [i64, i32, i64, i32, i64, i64]),
        ("hd_last_error", i64, [i64, i64]),
    ]:
        function = getattr(hd, name)
        function.restype, function.argtypes = result, arguments
    return hd


def _text(function, *before):
    buffer = ctypes.create_string_buffer(4096)
    status = function(*before, ctypes.addressof(buffer), len(buffer))
    return status, buffer.value.decode()


class Call:
    """One call of the door with its structs formed; it keeps its tensors alive. Calling it runs the op again."""

    def __init__(self, door, name, tensors, params):
        self._door, self._name, self._tensors = door, name, tensors
        views = [None if t is None else _view(t) for t in tensors]
        addresses = (ctypes.c_int64 * len(views))(*[0 if v is None else ctypes.addressof(v) for v in views])
        self._kept = (views, addresses, params)
        self._arguments = (door.context, door.numbers[name], ctypes.addressof(addresses), len(views), ctypes.addressof(params), ctypes.sizeof(params))
        self._run = door.library.hd_run

    def __call__(self):
        if self._run(*self._arguments) != 0:
            raise DoorError(f"{self._name}: {self._door.last_error()}")


def _view(t):
    if t.dim() > MAX_RANK:
        raise DoorError(f"a tensor has {t.dim()} dimensions, at most {MAX_RANK} cross the door")
    v = HdTensor()
    v.data, v.dtype, v.rank = t.data_ptr(), DTYPES.index(t.dtype), t.dim()
    v.device = -1 if t.device.type == "cpu" else t.device.index or 0
    v.shape[: t.dim()] = t.shape
    v.stride[: t.dim()] = t.stride()
    return v


class Door:
    """A context of one backend ("cpu" or "cuda")."""

    def __init__(self, backend="cuda", device=None, threads=0, library=None, plugin=None):
        self.library = hd = _load(library, plugin)
        names = [_text(hd.hd_backend_name, b)[1] for b in range(hd.hd_backend_count())]
        if backend not in names:
            raise DoorError(f"libheddle.so has no backend '{backend}', only {', '.join(names)}; is HD_CUDA_LIBRARY right?")
        number = names.index(backend)
        status, reason = _text(hd.hd_backend_probe, number)
        if status != 0:
            raise DoorError(f"{backend}: {reason}")
        self.ops = _ops()
        self.numbers = {_text(hd.hd_op_name, op)[1]: op for op in range(hd.hd_op_count())}
        for name, (struct, _) in self.ops.items():
            if hd.hd_op_params_bytes(self.numbers[name]) != ctypes.sizeof(struct):
                raise DoorError(f"{name}: params.def here and in libheddle.so differ; build it from this tree")
        self.context = hd.hd_open(number, (-1 if backend == "cpu" else 0) if device is None else device, threads)
        if self.context == 0:
            raise DoorError(self.last_error())

    def last_error(self):
        return _text(self.library.hd_last_error)[1].strip().replace("\n", "; ")

    def call(self, op, *tensors, params=None, **named):
        """The call of an op: tensors in the order of its signature, or by their names there; the signature's list is one list."""
        struct, signature = self.ops[op]
        slots = [word for word in signature.split() if word != "->"]
        names = [word.rstrip("?*") for word in slots]
        values = dict(zip(names, tensors))
        unknown = set(named) - set(names) | set(named) & set(values)
        if unknown or len(tensors) > len(slots):
            raise DoorError(f"{op} takes ({signature}); unknown or given twice: {', '.join(sorted(unknown)) or 'too many tensors'}")
        values.update(named)
        flat = []
        for slot, name in zip(slots, names):
            value = values.get(name)
            if value is None and not slot.endswith("?"):
                raise DoorError(f"{op}: tensor '{name}' is missing")
            flat += value if slot.endswith("*") else [value]
        known = {field for field, _ in struct._fields_}
        if not set(params or {}) <= known:
            raise DoorError(f"{op} has the parameters {', '.join(sorted(known))}, not {', '.join(sorted(set(params) - known))}")
        return Call(self, op, flat, struct(**(params or {})))

    def run(self, op, *tensors, params=None, **named):
        self.call(op, *tensors, params=params, **named)()

    def sync(self):
        if self.library.hd_sync(self.context) != 0:
            raise DoorError(self.last_error())

    def close(self):
        self.library.hd_close(self.context)
        self.context = 0
