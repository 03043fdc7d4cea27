// A stream of the emulation, for all of its libraries: work is done at once, or kept while the stream is captured.
#pragma once
#include <functional>
#include <utility>
#include <vector>

struct EmulatedStream {
  using Work = std::vector<std::function<void()>>;
  Work* kept = nullptr;
  bool broken = false;  // something was asked of it that a capture cannot hold

  void take(std::function<void()> work) {
    if (kept == nullptr) {
      work();
    } else {
      kept->push_back(std::move(work));
    }
  }
};
