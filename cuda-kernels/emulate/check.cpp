// heddle_cuda_emulated_check: runs every op of the emulated CUDA plugin (HD_CUDA_LIBRARY) through the door and compares it with the CPU
// backend on the same random tensors, and attention with the formula in f64. Arguments: "attention", "memory", "other" (checkpoint
// arithmetic, products with bytes, word vectors) and "decoding" leave the other ops out, "hopper" checks Hopper's attention kernels on a
// device that has them; a head size after either leaves the others out. Exit status: 0 all agree, 1 not.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "comparisons.h"

namespace {

std::mt19937_64 engine(7);
double uniform() { return std::uniform_real_distribution<double>(-2, 2)(engine); }

}  // namespace

int64_t bytes_of(int32_t dtype) {
  const int64_t bytes[] = {4, 2, 2, 8, 4, 8, 1};
  return bytes[dtype];
}
double get(const char* p, int32_t dtype) {
  if (dtype == HD_F32) return *reinterpret_cast<const float*>(p);
  if (dtype == HD_F64) return *reinterpret_cast<const double*>(p);
  if (dtype == HD_F16) return static_cast<double>(*reinterpret_cast<const _Float16*>(p));
  if (dtype == HD_I32) return *reinterpret_cast<const int32_t*>(p);
  if (dtype == HD_I64) return static_cast<double>(*reinterpret_cast<const int64_t*>(p));
  if (dtype == HD_U8) return *reinterpret_cast<const uint8_t*>(p);
  const uint32_t bits = static_cast<uint32_t>(*reinterpret_cast<const uint16_t*>(p)) << 16;
  float f;
  std::memcpy(&f, &bits, 4);
  return static_cast<double>(f);
}
void set(char* p, int32_t dtype, double x) {
  if (dtype == HD_F32) *reinterpret_cast<float*>(p) = static_cast<float>(x);
  if (dtype == HD_F64) *reinterpret_cast<double*>(p) = x;
  if (dtype == HD_F16) *reinterpret_cast<_Float16*>(p) = static_cast<_Float16>(x);
  if (dtype == HD_I32) *reinterpret_cast<int32_t*>(p) = static_cast<int32_t>(x);
  if (dtype == HD_I64) *reinterpret_cast<int64_t*>(p) = static_cast<int64_t>(x);
  if (dtype == HD_U8) *reinterpret_cast<uint8_t*>(p) = static_cast<uint8_t>(x);
  if (dtype == HD_BF16) {
    const float f = static_cast<float>(x);
    uint32_t bits;
    std::memcpy(&bits, &f, 4);
    *reinterpret_cast<uint16_t*>(p) = static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
  }
}

Tensor make(int32_t dtype, std::vector<int64_t> shape, int64_t pad, const std::function<double(int64_t)>& value) {
  auto b = std::make_shared<Box>();
  b->t.dtype = dtype;
  b->t.rank = static_cast<int32_t>(shape.size());
  int64_t stride = 1;
  for (int d = b->t.rank - 1; d >= 0; d--) {
    b->t.shape[d] = shape[static_cast<size_t>(d)];
    b->t.stride[d] = stride;
    stride *= shape[static_cast<size_t>(d)];
    if (d == b->t.rank - 1) stride += pad;
  }
  b->span = stride;
  b->memory.resize(static_cast<size_t>((stride + 64) * 8));
  const auto base = (reinterpret_cast<hd_address>(b->memory.data()) + 63) / 64 * 64;
  b->t.data = base;
  for (int64_t i = 0; i < stride; i++) set(reinterpret_cast<char*>(base) + i * bytes_of(dtype), dtype, value ? value(i) : uniform());
  return b;
}
Tensor twin(const Tensor& x, int32_t device) {
  if (!x) return nullptr;
  auto b = std::make_shared<Box>();
  b->t = x->t;
  b->span = x->span;
  b->memory.resize(x->memory.size());
  b->t.data = (reinterpret_cast<hd_address>(b->memory.data()) + 63) / 64 * 64;
  std::memcpy(reinterpret_cast<void*>(b->t.data), reinterpret_cast<const void*>(x->t.data),
              static_cast<size_t>(x->span * bytes_of(x->t.dtype)));
  b->t.device = device;
  return b;
}

hd_address cpu, gpu;
int failures = 0;
static int runs = 0;

