// heddle_replay [--backend cuda [--graph]] [--repeat N] FILE...: re-runs recorded door calls (HD_RECORD) without a JVM and compares the
// outputs with the recorded ones; with --repeat each then runs N times more, one after the other, and the time of a call is printed. Exit
// status: 0 all equal, 1 a call failed or differs, 2 an unreadable file; calls of ops that the backend lacks are counted. Built with
// HEDDLE_SANITIZE it watches every access. Calls recorded on the CPU run on a GPU from copies in its memory; outputs then agree when they
// are within a hundredth of their largest entry (a twentieth with 16 bits): a check that the call is the same call, no measure of accuracy.
// With --graph each call is then recorded and replayed on the same inputs (hd_capture_begin), and must leave the same bits as before; calls
// that cannot be recorded are counted.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "heddle/heddle.h"

namespace {

struct Reader {
  std::FILE* file;
  bool ok = true;

  void bytes(void* to, int64_t n) { ok = ok && (n == 0 || std::fread(to, static_cast<size_t>(n), 1, file) == 1); }
  template <class T>
  T value() {
    T v{};
    bytes(&v, sizeof v);
    return v;
  }
};

int32_t op_named(const std::string& name) {
  for (int32_t op = 0; op < hd_op_count(); op++) {
    char text[64];
    hd_op_name(op, reinterpret_cast<hd_address>(text), sizeof text);
    if (name == text) return op;
  }
  return -1;
}

struct Place {
  hd_address context;
  bool gpu, graph;
  int64_t repeat;
};

struct Call {
  int32_t op, n;
  hd_address tensors, params;
  int64_t params_bytes;

