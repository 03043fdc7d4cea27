"""How every golden file is drawn and written: seeded f32-exact inputs, and safetensors that are the same bytes each time."""

import json
import zlib
from pathlib import Path

import safetensors.torch
import torch

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)

HERE = Path(__file__).resolve().parent


def seed_of(case):
    """A case's seed comes from its name alone, so that adding a case leaves the others as they are."""
    return zlib.crc32(case.encode())


def generator_of(case):
    return torch.Generator().manual_seed(seed_of(case))


def normal(generator, *shape, scale=1.0):
    """Normal draws in float64 whose values are exact in float32: the file then holds the very numbers computed with."""
    drawn = scale * torch.randn(*shape, generator=generator, dtype=torch.float64)
    return drawn.float().double()


def text_of(value):
    """Metadata holds strings only: true/false for flags, the shortest exact decimal for numbers."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def save(path, tensors, source, **parameters):
    """Writes one file: float64 becomes f32, bool u8, int64 i32, a scalar a [1]; metadata is `source` and `parameters`."""
    narrow = {torch.float64: torch.float32, torch.bool: torch.uint8, torch.int64: torch.int32}
    stored = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach()
        tensor = tensor.reshape(1) if tensor.dim() == 0 else tensor
        stored[name] = tensor.to(narrow.get(tensor.dtype, tensor.dtype)).contiguous()
    metadata = {name: text_of(value) for name, value in parameters.items()}
    metadata["source"] = f"torch {torch.__version__} {source}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(with_sorted_metadata(safetensors.torch.save(stored, metadata)))


def with_sorted_metadata(content):
    """The library writes metadata in the order of a hash map, another one each run; sorted, equal data is equal bytes."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    return content[:8] + text.ljust(end - 8) + content[end:]