std::vector<Tensor> run_on(hd_address context, int32_t device, const char* op, const void* params, int64_t bytes,
                           const std::vector<Tensor>& tensors) {
  std::vector<Tensor> own;
  std::vector<const hd_tensor*> list;
  for (const Tensor& x : tensors) {
    own.push_back(twin(x, device));
    list.push_back(x ? &own.back()->t : nullptr);
  }
  int32_t id = -1;
  char text[2048];
  for (int32_t i = 0; i < hd_op_count(); i++) {
    hd_op_name(i, reinterpret_cast<hd_address>(text), sizeof text);
    if (std::string(text) == op) id = i;
  }
  int32_t status = hd_run(context, id, reinterpret_cast<hd_address>(list.data()), static_cast<int32_t>(list.size()),
                          reinterpret_cast<hd_address>(params), bytes);
  if (status == HD_OK) status = hd_sync(context);
  if (status != HD_OK) {
    hd_last_error(reinterpret_cast<hd_address>(text), sizeof text);
    std::printf("FAIL %s on device %d: %s\n", op, device, text);
    failures++;
    return {};
  }
  return own;
}

void compare(const char* op, const std::string& what, const Box& expected, const Box& got, double tolerance) {
  double worst = 0;
  int64_t where = -1;
  for (int64_t i = 0; i < got.span; i++) {
    const int64_t size = bytes_of(got.t.dtype);
    const double a = get(reinterpret_cast<const char*>(expected.t.data) + i * size, got.t.dtype),
                 b = get(reinterpret_cast<const char*>(got.t.data) + i * size, got.t.dtype);
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    const double difference = std::fabs(a - b) / (1 + std::fabs(a)), error = std::isnan(difference) ? INFINITY : difference;
    if (error > worst) worst = error, where = i;
  }
  runs++;
  if (worst <= tolerance) return;
  failures++;
  const int64_t size = bytes_of(got.t.dtype);
  std::printf("FAIL %s %s: error %g at %lld: %g, expected %g\n", op, what.c_str(), worst, static_cast<long long>(where),
              get(reinterpret_cast<const char*>(got.t.data) + where * size, got.t.dtype),
              get(reinterpret_cast<const char*>(expected.t.data) + where * size, got.t.dtype));
}

