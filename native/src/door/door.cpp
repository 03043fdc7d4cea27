// The door: checks what every backend would have to check, and forwards. See heddle.h for the contract of each function.
#include <dlfcn.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

#include "door/backend.h"
#include "door/record.h"

namespace {

struct OpRow {
  const char* name;
  const char* signature;
  int64_t params_bytes;
  std::vector<std::string> tensors;  // names, '?' and '*' kept
  int32_t list;                      // index of the '*' entry, or -1
};

std::vector<std::string> split_signature(const std::string& signature) {
  std::vector<std::string> names;
  size_t at = 0;
  while (at < signature.size()) {
    size_t end = signature.find(' ', at);
    if (end == std::string::npos) end = signature.size();
    const std::string word = signature.substr(at, end - at);
    if (word != "->" && !word.empty()) names.push_back(word);
    at = end + 1;
  }
  return names;
}

const std::vector<OpRow>& ops() {
  static const std::vector<OpRow> rows = [] {
    std::vector<OpRow> table = {
#define HD_OP(name, P, signature) {#name, signature, static_cast<int64_t>(sizeof(hd_##P##Params)), {}, -1},
#include "heddle/ops.def"
#undef HD_OP
    };
    for (OpRow& row : table) {
      row.tensors = split_signature(row.signature);
      for (size_t i = 0; i < row.tensors.size(); i++) {
        if (row.tensors[i].back() == '*') row.list = static_cast<int32_t>(i);
      }
    }
    return table;
  }();
  return rows;
}

hd_status host_fail(hd_status status, const char* format, va_list arguments) { return hd::vfail(status, format, arguments); }

// The plugin lies beside this library unless HD_CUDA_LIBRARY names it. A missing one is no error: it is a reason in probe's text.
struct Plugins {
  std::vector<const hd_backend*> backends;
  std::string cuda_reason;
};

std::string own_folder() {
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(&hd_abi_version), &info) == 0 || info.dli_fname == nullptr) return "";
  const std::string file = info.dli_fname;
  const size_t slash = file.rfind('/');
  return slash == std::string::npos ? "" : file.substr(0, slash + 1);
}

const Plugins& plugins() {
  static const Plugins loaded = [] {
    Plugins p;
    p.backends.push_back(hd::cpu_backend());
    const char* named = std::getenv("HD_CUDA_LIBRARY");
    const std::string file = named != nullptr ? named : own_folder() + "libheddle_cuda.so";
    void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      p.cuda_reason = "the CUDA plugin is not in this build (libheddle_cuda.so was not found; it is built where nvcc is)";
      if (named != nullptr) p.cuda_reason = std::string("the CUDA plugin could not be loaded: ") + dlerror();
      return p;
    }
    using Entry = const hd_backend* (*)(const hd_host*);
    auto entry = reinterpret_cast<Entry>(dlsym(library, "hd_plugin"));
    static const hd_host host = {HD_ABI_VERSION, host_fail};
    const hd_backend* backend = entry == nullptr ? nullptr : entry(&host);
    if (backend == nullptr || backend->abi != HD_ABI_VERSION) {
      p.cuda_reason = "the CUDA plugin " + file + " has another ABI version than this library (" + std::to_string(HD_ABI_VERSION) + ")";
      return p;
    }
    p.backends.push_back(backend);
    return p;
  }();
  return loaded;
}

struct Context {
  const hd_backend* backend;
  void* inner;
  std::atomic<bool> careful;  // wait after every op
};

Context* context_of(hd_address address) { return reinterpret_cast<Context*>(address); }

hd_status check_backend(int32_t backend) {
  if (backend < 0 || backend >= hd_backend_count()) return hd::fail(HD_INVALID, "no backend %d", backend);
  return HD_OK;
}

const std::string& name_at(const OpRow& row, int32_t index, int32_t n) {
  const int32_t extra = n - static_cast<int32_t>(row.tensors.size());
  int32_t at = index;
  if (row.list >= 0 && index > row.list) at = index <= row.list + extra ? row.list : index - extra;
  return row.tensors[static_cast<size_t>(at)];
}

hd_status check_call(const OpRow& row, const hd_tensor* const* tensors, int32_t n, int64_t bytes) {
  if (bytes != row.params_bytes) {
    return hd::fail(HD_INVALID, "%s: params of %lld bytes, expected %lld", row.name, static_cast<long long>(bytes),
                    static_cast<long long>(row.params_bytes));
  }
  const int32_t names = static_cast<int32_t>(row.tensors.size());
  if (row.list < 0 ? n != names : n < names) {
    return hd::fail(HD_INVALID, "%s: %d tensors, expected %s%d (%s)", row.name, n, row.list < 0 ? "" : "at least ", names, row.signature);
  }
  for (int32_t i = 0; i < n; i++) {
    const std::string& name = name_at(row, i, n);
    const hd_tensor* t = tensors[i];
    if (t == nullptr) {
      if (name.back() != '?') return hd::fail(HD_INVALID, "%s: tensor '%s' is required", row.name, name.c_str());
      continue;
    }
    if (t->rank < 0 || t->rank > HD_MAX_RANK || hd::dtype_bytes(t->dtype) == 0) {
      return hd::fail(HD_INVALID, "%s: tensor '%s' has rank %d and dtype %d", row.name, name.c_str(), t->rank, t->dtype);
    }
    int64_t elements = 1;
    for (int32_t d = 0; d < t->rank; d++) {
      if (t->shape[d] < 0) return hd::fail(HD_INVALID, "%s: tensor '%s' has a negative dimension", row.name, name.c_str());
      elements *= t->shape[d];
    }
    if (t->data == 0 && elements > 0) return hd::fail(HD_INVALID, "%s: tensor '%s' has no memory", row.name, name.c_str());
  }
  return HD_OK;
}

}  // namespace

