// heddle_replay FILE...: re-runs recorded door calls (HD_RECORD) without a JVM and compares the outputs with the recorded ones. Exit
// status: 0 all equal, 1 a call failed or differs, 2 an unreadable file. Built with HEDDLE_SANITIZE it watches every access.
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

int replay(hd_address context, const char* path) {
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
  std::vector<int64_t> params(static_cast<size_t>(params_bytes + 7) / 8);
  in.bytes(params.data(), params_bytes);
  std::vector<hd_tensor> tensors(static_cast<size_t>(n));
  std::vector<hd_address> addresses(static_cast<size_t>(n), 0);
  std::vector<char*> memory(static_cast<size_t>(n), nullptr);
  std::vector<std::vector<char>> expected(static_cast<size_t>(n));
  for (size_t i = 0; i < static_cast<size_t>(n) && in.ok; i++) {
    if (in.value<int32_t>() == 0) continue;
    tensors[i] = in.value<hd_tensor>();
    const auto bytes = in.value<int64_t>();
    const auto lead = in.value<int64_t>();
    memory[i] = static_cast<char*>(std::malloc(static_cast<size_t>(bytes)));  // malloc, so that ASan guards both ends
    in.bytes(memory[i], bytes);
    expected[i].resize(static_cast<size_t>(bytes));
    in.bytes(expected[i].data(), bytes);
    tensors[i].data = reinterpret_cast<hd_address>(memory[i] + lead);
    addresses[i] = reinterpret_cast<hd_address>(&tensors[i]);
  }
  std::fclose(in.file);
  int result = 0;
  if (!in.ok) {
    std::fprintf(stderr, "%s: truncated\n", path);
    result = 2;
  } else if (hd_run(context, op, reinterpret_cast<hd_address>(addresses.data()), n, reinterpret_cast<hd_address>(params.data()),
                    params_bytes) != HD_OK) {
    char text[2048];
    hd_last_error(reinterpret_cast<hd_address>(text), sizeof text);
    std::fprintf(stderr, "%s: %s failed: %s\n", path, name.c_str(), text);
    result = 1;
  } else {
    for (size_t i = 0; i < static_cast<size_t>(n); i++) {
      if (memory[i] != nullptr && std::memcmp(memory[i], expected[i].data(), expected[i].size()) != 0) {
        std::fprintf(stderr, "%s: %s: tensor %zu differs from the recording\n", path, name.c_str(), i);
        result = 1;
      }
    }
  }
  for (char* block : memory) std::free(block);
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fputs("usage: heddle_replay FILE...\n", stderr), 2;
  const hd_address context = hd_open(0, 0, 0);
  int worst = 0;
  for (int i = 1; i < argc; i++) {
    const int result = replay(context, argv[i]);
    worst = result > worst ? result : worst;
  }
  std::printf("%d calls replayed, %s\n", argc - 1, worst == 0 ? "all equal to the recording" : "with differences");
  hd_close(context);
  return worst;
}
