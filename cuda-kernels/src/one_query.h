// Attention of one query per text and head: attention_step, and attention_fwd where that is all there is. See kernels/attention_step.cu.
#pragma once
#include "attention.h"

namespace hd {

// What the kernels are given. Keys and values lie in slots.
template <class T>
struct QueryWork {
  Heads<const T> q, fresh_key, fresh_value;  // the fresh ones: of slot places[b][0], to be written there; null: there is nothing new
  Heads<T> keys, values, o;
  const int32_t* places;  // [B, 3] = (slot, first, end); null: all slots are seen
  int64_t place_row, place_step;
  const float* slopes;
  float scale, softcap;
  int64_t batches, heads, kv_heads, slots, features;
  unsigned long long* fault;
  float* lse;  // may be null
  int64_t lse_stride[2];
  float* parts;  // workspace, set within
};

// For heads of up to 256 features and at least one text and head.
template <class T>
hd_status attend_one_query(const Call& call, QueryWork<T> w);
}  // namespace hd
