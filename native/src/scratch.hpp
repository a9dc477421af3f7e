// Scratch memory of the calling thread.
#pragma once

#include <cstddef>

namespace localnorm {

// One for each thread, kept for its next call up to KEPT bytes: fresh pages would cost more than the work on a small
// array. It goes with the thread. So neither does a caller have to bring memory for threads that it may not know, nor
// does a call ask for more than the threads that come to it need.
class Scratch {
  public:
    static constexpr std::size_t KEPT = std::size_t(1) << 22;
    Scratch() = default;
    Scratch(const Scratch &) = delete;
    Scratch &operator=(const Scratch &) = delete;
    ~Scratch();
    // Returns memory of that many bytes, aligned to 64, or a null pointer; to be asked once.
    char *get(std::size_t bytes);

  private:
    void *own = nullptr;
};

}  // namespace localnorm
