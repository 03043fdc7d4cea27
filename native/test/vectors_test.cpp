// word_vectors and glove against their formulas in doubles: awkward sizes, padded rows, repeated ids, guard pages; and what they refuse.
#include "kernel_case.h"

using namespace test;

void vectors();

namespace {

using Table = std::vector<double>;

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// One target and its negatives; the loss.
double target(const std::vector<int>& scored, const double* h, double* gradient, Table& out, int64_t d, double lr) {
  std::vector<double> score(scored.size());
  double loss = 0;
  for (size_t k = 0; k < scored.size(); k++) {
    for (int64_t i = 0; i < d; i++) score[k] += h[i] * out[static_cast<size_t>(scored[k] * d + i)];
  }
  for (size_t k = 0; k < scored.size(); k++) {
    const double g = lr * ((k == 0 ? 1 : 0) - sigmoid(score[k]));
    for (int64_t i = 0; i < d; i++) {
      double& y = out[static_cast<size_t>(scored[k] * d + i)];
      gradient[i] += g * y;
      y += g * h[i];
    }
    loss -= std::log(sigmoid(k == 0 ? score[k] : -score[k]));
  }
  return loss;
}

void word_vectors(int64_t d, int64_t negative_count) {
  context = "word_vectors D" + std::to_string(d) + " K" + std::to_string(negative_count);
  const int64_t R = 9, V = 6, E = 40, NR = 2 * E, P = 3 * E;
  Tensor row_ptr(HD_I32, {E + 1}), rows(HD_I32, {NR}), target_ptr(HD_I32, {E + 1}), targets(HD_I32, {P});
  Tensor negatives(HD_I32, {P, negative_count}), loss(HD_F32, {E});
  Tensor input(HD_F32, {R, d}, Layout::padded), output(HD_F32, {V, d}, Layout::padded);
  input.random(0.5), output.random(0.5);
  for (int64_t e = 0; e <= E; e++) {
    row_ptr.set(e, static_cast<double>(std::min(NR, e * (e % 3 + 1))));
    target_ptr.set(e, static_cast<double>(std::min(P, 3 * e - e % 2)));
  }
  for (int64_t e = 1; e <= E; e++) row_ptr.set(e, std::max(row_ptr[e], row_ptr[e - 1]));
  for (int64_t i = 0; i < NR; i++) rows.set(i, static_cast<double>(i * i % R));
  for (int64_t i = 0; i < P; i++) targets.set(i, static_cast<double>(i * 5 % V));
  for (int64_t i = 0; i < P * negative_count; i++) negatives.set(i, static_cast<double>(i % 5 == 4 ? -1 : (i * i + 1) % V));
  Table in = input.values(), out = output.values(), want(static_cast<size_t>(E));
  for (int64_t e = 0; e < E; e++) {
    const int64_t first = static_cast<int64_t>(row_ptr[e]), last = static_cast<int64_t>(row_ptr[e + 1]);
    const int64_t begin = static_cast<int64_t>(target_ptr[e]), end = static_cast<int64_t>(target_ptr[e + 1]);
    if (first == last || begin == end) continue;
    Table h(static_cast<size_t>(d)), gradient(static_cast<size_t>(d));
    for (int64_t r = first; r < last; r++) {
      for (int64_t i = 0; i < d; i++) {
        h[static_cast<size_t>(i)] += in[static_cast<size_t>(static_cast<int64_t>(rows[r]) * d + i)] / static_cast<double>(last - first);
      }
    }
    for (int64_t p = begin; p < end; p++) {
      std::vector<int> scored{static_cast<int>(targets[p])};
      for (int64_t k = 0; k < negative_count; k++) {
        const int id = static_cast<int>(negatives[p * negative_count + k]);
        if (id >= 0) scored.push_back(id);
      }
      want[static_cast<size_t>(e)] += target(scored, h.data(), gradient.data(), out, d, 0.05);
    }
    for (int64_t r = first; r < last; r++) {
      for (int64_t i = 0; i < d; i++) in[static_cast<size_t>(static_cast<int64_t>(rows[r]) * d + i)] += gradient[static_cast<size_t>(i)];
    }
  }
  run("word_vectors", {&row_ptr, &rows, &target_ptr, &targets, &negatives, &input, &output, &loss}, hd_WordVectorsParams{0.05f, 0});
  const double size = 8 * std::sqrt(static_cast<double>(d + 1));  // f32 sums of d products, 40 examples deep
  for (int64_t i = 0; i < R * d; i++) near("input", i, input, in[static_cast<size_t>(i)], size);
  for (int64_t i = 0; i < V * d; i++) near("output", i, output, out[static_cast<size_t>(i)], size);
  for (int64_t e = 0; e < E; e++) near("loss", e, loss, want[static_cast<size_t>(e)], 4 * size);
}

void glove(int64_t d) {
  context = "glove D" + std::to_string(d);
  const int64_t V = 7, U = 5, N = 37, F = d + 1;
  Tensor row(HD_I32, {N}), column(HD_I32, {N}), count(HD_F32, {N}), loss(HD_F32, {N});
  Tensor word(HD_F32, {V, F}, Layout::padded), other(HD_F32, {U, F}), squares(HD_F32, {V, F}),
      other_squares(HD_F32, {U, F}, Layout::padded);
  word.random(0.5), other.random(0.5), squares.random(0.4, 1), other_squares.random(0.4, 1), count.random(5, 5.1);
  for (int64_t n = 0; n < N; n++) row.set(n, static_cast<double>(n * 3 % V)), column.set(n, static_cast<double>(n * n % U));
  Table u = word.values(), v = other.values(), qu = squares.values(), qv = other_squares.values(), want(static_cast<size_t>(N));
  for (int64_t n = 0; n < N; n++) {
    const size_t a = static_cast<size_t>(static_cast<int64_t>(row[n]) * F), b = static_cast<size_t>(static_cast<int64_t>(column[n]) * F);
    const size_t last = static_cast<size_t>(d);
    double diff = u[a + last] + v[b + last] - std::log(count[n]);
    for (size_t i = 0; i < last; i++) diff += u[a + i] * v[b + i];
    const double f = std::min(1.0, std::pow(count[n] / 6, 0.75)) * diff;
    for (size_t i = 0; i <= last; i++) {
      const double gu = i < last ? f * v[b + i] : f, gv = i < last ? f * u[a + i] : f;
      u[a + i] -= 0.05 * gu / std::sqrt(qu[a + i]), v[b + i] -= 0.05 * gv / std::sqrt(qv[b + i]);
      qu[a + i] += gu * gu, qv[b + i] += gv * gv;
    }
    want[static_cast<size_t>(n)] = f * diff / 2;
  }
  run("glove", {&row, &column, &count, &word, &other, &squares, &other_squares, &loss}, hd_GloveParams{0.05f, 6, 0.75f, 0});
  const double size = 8 * std::sqrt(static_cast<double>(F));
  for (int64_t i = 0; i < V * F; i++) near("word", i, word, u[static_cast<size_t>(i)], size);
  for (int64_t i = 0; i < U * F; i++) near("context", i, other, v[static_cast<size_t>(i)], size);
  for (int64_t i = 0; i < V * F; i++) near("word_squares", i, squares, qu[static_cast<size_t>(i)], 4 * size);
  for (int64_t i = 0; i < U * F; i++) near("context_squares", i, other_squares, qv[static_cast<size_t>(i)], 4 * size);
  for (int64_t n = 0; n < N; n++) near("loss", n, loss, want[static_cast<size_t>(n)], 4 * size);
}

void refusals() {
  context = "vectors errors";
  Tensor starts(HD_I32, {2}), ids(HD_I32, {1}), none(HD_I32, {1, 1}), table(HD_F32, {3, 4}), other(HD_F32, {3, 4}), loss(HD_F32, {1});
  starts.set(0, 0), starts.set(1, 1), ids.fill(2), none.fill(-1), table.fill(0), other.fill(0);
  const std::vector<Tensor*> call{&starts, &ids, &starts, &ids, &none, &table, &other, &loss};
  const hd_WordVectorsParams p{0.05f, 0};
  starts.set(1, 2);
  expect_error("word_vectors", call, p, "row_ptr[1] is 2, expected 0 to 1");
  starts.set(1, 1), ids.fill(3);
  expect_error("word_vectors", call, p, "rows[0] is 3, expected 0 to 2");
  ids.fill(2), none.fill(-2);
  expect_error("word_vectors", call, p, "negatives[0] is -2, expected -1 to 2");
  Tensor narrow(HD_F32, {3, 2});
  narrow.fill(0), none.fill(-1);
  expect_error("word_vectors", {&starts, &ids, &starts, &ids, &none, &table, &narrow, &loss}, p, "last dimensions of input and output");
  Tensor count(HD_F32, {1});
  const hd_GloveParams g{0.05f, 6, 0.75f, 0};
  const std::vector<Tensor*> entries{&ids, &ids, &count, &table, &other, &table, &other, &loss};
  count.fill(0);
  expect_error("glove", entries, g, "count[0] is 0, expected more than 0");
  count.fill(1), ids.fill(-1);
  expect_error("glove", entries, g, "row[0] is -1, expected 0 to 2");
}
}  // namespace

void vectors() {
  for (const int64_t d : {0, 1, 3, 15, 16, 17, 100}) {
    for (const int64_t negatives : {0, 1, 4, 5, 6, 13, 40}) word_vectors(d, negatives);
    glove(d);
  }
  refusals();
}