namespace hd {
std::string tensor_name(int32_t op, int32_t index, int32_t n) { return name_at(ops()[static_cast<size_t>(op)], index, n); }
}  // namespace hd

extern "C" {

int32_t hd_abi_version(void) { return HD_ABI_VERSION; }

// CPU and CUDA are always listed, so that a missing plugin has a place for its reason.
int32_t hd_backend_count(void) { return 2; }

int64_t hd_backend_name(int32_t backend, hd_address text, int64_t capacity) {
  if (check_backend(backend) != HD_OK) return 0;
  return hd::copy_text(backend == 0 ? "cpu" : "cuda", text, capacity);
}

int32_t hd_backend_probe(int32_t backend, hd_address text, int64_t capacity) {
  if (check_backend(backend) != HD_OK) return HD_INVALID;
  const Plugins& p = plugins();
  if (static_cast<size_t>(backend) >= p.backends.size()) {
    hd::copy_text(p.cuda_reason, text, capacity);
    return HD_DEVICE;
  }
  return p.backends[static_cast<size_t>(backend)]->probe(reinterpret_cast<char*>(text), capacity);
}

int64_t hd_backend_describe(int32_t backend, hd_address text, int64_t capacity) {
  if (check_backend(backend) != HD_OK) return 0;
  const Plugins& p = plugins();
  if (static_cast<size_t>(backend) >= p.backends.size()) return hd::copy_text("{}", text, capacity);
  return p.backends[static_cast<size_t>(backend)]->describe(reinterpret_cast<char*>(text), capacity);
}

int32_t hd_op_count(void) { return HD_OP_COUNT; }

int64_t hd_op_name(int32_t op, hd_address text, int64_t capacity) {
  return op < 0 || op >= HD_OP_COUNT ? 0 : hd::copy_text(ops()[static_cast<size_t>(op)].name, text, capacity);
}

int64_t hd_op_signature(int32_t op, hd_address text, int64_t capacity) {
  return op < 0 || op >= HD_OP_COUNT ? 0 : hd::copy_text(ops()[static_cast<size_t>(op)].signature, text, capacity);
}

int64_t hd_op_params_bytes(int32_t op) { return op < 0 || op >= HD_OP_COUNT ? -1 : ops()[static_cast<size_t>(op)].params_bytes; }

int32_t hd_op_supported(int32_t backend, int32_t op) {
  const Plugins& p = plugins();
  if (backend < 0 || static_cast<size_t>(backend) >= p.backends.size() || op < 0 || op >= HD_OP_COUNT) return 0;
  return p.backends[static_cast<size_t>(backend)]->supported(op);
}

hd_address hd_open(int32_t backend, int32_t device, int32_t threads) {
  char reason[512];
  if (check_backend(backend) != HD_OK) return 0;
  if (hd_backend_probe(backend, reinterpret_cast<hd_address>(reason), sizeof reason) != HD_OK) {
    hd::fail(HD_DEVICE, "%s", reason);
    return 0;
  }
  const hd_backend* table = plugins().backends[static_cast<size_t>(backend)];
  void* inner = table->open(device, threads);
  if (inner == nullptr) return 0;
  const char* careful = std::getenv("HD_SYNC");
  return reinterpret_cast<hd_address>(new Context{table, inner, careful != nullptr && std::strcmp(careful, "1") == 0});
}

int32_t hd_close(hd_address context) {
  if (context == 0) return hd::fail(HD_INVALID, "hd_close: no context");
  Context* c = context_of(context);
  c->backend->close(c->inner);
  delete c;
  return HD_OK;
}

int32_t hd_use_threads(hd_address context) {
  if (context == 0) return hd::fail(HD_INVALID, "hd_use_threads: no context");
  Context* c = context_of(context);
  if (c->backend->use_threads != nullptr) c->backend->use_threads(c->inner);
  return HD_OK;
}

hd_address hd_stream(hd_address context) {
  if (context == 0) return hd::fail(HD_INVALID, "hd_stream: no context"), 0;
  Context* c = context_of(context);
  return c->backend->stream == nullptr ? 0 : reinterpret_cast<hd_address>(c->backend->stream(c->inner));
}

int32_t hd_careful(hd_address context, int32_t careful) {
  if (context == 0) return hd::fail(HD_INVALID, "hd_careful: no context");
  context_of(context)->careful = careful != 0;
  return HD_OK;
}

hd_address hd_alloc(hd_address context, int64_t bytes) {
  if (context == 0 || bytes < 0) {
    hd::fail(HD_INVALID, "hd_alloc: no context or %lld bytes", static_cast<long long>(bytes));
    return 0;
  }
  Context* c = context_of(context);
  return reinterpret_cast<hd_address>(c->backend->alloc(c->inner, bytes));
}

int32_t hd_free(hd_address context, hd_address data) {
  if (context == 0) return hd::fail(HD_INVALID, "hd_free: no context");
  Context* c = context_of(context);
  return c->backend->free(c->inner, reinterpret_cast<void*>(data));
}

int32_t hd_copy(hd_address context, hd_address to, hd_address from, int64_t bytes) {
  if (context == 0 || bytes < 0) return hd::fail(HD_INVALID, "hd_copy: no context or %lld bytes", static_cast<long long>(bytes));
  Context* c = context_of(context);
  return c->backend->copy(c->inner, reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), bytes);
}

