// heddle_cuda_emulated_check: runs every op of the emulated CUDA plugin (HD_CUDA_LIBRARY) through the door and compares it with the CPU
// backend on the same random tensors, and attention with the formula in f64. "attention" or "memory" as an argument leaves the other ops
// out. Exit status: 0 all agree, 1 not.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "heddle/heddle.h"
#include "heddle/params.h"

namespace {

std::mt19937_64 engine(7);
double uniform() { return std::uniform_real_distribution<double>(-2, 2)(engine); }

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

struct Box {
  hd_tensor t{};
  std::vector<char> memory;
  int64_t span = 0;

  double at(const std::vector<int64_t>& index) const {
    int64_t offset = 0;
    for (size_t d = 0; d < index.size(); d++) offset += index[d] * t.stride[d];
    return get(reinterpret_cast<const char*>(t.data) + offset * bytes_of(t.dtype), t.dtype);
  }
};
using Tensor = std::shared_ptr<Box>;

// pad: so many elements between the rows, which also breaks 16-byte alignment when odd.
Tensor make(int32_t dtype, std::vector<int64_t> shape, int64_t pad = 0, const std::function<double(int64_t)>& value = nullptr) {
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
int failures = 0, runs = 0;

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
  for (const float p : {0.0f, 0.3f}) check("dropout", hd_DropoutParams{0x123456789abcdefLL, 77, p, 0}, {x(), x()});
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
  check("adamw", adam, {flat(f), make(HD_F32, {1}), flat(HD_F32), flat(HD_F32), flat(HD_F32), nullptr});
  if (f != HD_F32) check("adamw", adam, {flat(HD_F32), nullptr, flat(f), flat(HD_F32), flat(HD_F32), flat(HD_F32)});
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
  const auto ints = [](std::vector<int64_t> shape) { return make(HD_I32, std::move(shape), 0, [](int64_t) { return -7.0; }); };
  const auto documents = make(HD_I32, {rows, keys}, 0, [&](int64_t i) { return static_cast<double>(i % keys / sizes[i / keys]); });
  check("block_lists", hd_BlockListsParams{queries, keys},
        {make(HD_I64, {3, 4}, 0, [&](int64_t i) { return static_cast<double>(numbers[i]); }), packed ? documents : nullptr,
         ints({rows, 3, nq + 1}), ints({room, 2}), ints({rows, 3, nk + 1}), ints({room, 2}),
         make(HD_I64, {room, 64}, 0, [](int64_t) { return 3.0; })},
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
    for (const auto& [queries, keys] : {std::pair{1, 1}, {64, 64}, {65, 130}, {130, 65}, {1000, 1000}}) block_lists(queries, keys, packed);
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

// ---- attention, against the formula ----

struct Shape {
  int32_t f;
  int64_t B, H, K, T, S, D;
  bool layout, slopes;
  float softcap, dropout;
  int64_t pad_q = 0, pad_k = 0;  // elements between rows
  float scale = 1;               // times 1 / sqrt(D)
};

void philox(uint32_t c[4], uint64_t seed) {
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int r = 0; r < 10; r++) {
    const uint64_t a = uint64_t{0xD2511F53u} * c[0], b = uint64_t{0xCD9E8D57u} * c[2];
    const uint32_t c1 = c[1], c3 = c[3];
    c[0] = static_cast<uint32_t>(b >> 32) ^ c1 ^ k0, c[1] = static_cast<uint32_t>(b), c[2] = static_cast<uint32_t>(a >> 32) ^ c3 ^ k1,
    c[3] = static_cast<uint32_t>(a);
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
  }
}

void attention(const Shape& z) {
  const hd_AttentionParams p{0x5eed, 9, z.scale * static_cast<float>(1 / std::sqrt(static_cast<double>(z.D))), z.softcap, z.dropout, 0};
  const auto like_q = [&] { return make(z.f, {z.B, z.H, z.T, z.D}, z.pad_q); };
  const auto like_k = [&] { return make(z.f, {z.B, z.K, z.S, z.D}, z.pad_k); };
  const Tensor q = like_q(), k = like_k(), v = like_k(), d_o = like_q(), lse = make(HD_F32, {z.B, z.H, z.T});
  const int64_t nq = (z.T + 63) / 64, nk = (z.S + 63) / 64, G = 2, L = z.layout && z.B > 1 ? z.B : 1;
  // blocks[l][g][i][j]: -1 hidden, else the mask id; one query row of mask 2 sees nothing
  const auto mask_bit = [](int64_t m, int64_t i, int64_t j) { return m == 0 || (m == 1 ? i >= j : i != 5 && (i * 7 + j * 3) % 4 != 0); };
  const auto block = [&](int64_t l, int64_t g, int64_t i, int64_t j) -> int64_t {
    return !z.layout ? 0 : (l + g + i + 2 * j) % 4 == 3 ? -1 : (l + 2 * g + i + j) % 3;
  };
  std::vector<double> row_ptr, rows, col_ptr, cols;
  for (int64_t l = 0; l < L; l++) {
    for (int64_t g = 0; g < G; g++) {
      for (int64_t i = 0; i < nq; i++) {
        row_ptr.push_back(static_cast<double>(rows.size() / 2));
        for (int64_t j = 0; j < nk; j++) {
          if (block(l, g, i, j) >= 0) rows.push_back(static_cast<double>(j)), rows.push_back(static_cast<double>(block(l, g, i, j)));
        }
      }
      row_ptr.push_back(static_cast<double>(rows.size() / 2));
      for (int64_t j = 0; j < nk; j++) {
        col_ptr.push_back(static_cast<double>(cols.size() / 2));
        for (int64_t i = 0; i < nq; i++) {
          if (block(l, g, i, j) >= 0) cols.push_back(static_cast<double>(i)), cols.push_back(static_cast<double>(block(l, g, i, j)));
        }
      }
      col_ptr.push_back(static_cast<double>(cols.size() / 2));
    }
  }
  const auto list = [](const std::vector<double>& values, std::vector<int64_t> shape) {
    return make(HD_I32, std::move(shape), 0, [&](int64_t i) { return values[static_cast<size_t>(i)]; });
  };
  Tensor rp, rb, cp, cb, masks, group, slopes;
  if (z.layout) {
    rp = list(row_ptr, {L, G, nq + 1}), rb = list(rows, {static_cast<int64_t>(rows.size() / 2), 2});
    cp = list(col_ptr, {L, G, nk + 1}), cb = list(cols, {static_cast<int64_t>(cols.size() / 2), 2});
    masks = make(HD_I64, {3, 64});
    for (int64_t m = 0; m < 3; m++) {
      for (int64_t i = 0; i < 64; i++) {
        uint64_t bits = 0;
        for (int64_t j = 0; j < 64; j++) bits |= static_cast<uint64_t>(mask_bit(m, i, j)) << j;
        reinterpret_cast<uint64_t*>(masks->t.data)[m * 64 + i] = bits;
      }
    }
    group = make(HD_I32, {z.H}, 0, [](int64_t h) { return static_cast<double>(h % 2); });
  }
  if (z.slopes) slopes = make(HD_F32, {z.H}, 0, [](int64_t h) { return 0.01 * static_cast<double>(h + 1); });
  const Tensor o0 = like_q(), dq0 = like_q(), dk0 = like_k(), dv0 = like_k();
  const auto forward = run_on(gpu, 0, "attention_fwd", &p, sizeof p, {q, k, v, rp, rb, masks, group, slopes, o0, lse});
  if (forward.empty()) return;
  const auto backward = run_on(gpu, 0, "attention_bwd", &p, sizeof p,
                               {q, k, v, forward[8], forward[9], d_o, rp, rb, cp, cb, masks, group, slopes, dq0, dk0, dv0});
  if (backward.empty()) return;

  const Tensor o = twin(forward[8], -1), l = twin(forward[9], -1), dq = twin(backward[13], -1), dk = twin(backward[14], -1),
               dv = twin(backward[15], -1);
  const auto put = [](const Tensor& t, std::vector<int64_t> at, double x) {
    int64_t offset = 0;
    for (size_t d = 0; d < at.size(); d++) offset += at[d] * t->t.stride[d];
    set(reinterpret_cast<char*>(t->t.data) + offset * bytes_of(t->t.dtype), t->t.dtype, x);
  };
  std::vector<double> sum_dk(static_cast<size_t>(z.B * z.K * z.S * z.D)), sum_dv(sum_dk.size());
  for (int64_t b = 0; b < z.B; b++) {
    for (int64_t h = 0; h < z.H; h++) {
      const int64_t kh = h / (z.H / z.K);
      for (int64_t t = 0; t < z.T; t++) {
        std::vector<double> w(static_cast<size_t>(z.S)), chain(w.size()), keep(w.size());
        double top = -INFINITY, total = 0;
        for (int64_t s = 0; s < z.S; s++) {
          const size_t i = static_cast<size_t>(s);
          const int64_t id = block(L > 1 ? b : 0, z.layout ? h % 2 : 0, t / 64, s / 64);
          double x = 0;
          for (int64_t d = 0; d < z.D; d++) x += q->at({b, h, t, d}) * k->at({b, kh, s, d});
          x *= static_cast<double>(p.scale);
          chain[i] = static_cast<double>(p.scale);
          if (z.softcap > 0) {
            const double c = static_cast<double>(z.softcap), th = std::tanh(x / c);
            x = c * th;
            chain[i] *= 1 - th * th;
          }
          if (z.slopes) x -= slopes->at({h}) * std::fabs(static_cast<double>(t + z.S - z.T - s));
          w[i] = id >= 0 && mask_bit(id, t % 64, s % 64) ? x : -INFINITY;
          top = std::max(top, w[i]);
          uint32_t c[4] = {static_cast<uint32_t>(s / 4), static_cast<uint32_t>(t), static_cast<uint32_t>(b * z.H + h), 9};
          philox(c, 0x5eed);
          keep[i] = c[s % 4] >= static_cast<double>(z.dropout) * 4294967296.0 ? 1 / (1 - static_cast<double>(z.dropout)) : 0;
        }
        for (double& x : w) {
          x = top == -INFINITY ? 0 : std::exp(x - top);
          total += x;
        }
        put(l, {b, h, t}, total == 0 ? -INFINITY : top + std::log(total));
        for (double& x : w) x = total == 0 ? 0 : x / total;
        double delta = 0;
        std::vector<double> dp(w.size());
        for (int64_t d = 0; d < z.D; d++) {
          double x = 0;
          for (int64_t s = 0; s < z.S; s++) x += w[static_cast<size_t>(s)] * keep[static_cast<size_t>(s)] * v->at({b, kh, s, d});
          put(o, {b, h, t, d}, x);
          delta += x * d_o->at({b, h, t, d});
        }
        std::vector<double> row(static_cast<size_t>(z.D));
        for (int64_t s = 0; s < z.S; s++) {
          const size_t i = static_cast<size_t>(s);
          for (int64_t d = 0; d < z.D; d++) dp[i] += d_o->at({b, h, t, d}) * v->at({b, kh, s, d});
          const double ds = w[i] * (dp[i] * keep[i] - delta) * chain[i];
          for (int64_t d = 0; d < z.D; d++) {
            row[static_cast<size_t>(d)] += ds * k->at({b, kh, s, d});
            const size_t at = static_cast<size_t>(((b * z.K + kh) * z.S + s) * z.D + d);
            sum_dk[at] += ds * q->at({b, h, t, d});
            sum_dv[at] += w[i] * keep[i] * d_o->at({b, h, t, d});
          }
        }
        for (int64_t d = 0; d < z.D; d++) put(dq, {b, h, t, d}, row[static_cast<size_t>(d)]);
      }
    }
  }
  for (int64_t i = 0; i < static_cast<int64_t>(sum_dk.size()); i++) {
    const int64_t d = i % z.D, s = i / z.D % z.S, kh = i / z.D / z.S % z.K, b = i / z.D / z.S / z.K;
    put(dk, {b, kh, s, d}, sum_dk[static_cast<size_t>(i)]);
    put(dv, {b, kh, s, d}, sum_dv[static_cast<size_t>(i)]);
  }
  const double tolerance = z.f == HD_F32 ? 5e-5 : z.f == HD_F16 ? 4e-3 : 3e-2;
  const std::string what =
      "T " + std::to_string(z.T) + " S " + std::to_string(z.S) + " D " + std::to_string(z.D) + (z.layout ? " layout " : " full ");
  compare("attention_fwd", what + "o", *o, *forward[8], tolerance);
  compare("attention_fwd", what + "lse", *l, *forward[9], 5e-5);
  if (z.scale > 1) return;  // o is rounded before delta is formed of it, and the scale multiplies that: in 16 bits the gradients are noise
  compare("attention_bwd", what + "dq", *dq, *backward[13], tolerance);
  compare("attention_bwd", what + "dk", *dk, *backward[14], tolerance);
  compare("attention_bwd", what + "dv", *dv, *backward[15], tolerance);
}
int64_t only_size = 0;  // 0: all head sizes

void run_attention(const Shape& z) {
  if (only_size == 0 || z.D == only_size) attention(z);
}

// Head sizes on both sides of every tile width and of a 16-byte chunk, S and T across block edges, rows that see nothing (a list without
// entries, and a row of a mask), rows that are not aligned, and all options in turn.
void attentions() {
  run_attention({HD_F32, 1, 1, 1, 64, 64, 64, false, false, 0, 0});
  run_attention({HD_F32, 2, 4, 2, 130, 200, 24, true, true, 0, 0.2f});
  run_attention({HD_F32, 1, 2, 1, 65, 64, 256, true, false, 0, 0.1f});
  for (const int32_t f : {HD_BF16, HD_F16}) {
    run_attention({f, 1, 1, 1, 64, 64, 64, false, false, 0, 0});
    run_attention({f, 1, 2, 2, 1, 65, 37, true, true, 2.0f, 0.5f, 1, 0});
    run_attention({f, 2, 2, 1, 70, 129, 80, true, false, 5.0f, 0, 0, 8});
    run_attention({f, 1, 4, 2, 200, 330, 128, true, false, 0, 0});
    run_attention({f, 2, 6, 2, 200, 63, 64, true, true, 0, 0.2f});
    run_attention({f, 1, 2, 1, 129, 63, 256, true, false, 0, 0.1f});
    run_attention({f, 1, 1, 1, 66, 190, 200, true, true, 3.0f, 0});
  }
  for (const int64_t d : {1, 8, 15, 16, 17, 63, 65, 96, 127, 129, 255})
    run_attention({HD_BF16, 1, 2, 1, 67, 70, d, d % 2 == 0, false, 0, 0, d % 3, d % 5});
  run_attention({HD_BF16, 1, 2, 1, 65, 130, 64, true, false, 0, 0, 3, 24});
  run_attention({HD_BF16, 1, 1, 1, 40, 200, 64, true, false, 0, 0, 0, 0, 300.0f});  // scores of some hundreds: nearly one key per query
  run_attention({HD_BF16, 1, 1, 1, 40, 100, 128, true, false, 0, 0, 0, 0, -1.0f});
  run_attention({HD_BF16, 1, 1, 1, 5, 0, 64, false, false, 0, 0});
  run_attention({HD_BF16, 1, 1, 1, 0, 5, 64, false, false, 0, 0});
}
}  // namespace

int main(int count, char** arguments) {
  cpu = hd_open(0, 0, 1);
  gpu = hd_open(1, 0, 1);
  char text[1024];
  if (cpu == 0 || gpu == 0) {
    hd_last_error(reinterpret_cast<hd_address>(text), sizeof text);
    return std::printf("no backend: %s\n", text), 1;
  }
  const bool all = count < 2 || std::string(arguments[1]) != "attention";
  for (const int32_t f : {HD_F32, HD_BF16, HD_F16}) {
    if (!all) break;
    memory_bound(f, 3, 64, 0);
    memory_bound(f, 5, 37, 3);
    memory_bound(f, 210, 6, 0);
  }
  if (all) {
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
  if (count > 2) only_size = std::stoll(arguments[2]);
  if (count < 2 || std::string(arguments[1]) != "memory") attentions();
  std::printf("%d comparisons, %d failures\n", runs, failures);
  return failures != 0;
}
