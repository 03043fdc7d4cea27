// block_lists: the block lists of attention for masks in which a query sees one run of keys (see ops.def).
// Shapes: bounds [G,4]; documents [L,S]; row_ptr [L,G,NQ+1], col_ptr [L,G,NK+1]; row_blocks, col_blocks [E,2]; masks [M,64].
// Work: for each block of queries the runs of its 64 queries; a key block is FULL if the latest start and the earliest end of them hold it,
// so words are formed for PARTIAL ones only. Then a counting sort by key block for the transposed lists.
// Numerics: integers. Cost: 64 queries per block of queries and the entries. Deterministic: one thread, for the lists are short.
#include <algorithm>
#include <cstdlib>
#include <vector>

#include "check.h"
#include "cpu/kernels.h"

namespace hd::HD_TIER {
namespace {

constexpr int64_t kBlock = 64;

struct Run {
  int64_t first, end;
};

// A group's rule for queries at q; `document` is the run of equal numbers around q.
Run seen(const int64_t* bounds, int64_t q, const Run& document) {
  Run r = document;
  if (bounds[0] >= 0) r.first = std::max(r.first, q - bounds[0]);
  if (bounds[1] >= 0) r.end = std::min(r.end, q + bounds[1] + 1);
  if (bounds[2] > 0) {
    r.first = std::max(r.first, (q / bounds[2] - bounds[3]) * bounds[2]);
    r.end = std::min(r.end, (q / bounds[2] + 1) * bounds[2]);
  }
  r.end = std::max(r.first, r.end);
  return r;
}

uint64_t word(const Run& r, int64_t key) {
  const int64_t from = std::clamp<int64_t>(r.first - key, 0, kBlock), to = std::clamp<int64_t>(r.end - key, 0, kBlock);
  return from >= to ? 0 : ~uint64_t{0} >> (kBlock - (to - from)) << from;
}

struct Lists {
  int32_t *row_ptr, *row_blocks, *col_ptr, *col_blocks;
  uint64_t* masks;
  int64_t entries, mask_count;  // room
  int64_t used = 0, partial = 1;
};

hd_status add_row(Lists& l, const Run (&runs)[kBlock], int64_t queries, int64_t keys) {
  int64_t first = keys, end = 0, latest = 0, earliest = keys;
  for (int64_t r = 0; r < queries; r++) {
    latest = std::max(latest, runs[r].first);
    earliest = std::min(earliest, runs[r].end);
    if (runs[r].first == runs[r].end) continue;
    first = std::min(first, runs[r].first);
    end = std::max(end, runs[r].end);
  }
  for (int64_t j = first / kBlock; j * kBlock < end; j++) {
    const bool full = latest <= j * kBlock && earliest >= std::min(keys, (j + 1) * kBlock);
    uint64_t words[kBlock] = {}, any = 0;
    for (int64_t r = 0; r < queries && !full; r++) any |= words[r] = word(runs[r], j * kBlock);
    if (!full && any == 0) continue;
    if (l.used == l.entries)
      return fail(HD_INVALID, "row_blocks has %lld entries, too few for these lists", static_cast<long long>(l.entries));
    l.row_blocks[2 * l.used] = static_cast<int32_t>(j);
    l.row_blocks[2 * l.used++ + 1] = full ? 0 : static_cast<int32_t>(l.partial);
    if (full) continue;
    if (l.partial >= l.mask_count)
      return fail(HD_INVALID, "masks has %lld masks, too few for these lists", static_cast<long long>(l.mask_count));
    std::copy(words, words + kBlock, l.masks + kBlock * l.partial++);
  }
  return HD_OK;
}

// The lists of one (batch row, group) by key block; row_ptr: its own.
void transpose(const Lists& l, const int32_t* row_ptr, int32_t* col_ptr, int64_t query_blocks, int64_t key_blocks) {
  std::fill(col_ptr, col_ptr + key_blocks + 1, 0);
  const int32_t first = row_ptr[0], last = row_ptr[query_blocks];
  for (int32_t e = first; e < last; e++) col_ptr[l.row_blocks[2 * e] + 1]++;
  col_ptr[0] = first;
  for (int64_t j = 0; j < key_blocks; j++) col_ptr[j + 1] += col_ptr[j];
  std::vector<int32_t> next(col_ptr, col_ptr + key_blocks);
  for (int64_t i = 0; i < query_blocks; i++) {
    for (int32_t e = row_ptr[i]; e < row_ptr[i + 1]; e++) {
      const int32_t to = next[static_cast<size_t>(l.row_blocks[2 * e])]++;
      l.col_blocks[2 * to] = static_cast<int32_t>(i);
      l.col_blocks[2 * to + 1] = l.row_blocks[2 * e + 1];
    }
  }
}
}  // namespace

hd_status block_lists(const Call& call) {
  const hd_BlockListsParams& p = call.params<hd_BlockListsParams>();
  const int64_t T = p.queries, S = p.keys, NQ = (T + kBlock - 1) / kBlock, NK = (S + kBlock - 1) / kBlock;
  Check check(call);
  check.dtype(0, HD_I64).rank(0, 2).dtype(1, HD_I32).rank(1, 2).dtype(2, HD_I32).rank(2, 3).dtype(3, HD_I32).rank(3, 2);
  check.dtype(4, HD_I32).rank(4, 3).dtype(5, HD_I32).rank(5, 2).dtype(6, HD_I64).rank(6, 2).contiguous(0, 1, 2, 3, 4, 5, 6);
  check.require(T >= 0 && S >= 0 && T <= INT32_MAX && S <= INT32_MAX, "queries and keys must lie in [0, 2^31)");
  if (check.failed()) return check.status();
  const int64_t G = call.t[0]->shape[0], L = call.has(1) ? call.t[1]->shape[0] : 1;
  check.count(0, 4 * G, "four per group").count(1, L * S, "keys of each row").count(2, L * G * (NQ + 1), "L G (NQ + 1)");
  check.count(4, L * G * (NK + 1), "L G (NK + 1)").same_shape(5, 3).require(elements(*call.t[6]) % kBlock == 0, "masks must be [M,64]");
  check.count(3, 2 * call.t[3]->shape[0], "[E,2]").require(call.t[6]->shape[0] > 0, "masks needs room for the FULL one");
  if (check.failed()) return check.status();
  Lists l{call.data<int32_t>(2),  call.data<int32_t>(3), call.data<int32_t>(4), call.data<int32_t>(5),
          call.data<uint64_t>(6), call.t[3]->shape[0],   call.t[6]->shape[0]};
  std::fill(l.masks, l.masks + kBlock, ~uint64_t{0});
  std::vector<Run> documents(static_cast<size_t>(S), Run{0, S});
  for (int64_t b = 0; b < L; b++) {
    const int32_t* ids = call.has(1) ? call.data<const int32_t>(1) + b * S : nullptr;
    for (int64_t from = 0, to = 0; ids != nullptr && from < S; from = to) {
      while (to < S && ids[to] == ids[from]) to++;
      std::fill(documents.begin() + from, documents.begin() + to, Run{from, to});
    }
    for (int64_t g = 0; g < G; g++) {
      int32_t* const row_ptr = l.row_ptr + (b * G + g) * (NQ + 1);
      row_ptr[0] = static_cast<int32_t>(l.used);
      for (int64_t i = 0; i < NQ; i++) {
        Run runs[kBlock];
        const int64_t queries = std::min(kBlock, T - i * kBlock);
        for (int64_t r = 0; r < queries; r++) {
          const int64_t q = i * kBlock + r + S - T;
          runs[r] = q < 0 ? Run{0, 0} : seen(call.data<const int64_t>(0) + 4 * g, q, documents[static_cast<size_t>(q)]);
        }
        const hd_status status = add_row(l, runs, queries, S);
        if (status != HD_OK) return status;
        row_ptr[i + 1] = static_cast<int32_t>(l.used);
      }
      transpose(l, row_ptr, l.col_ptr + (b * G + g) * (NK + 1), NQ, NK);
    }
  }
  return HD_OK;
}
}  // namespace hd::HD_TIER