int32_t hd_fill(hd_address context, hd_address data, int32_t byte, int64_t bytes) {
  if (context == 0 || bytes < 0) return hd::fail(HD_INVALID, "hd_fill: no context or %lld bytes", static_cast<long long>(bytes));
  Context* c = context_of(context);
  return c->backend->fill(c->inner, reinterpret_cast<void*>(data), byte, bytes);
}

int32_t hd_sync(hd_address context) {
  if (context == 0) return hd::fail(HD_INVALID, "hd_sync: no context");
  Context* c = context_of(context);
  return c->backend->sync(c->inner);
}

int32_t hd_capture_begin(hd_address context) {
  if (context == 0) return hd::fail(HD_INVALID, "hd_capture_begin: no context");
  Context* c = context_of(context);
  if (c->backend->capture_begin == nullptr) return hd::fail(HD_UNSUPPORTED, "the backend '%s' cannot record", c->backend->name);
  if (c->careful) return hd::fail(HD_UNSUPPORTED, "nothing can be recorded while every op is waited for (HD_SYNC=1, -Dheddle.sync=true)");
  return c->backend->capture_begin(c->inner);
}

int32_t hd_capture_end(hd_address context, hd_address recording) {
  if (context == 0) return hd::fail(HD_INVALID, "hd_capture_end: no context");
  Context* c = context_of(context);
  if (c->backend->capture_end == nullptr) return hd::fail(HD_UNSUPPORTED, "the backend '%s' cannot record", c->backend->name);
  return c->backend->capture_end(c->inner, reinterpret_cast<void**>(recording));
}

int32_t hd_replay(hd_address context, hd_address recording) {
  if (context == 0 || recording == 0) return hd::fail(HD_INVALID, "hd_replay: no context or no recording");
  Context* c = context_of(context);
  if (c->backend->replay == nullptr) return hd::fail(HD_UNSUPPORTED, "the backend '%s' cannot record", c->backend->name);
  return c->backend->replay(c->inner, reinterpret_cast<void*>(recording));
}

int32_t hd_forget(hd_address context, hd_address recording) {
  if (context == 0 || recording == 0) return hd::fail(HD_INVALID, "hd_forget: no context or no recording");
  Context* c = context_of(context);
  if (c->backend->forget == nullptr) return hd::fail(HD_UNSUPPORTED, "the backend '%s' cannot record", c->backend->name);
  return c->backend->forget(c->inner, reinterpret_cast<void*>(recording));
}

int32_t hd_run(hd_address context, int32_t op, hd_address tensors, int32_t n, hd_address params, int64_t bytes) {
  if (context == 0) return hd::fail(HD_INVALID, "hd_run: no context");
  if (op < 0 || op >= HD_OP_COUNT) return hd::fail(HD_INVALID, "hd_run: no op %d (there are %d)", op, HD_OP_COUNT);
  const OpRow& row = ops()[static_cast<size_t>(op)];
  auto list = reinterpret_cast<const hd_tensor* const*>(tensors);
  auto values = reinterpret_cast<const void*>(params);
  if (hd_status status = check_call(row, list, n, bytes); status != HD_OK) return status;
  Context* c = context_of(context);
  const bool record = hd::recording();
  if (record) hd::record_call(op, list, n, values, bytes, false);
  hd_status status = c->backend->run(c->inner, op, list, n, values);
  if (status == HD_OK && c->careful.load(std::memory_order_relaxed)) status = c->backend->sync(c->inner);
  if (status != HD_OK) {
    for (int32_t i = 0; i < n; i++) {
      if (list[i] != nullptr) hd::append_cause("  %s: %s", hd::tensor_name(op, i, n).c_str(), hd::describe(*list[i]).c_str());
    }
    hd::append_cause("in %s on %s", row.name, c->backend->name);
  }
  if (record && status == HD_OK) hd::record_call(op, list, n, values, bytes, true);
  return status;
}
}
