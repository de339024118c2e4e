// Bytes that several hold and nobody changes: a block of memory, or a part of a file, which stays open as long. What is
// large is left in its file until it is wanted, since memory for a second copy may cost more than reading it.
#pragma once

#include "failure.h"
#include "file_reader.h"
#include "xxh3.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace overfill {

// Of bytes of a file that nobody has looked at yet: whoever reads all of them does (byte_pieces::finish).
struct byte_check {
    uint64_t hash = 0;     // XXH3 of them and of those behind them
    size_t n_padding = 0;  // so many
    failure if_damaged;
};

class kept_bytes {
  public:
    // Small enough for a processor's caches: what is read in such pieces is still there when it is used.
    static constexpr size_t piece_size = (size_t) 1 << 20;

    kept_bytes() = default;
    kept_bytes(std::shared_ptr<const uint8_t> data, size_t size) : data_(std::move(data)), size_(size) {}
    kept_bytes(std::shared_ptr<const file_reader> file, uint64_t offset, size_t size,
               std::shared_ptr<const byte_check> check = nullptr)
        : file_(std::move(file)), check_(std::move(check)), offset_(offset), size_(size) {}

    size_t size() const { return size_; }

    // A part of them. Throws ERR_FILE_READ_FAILED.
    void read(size_t at, uint8_t * to, size_t n) const;

  private:
    friend class byte_pieces;

    std::shared_ptr<const uint8_t> data_;
    std::shared_ptr<const file_reader> file_;  // else
    std::shared_ptr<const byte_check> check_;  // null: they were looked at
    uint64_t offset_ = 0;
    size_t size_ = 0;
};

// Goes through bytes from their beginning to their end.
class byte_pieces {
  public:
    explicit byte_pieces(const kept_bytes & bytes) : bytes_(bytes) {
        if (bytes.check_) hash_ = std::make_unique<xxh3>();
    }

    size_t n_left() const { return bytes_.size_ - at_; }

    // Of the next n bytes as many as lie in one piece: take(from, n_piece, n_before), until all were taken. n_left() or
    // fewer. Throws ERR_FILE_READ_FAILED.
    template <class F> void take(size_t n, const F & taker) {
        for (size_t done = 0; done < n;) {
            const auto [from, n_piece] = next(n - done);
            taker(from, n_piece, done);
            done += n_piece;
        }
    }

    // The same to one place, what is long straight from the file.
    void copy_to(uint8_t * to, size_t n);

    // After the last of them: throws byte_check::if_damaged where they are not as they should be.
    void finish();

  private:
    std::pair<const uint8_t *, size_t> next(size_t most);

    void fill(uint8_t * to, size_t at, size_t n);

    const kept_bytes & bytes_;
    size_t at_ = 0;
    std::unique_ptr<xxh3> hash_;
    std::unique_ptr<uint8_t[]> buffer_;         // of a file
    size_t buffer_begin_ = 0, buffer_end_ = 0;  // which bytes those are
};

}  // namespace overfill
