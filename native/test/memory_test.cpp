// Host memory through the door: no two blocks overlap, whatever comes and goes and from whichever thread, and pages once touched serve
// later blocks of other sizes.
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "heddle/heddle.h"

namespace {

std::atomic<int> failures = 0;  // of all threads: kernel_case.h counts those of one

void expect(bool good, const std::string& what) {
  if (good) return;
  failures++;
  std::printf("FAILED %s\n", what.c_str());
}

double resident_mb() {
  long pages = 0;
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (std::fscanf(file, "%*d %ld", &pages) != 1) expect(false, "/proc/self/statm cannot be read");
  std::fclose(file);
  return static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE)) * 1e-6;
}

struct Block {
  char* data;
  int64_t bytes;
  char mark;
};

// Marks both ends and one byte of each page: a neighbour's head or data over it would show.
void mark(const Block& block) {
  for (int64_t i = 0; i < block.bytes; i += 4096) block.data[i] = block.mark;
  block.data[block.bytes - 1] = block.mark;
}

bool intact(const Block& block) {
  for (int64_t i = 0; i < block.bytes; i += 4096) {
    if (block.data[i] != block.mark) return false;
  }
  return block.data[block.bytes - 1] == block.mark;
}

Block take(hd_address cpu, int64_t bytes, char mark_with) {
  const Block block = {reinterpret_cast<char*>(hd_alloc(cpu, bytes)), bytes, mark_with};
  expect(block.data != nullptr && reinterpret_cast<uintptr_t>(block.data) % 64 == 0,
         std::to_string(bytes) + " bytes are had, aligned to 64");
  mark(block);
  return block;
}

void give(hd_address cpu, const Block& block) { hd_free(cpu, reinterpret_cast<hd_address>(block.data)); }

void come_and_go(hd_address cpu, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<Block> held;
  for (int i = 0; i < 20000; i++) {
    if (held.size() < 40 || (held.size() < 80 && random() % 2 == 0)) {
      // Bytes to 8 MiB, as many small as large, and the borders of the two kinds.
      int64_t bytes = 1 + random() % (int64_t{1} << (random() % 24));
      if (random() % 16 == 0) bytes = (int64_t{1} << 20) - 130 + random() % 260;
      held.push_back(take(cpu, bytes, static_cast<char>(random())));
    } else {
      const size_t at = random() % held.size();
      expect(intact(held[at]), "a block of " + std::to_string(held[at].bytes) + " bytes is as it was written");
      give(cpu, held[at]);
      held[at] = held.back();
      held.pop_back();
    }
  }
  for (const Block& block : held) give(cpu, block);
}

void touch_all(hd_address cpu, int64_t bytes, int count, const std::string& what, double most_mb) {
  const double before = resident_mb();
  std::vector<Block> held;
  for (int i = 0; i < count; i++) held.push_back(take(cpu, bytes, static_cast<char>(i)));
  const double grown = resident_mb() - before;
  std::printf("%s: %.0f MB more\n", what.c_str(), grown);
  expect(grown < most_mb, what + ": " + std::to_string(grown) + " MB more, at most " + std::to_string(most_mb));
  for (const Block& block : held) give(cpu, block);
}

// A hole that is larger than what is left of its region is used before that is touched.
void holes_first(hd_address cpu) {
  const int64_t mib = int64_t{1} << 20;
  const Block hole = take(cpu, 500 * mib, 1);
  const Block behind = take(cpu, 150 * mib, 2);
  give(cpu, hole);
  touch_all(cpu, 50 * mib, 8, "eight blocks of 50 MiB beside a hole of 500", 5);
  touch_all(cpu, 500 * mib, 1, "and the hole whole", 5);
  expect(intact(behind), "what stood behind the hole is as it was written");
  give(cpu, behind);
}

}  // namespace

int main() {
  const hd_address cpu = hd_open(0, 0, 2);
  expect(cpu != 0, "the CPU backend opens");
  const int64_t weight = 768 * 768 * 4;  // 2.25 MiB: two huge pages, were it alone on them
  const double mb = static_cast<double>(weight) * 200e-6;
  touch_all(cpu, weight, 200, "200 blocks of 2.25 MiB", 1.03 * mb);
  touch_all(cpu, weight * 8, 25, "as much in blocks of 18 MiB, in the same memory", 0.05 * mb);
  touch_all(cpu, weight * 200 - 4096, 1, "in one block", 0.05 * mb);
  holes_first(cpu);
  std::vector<std::thread> threads;
  for (unsigned seed = 1; seed <= 4; seed++) threads.emplace_back(come_and_go, cpu, seed);
  for (std::thread& thread : threads) thread.join();
  touch_all(cpu, int64_t{3} << 29, 1, "a block larger than a region", 1700);
  hd_close(cpu);
  std::printf("memory: %d failed\n", failures.load());
  return failures == 0 ? 0 : 1;
}