  bool run(const Place& place) const { return hd_run(place.context, op, tensors, n, params, params_bytes) == HD_OK; }
};

// Microseconds of a call, the median of seven runs.
double time(const Place& place, const Call& call) {
  double runs[7];
  for (double& micros : runs) {
    hd_sync(place.context);
    const auto start = std::chrono::steady_clock::now();
    for (int64_t i = 0; i < place.repeat; i++) call.run(place);
    hd_sync(place.context);
    micros =
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count() / static_cast<double>(place.repeat);
  }
  std::sort(runs, runs + 7);
  return runs[3];
}

std::string last_error() {
  char text[2048];
  hd_last_error(reinterpret_cast<hd_address>(text), sizeof text);
  return text;
}

// The call as a recording that is replayed once.
hd_status record(const Place& place, const Call& call) {
  hd_address recording = 0;
  auto status = static_cast<hd_status>(hd_capture_begin(place.context));
  if (status != HD_OK) return status;
  const bool whole = call.run(place);
  status = static_cast<hd_status>(hd_capture_end(place.context, whole ? reinterpret_cast<hd_address>(&recording) : 0));
  if (!whole) return HD_UNSUPPORTED;
  if (status != HD_OK) return status;
  status = static_cast<hd_status>(hd_replay(place.context, recording));
  if (status == HD_OK) status = static_cast<hd_status>(hd_sync(place.context));
  hd_forget(place.context, recording);
  return status;
}

double element(const hd_tensor& t, const char* bytes, int64_t at) {
  const auto bits16 = [&] {
    uint16_t bits;
    std::memcpy(&bits, bytes + 2 * at, 2);
    return bits;
  };
  float f = 0;
  switch (t.dtype) {
    case HD_F32:
      std::memcpy(&f, bytes + 4 * at, 4);
      return static_cast<double>(f);
    case HD_BF16: {
      const uint32_t bits = static_cast<uint32_t>(bits16()) << 16;
      std::memcpy(&f, &bits, 4);
      return static_cast<double>(f);
    }
    case HD_F16: {
      const uint16_t bits = bits16();
      const int exponent = bits >> 10 & 31, fraction = bits & 1023;
      const double size = exponent == 31  ? (fraction == 0 ? INFINITY : NAN)
                          : exponent == 0 ? std::ldexp(fraction, -24)
                                          : std::ldexp(1024 + fraction, exponent - 25);
      return bits >> 15 != 0 ? -size : size;
    }
    case HD_F64: {
      double value;
      std::memcpy(&value, bytes + 8 * at, 8);
      return value;
    }
    case HD_I32: {
      int32_t value;
      std::memcpy(&value, bytes + 4 * at, 4);
      return value;
    }
    default:
      return static_cast<double>(static_cast<unsigned char>(bytes[at]));
  }
}

int64_t width(const hd_tensor& t) {
  static const int64_t bytes[] = {4, 2, 2, 8, 4, 8, 1};
  return t.dtype >= 0 && t.dtype <= HD_U8 ? bytes[t.dtype] : 1;
}

// Whether two images of a tensor's span hold the same values, as far as another device's rounding allows.
bool alike(const hd_tensor& t, const std::vector<char>& found, const std::vector<char>& expected) {
  if (t.dtype == HD_I64) return found == expected;  // bit masks
  const auto n = static_cast<int64_t>(expected.size()) / width(t);
  double largest = 1e-2;
  for (int64_t i = 0; i < n; i++) {
    const double x = std::fabs(element(t, expected.data(), i));
    if (std::isfinite(x)) largest = std::max(largest, x);
  }
  const double allowed = largest * (t.dtype == HD_BF16 || t.dtype == HD_F16 ? 5e-2 : 1e-2);
  for (int64_t i = 0; i < n; i++) {
    const double x = element(t, found.data(), i), y = element(t, expected.data(), i);
    if (!(x == y || (std::isnan(x) && std::isnan(y)) || std::fabs(x - y) <= allowed)) return false;
  }
  return true;
}

int unrecorded = 0, lacking = 0;

int replay(const Place& place, const char* path) {
  Reader in{std::fopen(path, "rb")};
  if (in.file == nullptr) return std::fprintf(stderr, "%s: cannot be opened\n", path), 2;
  char magic[8];
  in.bytes(magic, 8);
  std::string name(static_cast<size_t>(in.ok && std::memcmp(magic, "HDREC1\n", 8) == 0 ? in.value<int32_t>() & 63 : 0), ' ');
  in.bytes(name.data(), static_cast<int64_t>(name.size()));
  const int32_t op = op_named(name);
  const auto n = in.value<int32_t>();
  const auto params_bytes = in.value<int64_t>();
  if (!in.ok || op < 0 || n < 0 || n > 4096 || params_bytes < 0 || params_bytes > 4096) {
    std::fclose(in.file);
    return std::fprintf(stderr, "%s: not a recorded call\n", path), 2;
  }
  if (hd_op_supported(place.gpu ? 1 : 0, op) == 0) {
    std::fclose(in.file);
    lacking++;
    return 0;
  }
  std::vector<int64_t> params(static_cast<size_t>(params_bytes + 7) / 8);
  in.bytes(params.data(), params_bytes);
  std::vector<hd_tensor> tensors(static_cast<size_t>(n));
  std::vector<hd_address> addresses(static_cast<size_t>(n), 0);
  std::vector<char*> memory(static_cast<size_t>(n), nullptr);
  std::vector<hd_address> blocks(static_cast<size_t>(n), 0);  // copies on the GPU
  std::vector<std::vector<char>> expected(static_cast<size_t>(n)), before(static_cast<size_t>(n));
  for (size_t i = 0; i < static_cast<size_t>(n) && in.ok; i++) {
    if (in.value<int32_t>() == 0) continue;
    tensors[i] = in.value<hd_tensor>();
    const auto bytes = in.value<int64_t>();
    const auto lead = in.value<int64_t>();
    memory[i] = static_cast<char*>(std::malloc(static_cast<size_t>(bytes)));  // malloc, so that ASan guards both ends
    in.bytes(memory[i], bytes);
    if (place.graph) before[i].assign(memory[i], memory[i] + bytes);
    expected[i].resize(static_cast<size_t>(bytes));
    in.bytes(expected[i].data(), bytes);
    tensors[i].data = reinterpret_cast<hd_address>(memory[i] + lead);
    addresses[i] = reinterpret_cast<hd_address>(&tensors[i]);
    if (place.gpu) {
      blocks[i] = hd_alloc(place.context, bytes);
      hd_copy(place.context, blocks[i], reinterpret_cast<hd_address>(memory[i]), bytes);
      tensors[i].data = blocks[i] + lead;
      tensors[i].device = 0;
    }
  }
  std::fclose(in.file);
  const Call call = {op, n, reinterpret_cast<hd_address>(addresses.data()), reinterpret_cast<hd_address>(params.data()), params_bytes};
  int result = 0;
  if (!in.ok) {
    std::fprintf(stderr, "%s: truncated\n", path);
    result = 2;
  } else if (!call.run(place) || hd_sync(place.context) != HD_OK) {
    std::fprintf(stderr, "%s: %s failed: %s\n", path, name.c_str(), last_error().c_str());
    result = 1;
  } else {
    for (size_t i = 0; i < static_cast<size_t>(n); i++) {
      if (memory[i] == nullptr) continue;
      const auto bytes = static_cast<int64_t>(expected[i].size());
      if (place.gpu) hd_copy(place.context, reinterpret_cast<hd_address>(memory[i]), blocks[i], bytes);
      const std::vector<char> found(memory[i], memory[i] + bytes);
      if (place.gpu ? !alike(tensors[i], found, expected[i]) : found != expected[i]) {
        std::fprintf(stderr, "%s: %s: tensor %zu differs from the recording\n", path, name.c_str(), i);
        result = 1;
      }
    }
    for (size_t i = 0; i < before.size(); i++) {
      if (!before[i].empty()) {
        hd_copy(place.context, blocks[i], reinterpret_cast<hd_address>(before[i].data()), static_cast<int64_t>(before[i].size()));
      }
    }
    const hd_status status = place.graph ? record(place, call) : HD_OK;
    if (status == HD_UNSUPPORTED || status == HD_NO_MEMORY) {
      std::printf("%s: %s: not recorded: %s\n", path, name.c_str(), last_error().c_str());
      unrecorded++;
    } else if (status != HD_OK) {
      std::fprintf(stderr, "%s: %s failed as a recording: %s\n", path, name.c_str(), last_error().c_str());
      result = 1;
    }
    for (size_t i = 0; i < before.size() && place.graph && status == HD_OK; i++) {
      const auto bytes = static_cast<int64_t>(before[i].size());
      hd_copy(place.context, reinterpret_cast<hd_address>(before[i].data()), blocks[i], bytes);
      if (std::memcmp(before[i].data(), memory[i], before[i].size()) != 0) {
        std::fprintf(stderr, "%s: %s: tensor %zu of the recording differs\n", path, name.c_str(), i);
        result = 1;
      }
    }
    if (place.repeat > 0) std::printf("%s: %s: %.3f us per call\n", path, name.c_str(), time(place, call));
  }
  for (const hd_address block : blocks) {
    if (block != 0) hd_free(place.context, block);
  }
  for (char* block : memory) std::free(block);
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  int first = 1;
  const auto option = [&](const char* name) -> const char* {
    if (argc <= first + 1 || std::strcmp(argv[first], name) != 0) return nullptr;
    first += 2;
    return argv[first - 1];
  };
  const char* const backend = option("--backend");
  const bool graph = argc > first && std::strcmp(argv[first], "--graph") == 0;
  first += graph;
  const char* const repeat = option("--repeat");
  const bool gpu = backend != nullptr && std::strcmp(backend, "cuda") == 0;
  if (argc <= first || std::strncmp(argv[first], "--", 2) == 0 || (backend != nullptr && !gpu) || (graph && !gpu))
    return std::fputs("usage: heddle_replay [--backend cuda [--graph]] [--repeat N] FILE...\n", stderr), 2;
  const Place place = {hd_open(gpu ? 1 : 0, 0, 0), gpu, graph, repeat == nullptr ? 0 : std::atoll(repeat)};
  if (place.context == 0) return std::fprintf(stderr, "heddle_replay: %s\n", last_error().c_str()), 1;
  int worst = 0;
  for (int i = first; i < argc; i++) {
    const int result = replay(place, argv[i]);
    worst = result > worst ? result : worst;
  }
  const char* same = gpu ? "all close to the recording" : "all equal to the recording";
  const int calls = argc - first - lacking;
  std::printf("%d calls replayed, %s\n", calls, worst == 0 ? same : "with differences");
  if (lacking > 0) std::printf("%d of ops that this backend does not have\n", lacking);
  if (graph) std::printf("%d of them recorded and replayed\n", calls - unrecorded);
  hd_close(place.context);
  return worst;
}
