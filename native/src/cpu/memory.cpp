#include "cpu/memory.h"

#include <sys/mman.h>

#include <cstdlib>
#include <mutex>
#include <new>
#include <set>
#include <utility>
#include <vector>

namespace hd {
namespace {

constexpr int64_t kHead = 64;  // in front of the data, whose alignment it keeps
constexpr int64_t kPage = 4096;
constexpr int64_t kHuge = int64_t{2} << 20;    // a huge page
constexpr int64_t kSmall = int64_t{1} << 20;   // blocks above it are cut from regions
constexpr int64_t kRegion = int64_t{1} << 30;  // of address space; memory comes with the first touch

constexpr int64_t round_up(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

// Small blocks: lists by size, eight sizes per power of two, so at most 12.5 % is wasted.
class SmallBlocks {
 public:
  struct Head {
    int64_t bytes;  // of the whole block, head included
    Head* next;
  };

  static int64_t rounded(int64_t bytes) {
    int64_t step = 64;
    while (step * 16 <= bytes) step *= 2;
    return round_up(bytes, step);
  }

  void* take(int64_t block) {
    for (Class& c : classes_) {
      if (c.bytes == block && c.free != nullptr) {
        Head* head = c.free;
        c.free = head->next;
        return head;
      }
    }
    return nullptr;
  }

  void give(Head* head) {
    for (Class& c : classes_) {
      if (c.bytes == head->bytes) {
        head->next = c.free;
        c.free = head;
        return;
      }
    }
    head->next = nullptr;
    classes_.push_back({head->bytes, head});
  }

 private:
  struct Class {
    int64_t bytes;
    Head* free;
  };
  std::vector<Class> classes_;
};

// Large blocks lie side by side in regions of huge pages, in whole small pages: a tensor of 2.25 MiB must not hold two huge pages. The
// smallest free block that fits is cut, the lowest of equals, and freed neighbours join: what one layer's sizes leave serves another's.
// What no block has touched yet comes last: memory that was touched once stays with the process, so it is used again first.
class LargeBlocks {
 public:
  struct Head {
    int64_t bytes;   // of the whole block, head included
    int64_t before;  // of the block before in its region; 0 in front
    size_t region;
    bool free;
  };

  void* take(int64_t block) {
    const auto found = free_.lower_bound({block, nullptr});
    if (found == free_.end()) return fresh(block);
    Head* head = found->second;
    free_.erase(found);
    head->free = false;
    if (head->bytes > block) split(head, block);
    return head;
  }

  void give(Head* head) {
    if (!is_last(head) && after(head)->free) join(head, after(head));
    Head* before = at(head, -head->before);
    if (head->before != 0 && before->free) {
      free_.erase({before->bytes, before});
      join(before, head);
      head = before;
    }
    head->free = true;
    free_.insert({head->bytes, head});
  }

 private:
  struct Region {
    char* untouched;  // from here to the end
    char* end;
    Head* last;  // block before that; null when there is none

    // Bytes that a block may have which begins with a free last one.
    int64_t room() const { return end - start(); }
    char* start() const { return last != nullptr && last->free ? reinterpret_cast<char*>(last) : untouched; }
  };

  static Head* at(Head* head, int64_t offset) { return reinterpret_cast<Head*>(reinterpret_cast<char*>(head) + offset); }
  static Head* after(Head* head) { return at(head, head->bytes); }
  bool is_last(const Head* head) const { return regions_[head->region].last == head; }

  // From the region with the least room that is enough.
  Head* fresh(int64_t block) {
    Region* region = nullptr;
    for (Region& one : regions_) {
      if (one.room() >= block && (region == nullptr || one.room() < region->room())) region = &one;
    }
    if (region == nullptr) region = map(block);
    if (region == nullptr) return nullptr;
    Head* last = region->last;
    if (last != nullptr && last->free) {
      free_.erase({last->bytes, last});
      last->bytes = block;
      last->free = false;
    } else {
      const int64_t before = last == nullptr ? 0 : last->bytes;
      last = new (region->untouched) Head{block, before, static_cast<size_t>(region - regions_.data()), false};
      region->last = last;
    }
    region->untouched = reinterpret_cast<char*>(last) + block;
    return last;
  }

  Region* map(int64_t block) {
    for (const int64_t bytes : {block > kRegion ? round_up(block, kHuge) : kRegion, round_up(block, kHuge)}) {
      // One huge page more, so that a whole number of them can be had.
      void* memory =
          mmap(nullptr, static_cast<size_t>(bytes + kHuge), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (memory == MAP_FAILED) continue;
      char* first = reinterpret_cast<char*>(round_up(reinterpret_cast<int64_t>(memory), kHuge));
      madvise(first, static_cast<size_t>(bytes), MADV_HUGEPAGE);
      regions_.push_back({first, first + bytes, nullptr});
      return &regions_.back();
    }
    return nullptr;
  }

  void split(Head* head, int64_t block) {
    Head* rest = new (at(head, block)) Head{head->bytes - block, block, head->region, true};
    if (is_last(head)) {
      regions_[head->region].last = rest;
    } else {
      after(rest)->before = rest->bytes;
    }
    head->bytes = block;
    free_.insert({rest->bytes, rest});
  }

  void join(Head* head, Head* next) {
    free_.erase({next->bytes, next});  // where it is listed
    head->bytes += next->bytes;
    if (is_last(next)) {
      regions_[head->region].last = head;
    } else {
      after(head)->before = head->bytes;
    }
  }

  std::vector<Region> regions_;
  std::set<std::pair<int64_t, Head*>> free_;
};

class Memory {
 public:
  void* take(int64_t bytes) {
    const int64_t wanted = bytes + kHead;
    void* head = wanted <= kSmall ? small(SmallBlocks::rounded(wanted)) : large(round_up(wanted, kPage));
    return head == nullptr ? nullptr : static_cast<char*>(head) + kHead;
  }

  void give(void* data) {
    void* head = static_cast<char*>(data) - kHead;
    const std::lock_guard<std::mutex> lock(mutex_);
    // Both heads begin with the block's size.
    if (*static_cast<int64_t*>(head) <= kSmall) {
      small_.give(static_cast<SmallBlocks::Head*>(head));
    } else {
      large_.give(static_cast<LargeBlocks::Head*>(head));
    }
  }

 private:
  void* small(int64_t block) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (void* kept = small_.take(block)) return kept;
    }
    void* fresh = std::aligned_alloc(64, static_cast<size_t>(block));
    return fresh == nullptr ? nullptr : new (fresh) SmallBlocks::Head{block, nullptr};
  }

  void* large(int64_t block) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return large_.take(block);
  }

  std::mutex mutex_;
  SmallBlocks small_;
  LargeBlocks large_;
};

Memory& memory() {
  static Memory& one = *new Memory;  // never destroyed: tensors may outlive static destruction order
  return one;
}

}  // namespace

void* take_memory(int64_t bytes) { return memory().take(bytes); }

void give_memory(void* data) { memory().give(data); }

}  // namespace hd
