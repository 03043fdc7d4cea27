// Writes the Java side of ops.def and params.def: OpCode.java and Params.java. Built and run by the native build, which fails when the
// committed files differ (tools/check_generated.cmake tells how to renew them).
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "heddle/heddle.h"
#include "heddle/params.h"

namespace {

struct Field {
  const char* type;
  const char* name;
  const char* doc;
  size_t offset;
};

struct Record {
  const char* name;
  const char* doc;
  size_t bytes;
  std::vector<Field> fields;
};

struct Row {
  const char* name;
  const char* params;
  const char* signature;
};

std::vector<Record> records() {
  std::vector<Record> all;
#define HD_PARAMS(Name, doc)     \
  {                              \
    using S = hd_##Name##Params; \
    all.push_back({#Name, doc, sizeof(S), {
#define HD_I32(field, doc) {"int", #field, doc, offsetof(S, field)},
#define HD_F32(field, doc) {"float", #field, doc, offsetof(S, field)},
#define HD_I64(field, doc) {"long", #field, doc, offsetof(S, field)},
#define HD_F64(field, doc) {"double", #field, doc, offsetof(S, field)},
#define HD_END(Name) \
  }                  \
  });                \
  }
#include "heddle/params.def"
#undef HD_PARAMS
#undef HD_I32
#undef HD_F32
#undef HD_I64
#undef HD_F64
#undef HD_END
  return all;
}

std::vector<Row> rows() {
  return {
#define HD_OP(name, Params, signature) {#name, #Params, signature},
#include "heddle/ops.def"
#undef HD_OP
  };
}

std::string camel(const char* name) {
  std::string out;
  bool up = false;
  for (const char* c = name; *c; c++) {
    if (*c == '_') {
      up = true;
    } else {
      out += up ? static_cast<char>(*c - 'a' + 'A') : *c;
      up = false;
    }
  }
  return out;
}

std::string upper(const char* name) {
  std::string out;
  for (const char* c = name; *c; c++) out += *c >= 'a' && *c <= 'z' ? static_cast<char>(*c - 'a' + 'A') : *c;
  return out;
}

const char* setter(const char* type) {
  if (std::strcmp(type, "int") == 0) return "JAVA_INT";
  if (std::strcmp(type, "double") == 0) return "JAVA_DOUBLE";
  return std::strcmp(type, "float") == 0 ? "JAVA_FLOAT" : "JAVA_LONG";
}

const char* const kHeader =
    "// Generated from native/include/heddle/*.def by the native build (heddle_ops_gen). Do not edit.\npackage io.heddle.op;\n\n";

void write_ops(std::FILE* out) {
  std::fputs(kHeader, out);
  std::fputs("/** Every op of the door, in the order of {@code ops.def}, which holds each one's contract. */\npublic enum OpCode {\n", out);
  const std::vector<Row> all = rows();
  for (size_t i = 0; i < all.size(); i++) {
    std::fprintf(out, "  /** {@code %s}: {@code %s}. */\n", all[i].name, all[i].signature);
    std::fprintf(out, "  %s(\n      \"%s\",\n      Params.%s.BYTES,\n      \"%s\")%s\n", upper(all[i].name).c_str(), all[i].name,
                 all[i].params, all[i].signature, i + 1 == all.size() ? ";" : ",");
  }
  std::fprintf(out,
               "\n  /** The version of the C ABI that this table belongs to. */\n  public static final int ABI_VERSION = %d;\n\n"
               "  private final String opName;\n  private final int paramsBytes;\n  private final Signature signature;\n\n"
               "  OpCode(String opName, int paramsBytes, String signature) {\n    this.opName = opName;\n"
               "    this.paramsBytes = paramsBytes;\n    this.signature = Signature.parse(signature);\n  }\n\n"
               "  /** The name in {@code ops.def}. */\n  public String opName() {\n    return opName;\n  }\n\n"
               "  /** Size of the C parameter struct, in bytes. */\n  public int paramsBytes() {\n    return paramsBytes;\n  }\n\n"
               "  /** Names of the tensors the op takes. */\n  public Signature signature() {\n    return signature;\n  }\n}\n",
               HD_ABI_VERSION);
}

void write_params(std::FILE* out) {
  std::fputs(kHeader, out);
  std::fputs(
      "import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;\nimport static java.lang.foreign.ValueLayout.JAVA_FLOAT;\n"
      "import static java.lang.foreign.ValueLayout.JAVA_INT;\nimport static java.lang.foreign.ValueLayout.JAVA_LONG;\n\nimport "
      "java.lang.foreign.MemorySegment;\n\n"
      "/** The parameters of the ops: one record per struct of {@code params.def}. */\npublic sealed interface Params {\n"
      "  /** Size of the C struct, in bytes. */\n  int bytes();\n\n"
      "  /** Writes the C struct to the start of {@code to}, which must hold {@link #bytes()} bytes and be 8-byte aligned. */\n"
      "  void writeTo(MemorySegment to);\n",
      out);
  for (const Record& r : records()) {
    std::fprintf(out, "\n  /**\n   * %s.\n   *\n", r.doc);
    for (const Field& f : r.fields) {
      if (std::strcmp(f.name, "reserved") != 0) std::fprintf(out, "   * @param %s %s\n", camel(f.name).c_str(), f.doc);
    }
    std::fprintf(out, "   */\n  record %s(", r.name);
    bool first = true;
    for (const Field& f : r.fields) {
      if (std::strcmp(f.name, "reserved") == 0) continue;
      std::fprintf(out, "%s%s %s", first ? "" : ", ", f.type, camel(f.name).c_str());
      first = false;
    }
    std::fprintf(out, ") implements Params {\n    /** Size of the C struct. */\n    public static final int BYTES = %zu;\n\n", r.bytes);
    std::fputs("    @Override\n    public int bytes() {\n      return BYTES;\n    }\n\n", out);
    std::fputs("    @Override\n    public void writeTo(MemorySegment to) {\n", out);
    for (const Field& f : r.fields) {
      const bool reserved = std::strcmp(f.name, "reserved") == 0;
      std::fprintf(out, "      to.set(%s, %zu, %s);\n", setter(f.type), f.offset, reserved ? "0" : camel(f.name).c_str());
    }
    std::fputs("    }\n  }\n", out);
  }
  std::fputs("}\n", out);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: heddle_ops_gen FOLDER\n", stderr);
    return 2;
  }
  const std::string folder = argv[1];
  void (*const writers[])(std::FILE*) = {write_ops, write_params};
  const char* const names[] = {"/OpCode.java", "/Params.java"};
  for (int i = 0; i < 2; i++) {
    std::FILE* out = std::fopen((folder + names[i]).c_str(), "w");
    if (out == nullptr) return 1;
    writers[i](out);
    std::fclose(out);
  }
  return 0;
}
