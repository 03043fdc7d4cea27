"""Block layouts of attention patterns (ops.def: attention_fwd), and the same patterns as a dense mask and as a FlexAttention predicate."""

from dataclasses import dataclass

import numpy as np
import torch

BLOCK = 64


@dataclass
class Pattern:
    """Query i (aligned at the end: i + keys - queries) sees keys [i - left, i + right] of the blocks that `blocks` allows."""

    name: str
    left: int | None = None  # None: unbounded
    right: int | None = None
    blocks: torch.Tensor | None = None  # bool [query blocks, key blocks] of `size` x `size`
    size: int = 128

    def limits(self, queries, keys):
        """First and last key of every query; first > last: none."""
        at = np.arange(queries) + keys - queries
        first = np.zeros(queries, np.int64) if self.left is None else np.maximum(at - self.left, 0)
        last = np.full(queries, keys - 1) if self.right is None else np.minimum(at + self.right, keys - 1)
        return first, last

    def dense(self, queries, keys, device):
        first, last = (torch.from_numpy(x).to(device)[:, None] for x in self.limits(queries, keys))
        k = torch.arange(keys, device=device)[None]
        seen = (k >= first) & (k <= last)
        if self.blocks is not None:
            big = self.blocks.to(device).repeat_interleave(self.size, 0).repeat_interleave(self.size, 1)
            seen &= big[:queries, :keys]
        return seen

    def predicate(self, queries, keys, device):
        """For torch's create_block_mask."""
        shift, left, right, size = keys - queries, self.left, self.right, self.size
        blocks = None if self.blocks is None else self.blocks.to(device)

        def mod(b, h, q, k):
            seen = k >= 0
            if right is not None:
                seen = seen & (k <= q + (shift + right))
            if left is not None:
                seen = seen & (k >= q + (shift - left))
            if blocks is not None:
                seen = seen & blocks[q // size, k // size]
            return seen

        return mod


@dataclass
class Layout:
    """The tensors of one pattern for all heads and batch rows, and the number of visible pairs of one head."""

    row_ptr: torch.Tensor
    row_blocks: torch.Tensor
    col_ptr: torch.Tensor
    col_blocks: torch.Tensor
    masks: torch.Tensor
    pairs: int

    def forward(self):
        return {"row_ptr": self.row_ptr, "row_blocks": self.row_blocks, "masks": self.masks}

    def backward(self):
        return {**self.forward(), "col_ptr": self.col_ptr, "col_blocks": self.col_blocks}


def compile_layout(pattern, queries, keys, device):
    first, last = pattern.limits(queries, keys)
    rows, columns = -(-queries // BLOCK), -(-keys // BLOCK)
    known, masks = {}, [np.full(BLOCK, -1, np.int64)]
    entries, row_ptr, pairs = [], [0], 0
    allowed = None
    if pattern.blocks is not None:
        allowed = pattern.blocks.cpu().numpy().repeat(pattern.size // BLOCK, 0).repeat(pattern.size // BLOCK, 1)
    for i in range(rows):
        f, l = first[i * BLOCK : (i + 1) * BLOCK], last[i * BLOCK : (i + 1) * BLOCK]
        for j in range(max(int(f.min()), 0) // BLOCK, int(l.max()) // BLOCK + 1):
            if allowed is not None and not allowed[i, j]:
                continue
            low, high = np.maximum(f - j * BLOCK, 0), np.minimum(np.minimum(l - j * BLOCK, BLOCK - 1), keys - 1 - j * BLOCK)
            count = int(np.maximum(high - low + 1, 0).sum())
            if count == 0:
                continue
            pairs += count
            if count == len(f) * min(BLOCK, keys - j * BLOCK):
                entries.append((i, j, 0))
                continue
            k = np.arange(BLOCK)
            seen = (k[None] >= low[:, None]) & (k[None] <= high[:, None])
            words = np.zeros(BLOCK, np.uint64)
            words[: len(f)] = (seen.astype(np.uint64) << k.astype(np.uint64)).sum(1, dtype=np.uint64)
            key = words.tobytes()
            if key not in known:
                known[key] = len(masks)
                masks.append(words.view(np.int64))
            entries.append((i, j, known[key]))
        row_ptr.append(len(entries))
    table = np.array(entries, np.int32).reshape(-1, 3)
    order = np.lexsort((table[:, 0], table[:, 1]))
    col_ptr = np.concatenate([[0], np.cumsum(np.bincount(table[:, 1], minlength=columns))]).astype(np.int32)
    put = lambda x, shape: torch.from_numpy(np.ascontiguousarray(x)).reshape(shape).to(device)
    return Layout(
        put(np.array(row_ptr, np.int32), (1, 1, -1)),
        put(table[:, 1:], (-1, 2)),
        put(col_ptr, (1, 1, -1)),
        put(table[order][:, [0, 2]], (-1, 2)),
        put(np.stack(masks), (-1, BLOCK)),
        pairs,
    )


def random_blocks(queries, keys, size, empty, seed):
    """A pattern in which a share `empty` of the blocks is not seen; every row and the diagonal see something."""
    g = torch.Generator().manual_seed(seed)
    rows, columns = -(-queries // size), -(-keys // size)
    seen = torch.rand(rows, columns, generator=g) >= empty
    for i in range(rows):
        seen[i, min(i, columns - 1)] = True
    return Pattern(f"blocks {size}, {100 * empty:.0f} % empty", blocks=seen, size=size)
