// XXH3 with 64 bits, or 128 for names, by the library that llama.cpp's source carries: a checksum as fast as memory,
// against damage and not against an adversary.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace overfill {

class xxh3 {
  public:
    xxh3();
    ~xxh3();
    xxh3(const xxh3 &) = delete;
    xxh3 & operator=(const xxh3 &) = delete;

    void add(const void * data, size_t n_bytes);
    uint64_t value() const;

    static uint64_t of(const void * data, size_t n_bytes);
    static std::array<uint64_t, 2> of128(const void * data, size_t n_bytes);

  private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace overfill
