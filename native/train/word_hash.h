// A hash of bytes in order, against damage and mix-ups, not against intent: FNV-1a over words of 8 bytes. Two runs of
// words that differ in one word never have the same hash.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace overfill {

class word_hash {
  public:
    // Bytes behind the last whole word of a call count as a word padded with zeros.
    void add(const void * data, size_t n_bytes) {
        const auto * bytes = static_cast<const uint8_t *>(data);
        n_bytes_ += n_bytes;
        for (; n_bytes > 0;) {
            const size_t n = n_bytes < sizeof(uint64_t) ? n_bytes : sizeof(uint64_t);
            uint64_t word = 0;
            std::memcpy(&word, bytes, n);
            state_ = (state_ ^ word) * prime;
            bytes += n;
            n_bytes -= n;
        }
    }
    // Without the length, bytes with their own hash behind them would have the hash zero.
    uint64_t value() const { return (state_ ^ n_bytes_) * prime; }

  private:
    static constexpr uint64_t prime = 0x100000001b3u;
    uint64_t state_ = 0xcbf29ce484222325u, n_bytes_ = 0;
};

}  // namespace overfill
