#include "kept_bytes.h"

#include <cstring>

namespace overfill {

void kept_bytes::read(size_t at, uint8_t * to, size_t n) const {
    if (file_)
        file_->read(offset_ + at, to, n);
    else if (n > 0)
        std::memcpy(to, data_.get() + at, n);
}

void byte_pieces::copy_to(uint8_t * to, size_t n) {
    const size_t n_buffered = buffer_end_ > at_ ? buffer_end_ - at_ : 0;
    if (bytes_.file_ && n > n_buffered && n >= kept_bytes::piece_size / 16) {
        bytes_.read(at_, to, n);
        at_ += n;
        return;
    }
    take(n, [&](const uint8_t * from, size_t n_piece, size_t n_before) { std::memcpy(to + n_before, from, n_piece); });
}

std::pair<const uint8_t *, size_t> byte_pieces::next(size_t most) {
    const size_t at = at_;
    if (!bytes_.file_) {
        const size_t n = std::min(most, kept_bytes::piece_size);
        at_ += n;
        return { bytes_.data_.get() + at, n };
    }
    if (at >= buffer_end_) {
        if (!buffer_) buffer_.reset(new uint8_t[kept_bytes::piece_size]);
        const size_t n = std::min(kept_bytes::piece_size, n_left());
        bytes_.read(at, buffer_.get(), n);
        buffer_begin_ = at;
        buffer_end_ = at + n;
    }
    const size_t n = std::min(most, buffer_end_ - at);
    at_ += n;
    return { buffer_.get() + (at - buffer_begin_), n };
}

}  // namespace overfill