namespace {

// All tensors are compared, inputs and gaps too.
template <class P>
void check(const char* op, const P& params, const std::vector<Tensor>& tensors, double scale = 1) {
  const auto a = run_on(cpu, -1, op, &params, sizeof params, tensors), b = run_on(gpu, 0, op, &params, sizeof params, tensors);
  for (size_t i = 0; i < a.size() && i < b.size(); i++) {
    if (!a[i]) continue;
    const int32_t dtype = a[i]->t.dtype;
    compare(op, "tensor " + std::to_string(i) + " dtype " + std::to_string(dtype), *a[i], *b[i],
            (dtype == HD_BF16  ? 0.008
             : dtype == HD_F16 ? 0.001
             : dtype == HD_F32 ? 2e-5
                               : 1e-12) *
                scale);
  }
}

void memory_bound(int32_t f, int64_t rows, int64_t n, int64_t pad) {
  const auto x = [&] { return make(f, {2, rows, n}, pad); };
  const auto v = [&](int32_t dtype = -1) { return make(dtype < 0 ? f : dtype, {n}); };
  const auto stat = [&] { return make(HD_F32, {2, rows}); };
  const auto positive = [&] { return make(HD_F32, {2, rows}, 0, [](int64_t) { return std::fabs(uniform()) + 0.1; }); };
  for (int kind = 0; kind < 2; kind++) {
    const hd_NormParams p{kind, 1e-5f, 0.5f, 1};
    check("norm_fwd", p, {x(), nullptr, v(), v(), x(), nullptr, kind == 0 ? stat() : nullptr, stat()});
    check("norm_fwd", p, {x(), x(), v(), nullptr, x(), x(), nullptr, nullptr});
    check("norm_bwd", p, {x(), x(), x(), v(), stat(), positive(), x(), v(HD_F32), v(HD_F32)}, 20);
    check("norm_bwd", p, {x(), nullptr, x(), v(), stat(), positive(), x(), v(), nullptr}, 20);
  }
  for (int kind = 0; kind < 7; kind++) {
    const hd_ActivationParams p{kind, kind % 2};
    check("bias_act_fwd", p, {x(), kind % 3 == 0 ? nullptr : v(), x()});
    check("bias_act_bwd", p, {x(), x(), kind % 3 == 0 ? nullptr : v(), x(), kind == 6 ? nullptr : v(HD_F32)}, 4);
    const auto wide = [&] { return make(f, {2, rows, 2 * n}, pad); };
    const auto wide_bias = [&](int32_t dtype) { return make(dtype, {2 * n}); };
    check("glu_fwd", p, {wide(), kind % 3 == 0 ? nullptr : wide_bias(f), x()});
    check("glu_bwd", p,
          {x(), wide(), kind % 3 == 0 ? nullptr : wide_bias(f), wide(), kind == 6 ? nullptr : wide_bias(kind == 1 ? f : HD_F32)}, 4);
  }
  const hd_NoneParams none{};
  check("softmax_fwd", none, {x(), x()});
  check("softmax_bwd", none, {x(), x(), x()}, 20);
  for (const float p : {0.0f, 0.3f}) check("dropout", hd_DropoutParams{0x123456789abcdefLL, 77, p, 0}, {x(), nullptr, x()});
  const auto logits = [&] { return make(f, {rows, n}, pad); };
  const auto targets = make(HD_I32, {rows}, 0, [&](int64_t i) { return i % 5 == 4 ? -100 : static_cast<double>(i * 7 % n); });
  for (const float e : {0.0f, 0.1f})
    check("cross_entropy", hd_CrossEntropyParams{-100, e, 0.5f}, {logits(), targets, make(HD_F32, {rows}), logits()});
  const auto ids = make(HD_I32, {2, rows}, 0, [&](int64_t i) { return static_cast<double>(i * i % 11); });
  check("embedding_fwd", hd_EmbeddingParams{0, 0}, {make(f, {11, n}, pad), ids, x()});
  for (int accumulate = 0; accumulate < 2; accumulate++) {
    check("embedding_bwd", hd_EmbeddingParams{accumulate, 0}, {x(), ids, make(accumulate ? f : HD_F32, {12, n}, pad)}, 4);
  }
  const auto padded = make(HD_I32, {2, rows}, 0, [&](int64_t i) { return static_cast<double>(i % 3 != 0 ? 5 : i * i % 11); });
  check("embedding_bwd", hd_EmbeddingParams{0, 0}, {x(), padded, make(f, {12, n}, pad)}, 20);
  for (int kind = 0; kind < 6; kind++) {
    check("binary", hd_BinaryParams{kind, 1, kind % 2 ? 1.0f : 0.3f, 0}, {x(), x(), x()}, 4);
    auto row = v();
    row->t.rank = 3;
    row->t.shape[0] = 2, row->t.shape[1] = rows, row->t.shape[2] = n;
    row->t.stride[0] = row->t.stride[1] = 0, row->t.stride[2] = 1;
    check("binary", hd_BinaryParams{kind, -1, 2, 0}, {x(), row, x()}, 4);
  }
  for (int kind = 0; kind < 10; kind++) check("unary", hd_UnaryParams{kind, 0.5f, 1.25f}, {x(), x()}, kind == 4 || kind == 2 ? 50 : 2);
  for (int kind = 0; kind < 3; kind++) {
    const int accumulate = kind == 1;
    check("reduce", hd_ReduceParams{kind, accumulate}, {x(), make(HD_F32, {2, rows, 1})}, 4);
    check("reduce", hd_ReduceParams{kind, accumulate}, {x(), make(f, {1, 1, n})}, 4);
    check("reduce", hd_ReduceParams{kind, accumulate}, {x(), make(f, {1, rows, 1})}, 4);
    check("reduce", hd_ReduceParams{kind, accumulate}, {x(), make(HD_F32, {1, 1, 1})}, 4);
  }
  for (int32_t to = 0; to <= HD_U8; to++) {
    check("copy", none,
          {make(f, {2, rows, n}, pad, [](int64_t i) { return static_cast<double>(i % 100) * 0.5; }), make(to, {2, rows, n}, 1)});
    check("copy", none, {make(to, {2, rows, n}, pad, [](int64_t i) { return static_cast<double>(i % 100); }), make(f, {2, rows, n})});
  }
  auto across = x();
  std::swap(across->t.shape[1], across->t.shape[2]);
  std::swap(across->t.stride[1], across->t.stride[2]);
  check("copy", none, {across, make(f, {2, n, rows})});
  check("sum_squares", none, {x(), make(HD_F32, {1})}, 4);
  check("clip_factor", hd_ClipParams{1.5f, 0},
        {make(HD_F32, {n}, 0, [](int64_t i) { return static_cast<double>(i); }), make(HD_F32, {1}), make(HD_F32, {1})}, 4);
  const auto flat = [&](int32_t dtype) { return make(dtype, {rows * n}, 0, [](int64_t) { return std::fabs(uniform()); }); };
  const hd_AdamwParams adam{0.01f, 0.9f, 0.99f, 1e-8f, 0.1f, 0.1f, 0.01f, 0};
  check("adamw", adam, {flat(f), make(HD_F32, {1}), nullptr, flat(HD_F32), flat(HD_F32), flat(HD_F32), nullptr});
  if (f != HD_F32) check("adamw", adam, {flat(HD_F32), nullptr, make(HD_F32, {3}), flat(f), flat(HD_F32), flat(HD_F32), flat(HD_F32)});
  const auto weights = make(HD_F64, {3});
  check("linear_combination", none, {flat(f), weights, flat(f), flat(HD_F32), flat(HD_F64), flat(f)});
  check("linear_combination", none, {nullptr, weights, flat(f), flat(f), flat(f), flat(f)});
  check("linear_combination", none, {flat(f), make(HD_F64, {1}, 0, [](int64_t) { return 0.0; }), flat(f), flat(f)});
  for (int64_t count = 1; count <= 6; count++) {  // the same bits: up to four sources of one dtype have kernels of their own
    const auto some = make(HD_F64, {count});
    for (const bool based : {false, true}) {
      std::vector<Tensor> tensors{based ? flat(f) : nullptr, some};
      for (int64_t i = 0; i < count; i++) tensors.push_back(flat(f));
      tensors.push_back(flat(f));
      check("linear_combination", none, tensors, 0);
    }
  }
  for (int form = 0; form < 4; form++) {
    const auto q = [&] { return make(f, {2, 3, rows, n}, pad); };
    const auto positions = form % 2 ? make(HD_I32, {2, rows}, 0, [](int64_t i) { return static_cast<double>(i * 37); })
                                    : make(HD_I32, {rows}, 0, [](int64_t i) { return static_cast<double>(i * 1001); });
    check("rotary", hd_RotaryParams{form / 2, form % 2, 1.1f, 0}, {q(), positions, make(HD_F32, {n / 2}), q()}, 10);
  }
}

// The copy of x with two dimensions exchanged, to a dense y.
void exchanged(int32_t dtype, std::vector<int64_t> shape, size_t a, size_t b, int64_t pad) {
  const auto x = make(dtype, shape, pad, [](int64_t i) { return static_cast<double>(i % 97); });
  std::swap(x->t.shape[a], x->t.shape[b]);
  std::swap(x->t.stride[a], x->t.stride[b]);
  std::swap(shape[a], shape[b]);
  check("copy", hd_NoneParams{}, {x, make(dtype, shape)}, 0);
}

// Lists of a window in blocks, of all keys so far and of all, with documents of 5 to 300 keys or without.
void block_lists(int64_t queries, int64_t keys, bool packed) {
  const int64_t numbers[] = {100, 0, 50, 1, -1, 0, -1, 0, -1, -1, -1, 0}, sizes[] = {37, 5, 300};
  const int64_t rows = packed ? 3 : 1, nq = (queries + 63) / 64, nk = (keys + 63) / 64, room = rows * 3 * nq * nk + 5;
  const int64_t masks = room < 3000 ? room : 3000;
  const auto ints = [](std::vector<int64_t> shape) { return make(HD_I32, std::move(shape), 0, [](int64_t) { return -7.0; }); };
  const auto documents = make(HD_I32, {rows, keys}, 0, [&](int64_t i) { return static_cast<double>(i % keys / sizes[i / keys]); });
  check("block_lists", hd_BlockListsParams{queries, keys},
        {make(HD_I64, {3, 4}, 0, [&](int64_t i) { return static_cast<double>(numbers[i]); }), packed ? documents : nullptr,
         ints({rows, 3, nq + 1}), ints({room, 2}), ints({rows, 3, nk + 1}), ints({room, 2}),
         make(HD_I64, {masks, 64}, 0, [](int64_t) { return 3.0; })},
        0);
}

// Shapes that take the forms for whole packs, several tiles and strips of them, long lists and more positions than one map has.
void large() {
  for (const int32_t dtype : {HD_F32, HD_BF16, HD_F64}) {
    exchanged(dtype, {3, 72, 160}, 1, 2, 0);   // squares of packs
    exchanged(dtype, {3, 72, 160}, 1, 2, 16);  // in rows with gaps
    exchanged(dtype, {1, 600, 16}, 1, 2, 0);   // more columns of tiles than a strip has
    exchanged(dtype, {2, 20, 50}, 1, 2, 3);    // no packs
    exchanged(dtype, {2, 16, 24, 16}, 1, 2, 0);
    exchanged(dtype, {2, 5, 3, 16}, 1, 2, 0);
  }
  for (const bool packed : {false, true}) {
    for (const auto& [queries, keys] : {std::pair{1, 1}, {64, 64}, {65, 130}, {130, 65}, {1000, 1000}, {200, 33000}, {33000, 200}})
      block_lists(queries, keys, packed);  // the last two: more blocks than a round has
  }
  for (const bool heads_inside : {false, true}) {
    const auto q = [&] {
      auto x = make(HD_BF16, heads_inside ? std::vector<int64_t>{2, 19, 3, 80} : std::vector<int64_t>{2, 3, 19, 80});
      if (heads_inside) std::swap(x->t.shape[1], x->t.shape[2]), std::swap(x->t.stride[1], x->t.stride[2]);
      return x;
    };
    const auto positions = make(HD_I32, {2, 19}, 0, [](int64_t i) { return static_cast<double>(i * 37); });
    check("rotary", hd_RotaryParams{0, 0, 1.1f, 0}, {q(), positions, make(HD_F32, {32}), q()}, 10);
  }
  const auto ids = make(HD_I32, {270000}, 0, [](int64_t i) { return static_cast<double>(i % 7 == 0 ? i % 13 : i * 7919 % 9001); });
  check("embedding_bwd", hd_EmbeddingParams{0, 0}, {make(HD_F32, {270000, 4}), ids, make(HD_F32, {9001, 4})}, 1000);
  const auto skewed = make(HD_I32, {700}, 0, [](int64_t i) { return static_cast<double>(i % 2 == 0 ? i % 5 : i % 60); });
  for (int accumulate = 0; accumulate < 2; accumulate++)
    check("embedding_bwd", hd_EmbeddingParams{accumulate, 0}, {make(HD_BF16, {700, 520}), skewed, make(HD_BF16, {61, 520})}, 20);
  const auto even = make(HD_I32, {1400}, 0, [](int64_t i) { return static_cast<double>(i % 60); });  // crowded groups of short lists
  for (const int64_t n : {520, 37})
    check("embedding_bwd", hd_EmbeddingParams{0, 0}, {make(HD_BF16, {1400, n}), even, make(HD_BF16, {61, n})}, 20);
  const auto row = make(HD_BF16, {2048});
  row->t.rank = 2, row->t.shape[0] = 35, row->t.shape[1] = 2048, row->t.stride[0] = 0,
  row->t.stride[1] = 1;  // broadcast, a block's packs long
  check("binary", hd_BinaryParams{0, 1, 1, 0}, {make(HD_BF16, {35, 2048}), row, make(HD_BF16, {35, 2048}, 8)});
  const auto classes = [](int64_t rows) { return make(HD_I32, {rows}, 0, [](int64_t i) { return static_cast<double>(i * 20011); }); };
  check("cross_entropy", hd_CrossEntropyParams{-100, 0.1f, 0.5f},
        {make(HD_BF16, {3, 50257}, 1), classes(3), make(HD_F32, {3}), make(HD_BF16, {3, 50257}, 1)});
  check("cross_entropy", hd_CrossEntropyParams{-100, 0, 1},  // longer than shared memory
        {make(HD_F32, {3, 60001}), classes(3), make(HD_F32, {3}), make(HD_F32, {3, 60001}, 1)});
  for (int kind = 0; kind < 2; kind++) {  // up to 16 packs to a lane
    check("norm_fwd", hd_NormParams{kind, 1e-5f, 0, 0},
          {make(HD_BF16, {6, 4088}), nullptr, make(HD_BF16, {4088}), kind == 0 ? make(HD_BF16, {4088}) : nullptr, make(HD_BF16, {6, 4088}),
           nullptr, make(HD_F32, {6}), make(HD_F32, {6})});
  }
  for (const int32_t narrow : {HD_BF16, HD_F16}) {
    for (int64_t count = 1; count <= 4; count++) {
      std::vector<Tensor> tensors{count % 2 ? make(HD_F32, {1037}) : nullptr, make(HD_F64, {count})};
      for (int64_t i = 0; i < count; i++) tensors.push_back(make(narrow, {1037}));
      tensors.push_back(make(HD_F32, {1037}));
      check("linear_combination", hd_NoneParams{}, tensors, 0);
    }
  }
  check("norm_fwd", hd_NormParams{1, 1e-5f, 0, 0},
        {make(HD_BF16, {999, 512}), nullptr, make(HD_BF16, {512}), nullptr, make(HD_BF16, {999, 512}), nullptr, nullptr,
         make(HD_F32, {999})});
}

void check_memory_bound() {
  for (const int32_t f : {HD_F32, HD_BF16, HD_F16}) {
    memory_bound(f, 3, 64, 0);
    memory_bound(f, 5, 37, 3);
    memory_bound(f, 210, 6, 0);
  }
  memory_bound(HD_F32, 2, 5000, 0);  // longer than the registers of a team
  memory_bound(HD_BF16, 2, 9001, 0);
  memory_bound(HD_F32, 9, 200, 4);  // rows in registers: two packs per thread and several rows to a block, four, and a row to a block
  memory_bound(HD_F16, 9, 800, 0);
  memory_bound(HD_BF16, 5, 1200, 8);
  memory_bound(HD_BF16, 210, 16, 0);  // many short rows of whole packs: chunks of rows, lists longer than a warp sorts
  const auto crowded = make(HD_I32, {14000}, 0, [](int64_t i) { return static_cast<double>(i % 3 != 0 ? 2 : i % 5); });
  check("embedding_bwd", hd_EmbeddingParams{0, 0}, {make(HD_F32, {14000, 4}), crowded, make(HD_F32, {5, 4})}, 100);
  large();
}

// ---- checkpoint arithmetic: the same bits ----

void merging(int32_t f, int64_t n, int32_t count, bool based, bool coarse) {
  const hd_NoneParams none{0};
  const auto flat = [&](int32_t dtype) {
    return make(dtype, {n}, 0, [&](int64_t) { return coarse ? std::round(uniform()) / 4 : uniform(); });
  };
  std::vector<Tensor> sources;
  for (int32_t k = 0; k < count; k++) sources.push_back(flat(count == 2 && k == 1 && n % 2 != 0 ? HD_F64 : f));
  const auto call = [&](std::vector<Tensor> tensors, const Tensor& out) {
    tensors.insert(tensors.end(), sources.begin(), sources.end());
    tensors.push_back(out);
    return tensors;
  };
  const Tensor base = flat(f);
  check("inner_products", none, call({based ? base : nullptr}, make(HD_F64, {count * (count + 1) / 2})), 0);
  const int64_t ranks[] = {n / 2, n - n / 20, 0, n, n / 3, n / 3 + 1};
  const auto wanted = make(HD_I64, {count, 2}, 0, [&](int64_t i) { return static_cast<double>(ranks[i % 6]); });
  check("magnitude_cuts", none, call({based ? base : nullptr, wanted}, make(HD_F64, {count, 2, 2})), 0);
  for (int form = 0; form < 16; form++) {
    const auto weights = make(HD_F64, {count});
    const auto cuts = make(HD_F64, {count, 2, 2}, 0, [&](int64_t i) {
      return i % 4 == 0 ? 0.25 : i % 4 == 2 ? 1.5 : static_cast<double>(n / 2);
    });
    const auto keys = make(HD_I64, {count}, 0, [](int64_t i) { return 1e18 * static_cast<double>(i + 1); });
    const auto keep = make(HD_F64, {count}, 0, [](int64_t i) { return i == 2 ? 1.0 : i == 1 ? 0.25 : 0.3; });
    const hd_SparseCombinationParams p{4 * form, 0.7, form % 2, form / 2 % 2, form / 4 % 2, 0};
    const bool random = form / 8 != 0;
    check("sparse_combination", p,
          call({base, weights, form % 3 != 0 ? cuts : nullptr, random ? keys : nullptr, random ? keep : nullptr},
               flat(form % 5 == 0 ? HD_F32 : f)),
          0);
  }
}

// Differences of which some numbers are frequent, as those of 16-bit weights are, most are zero, or neighbours are alike: what a sample
// may be wrong about, and where its pivot has the rank, or not.
void magnitudes(int32_t f, int64_t n, int32_t count, int kind) {
  const auto number = [&](int64_t i, int32_t tensor) {
    if (kind == 0) return std::round(uniform() * 4) / 4;
    if (kind == 1) return i % 10 == 3 ? uniform() : 0.5;
    if (kind == 2) return tensor > 0 && i % 17 == 0 ? 1 + uniform() : 1.0;
    return tensor == 0 ? 0.0 : static_cast<double>(i) / static_cast<double>(n);
  };
  const auto flat = [&](int32_t tensor) { return make(f, {n}, 0, [&](int64_t i) { return number(i, tensor); }); };
  const int64_t ranks[] = {n / 2, n - n / 20, 1, n - 1, n / 3, n / 3 + 1, n * 4 / 5};
  std::vector<Tensor> tensors{flat(0), make(HD_I64, {count, 5}, 0, [&](int64_t i) { return static_cast<double>(ranks[i % 7]); })};
  for (int32_t k = 1; k <= count; k++) tensors.push_back(flat(k));
  tensors.push_back(make(HD_F64, {count, 5, 2}));
  check("magnitude_cuts", hd_NoneParams{0}, tensors, 0);
}

// ---- what has no reference here but the CPU's kernels: bytes as weights, and word vectors ----

// From two rows of 16 bits on whose bytes come in sixteens: on tensor cores, 16, 32 or 64 rows of w to a block.
void int8_products() {
  for (const int32_t f : {HD_F32, HD_BF16, HD_F16}) {
    for (const int64_t rows : {1, 2, 3, 4, 9, 35}) {
      for (const int64_t width : {1, 40, 512, 2064, 4099}) {
        const int64_t pad = width % 16 == 0 ? 16 : 3, outputs = rows == 3 ? 52 : rows % 2 == 0 || rows > 9 ? 130 : 11;
        const auto w = make(HD_U8, {outputs, width}, pad, [](int64_t i) { return static_cast<double>((i * 37 + 11) % 256); });
        const double sums = static_cast<double>(width);
        check("linear_int8", hd_NoneParams{0},
              {make(f, {rows, width}, pad), w, make(HD_F32, {outputs}), rows % 2 ? make(f, {outputs}) : nullptr, make(f, {rows, outputs})},
              f == HD_F32   ? 100 + sums
              : f == HD_F16 ? 2 + sums / 50
                            : 2 + sums / 400);
      }
    }
  }
}

void word_vectors(int64_t d, int64_t negatives) {
  const int64_t examples = 300, words = 50, each = 3, targets = examples * 2;  // one run
  const auto ids = [&](std::vector<int64_t> shape, int64_t step, bool gaps) {
    return make(HD_I32, shape, 0, [=](int64_t i) { return gaps && i % 7 == 3 ? -1.0 : static_cast<double>(i * step % words); });
  };
  const auto starts = [&](int64_t step) {
    return make(HD_I32, {examples + 1}, 0, [=](int64_t i) { return static_cast<double>(i * step); });
  };
  check("word_vectors", hd_WordVectorsParams{0.05f, 0},
        {starts(each), ids({examples * each}, 13, false), starts(2), ids({targets}, 7, false), ids({targets, negatives}, 11, true),
         make(HD_F32, {words, d}), make(HD_F32, {words, d}), d % 2 ? make(HD_F32, {examples}) : nullptr},
        2000);
  const auto above = [](int64_t) { return 0.5 + std::fabs(uniform()); };
  check("glove", hd_GloveParams{0.05f, 1.2f, 0.75f, 0},
        {ids({examples}, 13, false), ids({examples}, 7, false), make(HD_F32, {examples}, 0, above), make(HD_F32, {words, d + 1}),
         make(HD_F32, {words, d + 1}), make(HD_F32, {words, d + 1}, 0, above), make(HD_F32, {words, d + 1}, 0, above),
         d % 2 ? make(HD_F32, {examples}) : nullptr},
        2000);
}

// ---- decoding, and what recorded steps read from tensors ----

// heads of q, heads of k, features, slots; runs of different lengths in the texts of a batch
void step(int32_t f, int64_t heads, int64_t kv, int64_t d, int64_t slots, int64_t pad) {
  const int64_t runs[][3] = {{slots - 1, 0, slots}, {slots / 2, 0, slots / 2 + 1}, {0, slots / 3, slots - slots / 4}, {slots / 3, 5, 5}};
  const auto places = make(HD_I32, {4, 3}, 0, [&](int64_t i) { return static_cast<double>(runs[i / 3 % 4][i % 3]); });
  const auto one = [&](int64_t h) { return make(f, {4, h, 1, d}, pad); };
  const auto cache = [&] { return make(f, {4, kv, slots, d}, pad); };
  const auto slopes = make(HD_F32, {heads}, 0, [](int64_t h) { return 0.01 * static_cast<double>(h + 1); });
  for (const bool more : {false, true}) {
    const hd_AttentionParams p{0, 0, 0.2f, more ? 1.5f : 0.0f, 0, 0};
    check("attention_step", p, {one(heads), one(kv), one(kv), places, more ? slopes : nullptr, cache(), cache(), one(heads)}, 4);
    // All keys seen by one query.
    check("attention_fwd", p,
          {one(heads), cache(), cache(), nullptr, nullptr, nullptr, nullptr, more ? slopes : nullptr, nullptr, one(heads),
           more ? nullptr : make(HD_F32, {4, heads, 1})},
          4);
  }
}

void decoding() {
  for (const int32_t f : {HD_F32, HD_BF16, HD_F16}) {
    for (const int64_t d : {1, 15, 64, 80, 128, 136, 256}) step(f, 4, 4, d, 130, d % 3), step(f, 6, 1, d, 67, 0);
    for (const int64_t slots : {1, 63, 64, 65, 2500}) step(f, 2, 2, 64, slots, 0);
    for (const int64_t n : {1, 8, 31, 257, 9000, 40003})
      check("argmax", hd_NoneParams{0},
            {make(f, {3, n}, n % 2, [](int64_t i) { return static_cast<double>(i * 37 % 501) - 250; }), make(HD_I32, {3})}, 0);
    const auto last = make(HD_I64, {1}, 0, [](int64_t) { return 8e9; });
    check("dropout", hd_DropoutParams{9, 77, 0.3f, 0}, {make(f, {5, 33}), last, make(f, {5, 33})});
    const auto q = [&](int64_t t) { return make(f, {2, 2, t, 32}); };
    const hd_AttentionParams dropped{9, 77, 0.2f, 0, 0.4f, 0};
    check("attention_fwd", dropped, {q(70), q(90), q(90), nullptr, nullptr, nullptr, nullptr, nullptr, last, q(70), nullptr}, 8);
    const auto lse = make(HD_F32, {2, 2, 70}, 0, [](int64_t) { return 4.0; });
    check(
        "attention_bwd", dropped,
        {q(70), q(90), q(90), q(70), lse, q(70), nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, last, q(70), q(90), q(90)},
        60);
  }
  const auto ids = make(HD_I32, {9}, 0, [](int64_t i) { return static_cast<double>(i * i % 11); });
  for (const int64_t n : {1, 7, 12}) {
    const auto table = make(HD_I32, {11, n}, 0, [](int64_t i) { return static_cast<double>(i * 1234567 % 2147483647); });
    check("embedding_fwd", hd_EmbeddingParams{0, 0}, {table, ids, make(HD_I32, {9, n})}, 0);
  }
}

void other_ops() {
  for (const int32_t f : {HD_F32, HD_BF16, HD_F16, HD_F64}) {
    for (const int64_t n : {1, 7, 64, 1000, 4099, 50001})
      merging(f, n, n == 1000 ? 6 : static_cast<int32_t>(n % 5 + 1), n % 3 != 0, n % 2 == 0);
    merging(f, 40000, 2, true, true);
  }
  for (int kind = 0; kind < 4; kind++) {
    for (const int32_t f : {HD_BF16, HD_F32, HD_F64}) magnitudes(f, 40001 + kind, kind % 3 + 1, kind);
  }
  int8_products();
  for (const int64_t d : {1, 15, 64, 100}) word_vectors(d, d % 2 * 9), word_vectors(d, 5);
}
}  // namespace

int main(int count, char** arguments) {
  const std::string part = count > 1 ? arguments[1] : "";
  const int64_t only = count > 2 ? std::stoll(arguments[2]) : 0;
  if (part == "hopper") setenv("HD_EMULATED_DEVICE", "hopper", 1);
  setvbuf(stdout, nullptr, _IOLBF, 0);  // an emulated fault ends the program
  cpu = hd_open(0, 0, 1);
  gpu = hd_open(1, 0, 1);
  char text[1024];
  if (cpu == 0 || gpu == 0) {
    hd_last_error(reinterpret_cast<hd_address>(text), sizeof text);
    return std::printf("no backend: %s\n", text), 1;
  }
  if (part.empty() || part == "memory") check_memory_bound();
  if (part.empty() || part == "other") other_ops();
  if (part == "int8") int8_products();
  if (part.empty() || part == "decoding") decoding();
  if (part == "hopper") {
    check_hopper(only);
  } else if (part != "memory" && part != "other" && part != "int8") {
    check_attention(only);
  }
  std::printf("%d comparisons, %d failures\n", runs, failures);
  return failures != 0;
}
