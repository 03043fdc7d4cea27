// The door to Hopper's attention kernels, which are compiled for sm_90a alone. Each returns false, with nothing done, for calls that it
// does not take; the portable kernels serve those.
#pragma once
#include "attention.h"

namespace hd {
#ifdef HD_HOPPER
bool hopper_attention_fwd(const Call& call, const Problem& p, const Lists& lists, hd_status& status);
// statistics [B, H, query_blocks * 64]: lse in units of log 2, and the sum over D of o * do; +inf and 0 past the last query.
bool hopper_attention_bwd(const Call& call, const Problem& p, const Lists& rows, const Lists& columns, const float2* statistics,
                          hd_status& status);
// Its part for head sizes above 128, once hopper_takes has said yes.
bool hopper_attention_bwd_wide(const Call& call, const Problem& p, const Lists& rows, const Lists& columns, const float2* statistics,
                               hd_status& status);
// The same in one pass, with sums: device memory of so many bytes, aligned to 16. 0: this call is not for it.
int64_t hopper_one_pass_bytes(const Call& call, const Problem& p);
bool hopper_attention_bwd_one_pass(const Call& call, const Problem& p, const Lists& rows, const Lists& columns, const float2* statistics,
                                   void* sums, hd_status& status);
#else
inline bool hopper_attention_fwd(const Call&, const Problem&, const Lists&, hd_status&) { return false; }
inline bool hopper_attention_bwd(const Call&, const Problem&, const Lists&, const Lists&, const float2*, hd_status&) { return false; }
inline int64_t hopper_one_pass_bytes(const Call&, const Problem&) { return 0; }
inline bool hopper_attention_bwd_one_pass(const Call&, const Problem&, const Lists&, const Lists&, const float2*, void*, hd_status&) {
  return false;
}
#endif

// Softcap, ALiBi and dropout are left to the portable kernels, and so are scales that turn the largest product into the smallest score.
// masks: the tensor's number in the call; its rows are read by 16 bytes.
inline bool hopper_takes(const Call& call, const Problem& p, int32_t masks) {
  return (!call.has(masks) || call.t[masks]->data % 16 == 0) && call.context.capability == 90 && call.t[0]->dtype != HD_F32 &&
         p.softcap <= 0 && p.slopes == nullptr && p.threshold == 0 && p.scale > 0 && p.batches * p.heads * p.queries > 0 && p.keys > 0 &&
         p.keys < (1 << 30) && p.queries < (1 << 30) &&
         p.batches * p.heads * (p.query_blocks + p.key_blocks) < (1 << 30);  // the kernels count items and keys in 32 bits
}
}  // namespace hd
