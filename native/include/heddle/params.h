/* The parameter structs of the ops, hd_<Name>Params, from params.def. */
#ifndef HEDDLE_PARAMS_H
#define HEDDLE_PARAMS_H
#include <stdint.h>

#define HD_PARAMS(Name, doc) typedef struct hd_##Name##Params {
#define HD_I32(field, doc) int32_t field;
#define HD_F32(field, doc) float field;
#define HD_I64(field, doc) int64_t field;
#define HD_F64(field, doc) double field;
#define HD_END(Name) \
  }                  \
  hd_##Name##Params;
#include "heddle/params.def"
#undef HD_PARAMS
#undef HD_I32
#undef HD_F32
#undef HD_I64
#undef HD_F64
#undef HD_END
#endif
