#include "kept_bytes.h"

#include <cstring>
#include <vector>

namespace overfill {

void kept_bytes::read(size_t at, uint8_t * to, size_t n) const {
    if (file_)
        file_->read(offset_ + at, to, n);
    else if (n > 0)
        std::memcpy(to, data_.get() + at, n);
}

void byte_pieces::copy_to(uint8_t * to, size_t n) {
    const size_t n_buffered = buffer_end_ > at_ ? buffer_end_ - at_ : 0;
    if (bytes_.file_ && n_buffered == 0 && n >= kept_bytes::piece_size / 16) {
        for (const uint8_t * end = to + n; to < end;) {
            const size_t n_piece = std::min(kept_bytes::piece_size, (size_t) (end - to));
            fill(to, at_, n_piece);
            at_ += n_piece;
            to += n_piece;
        }
        return;
    }
    take(n, [&](const uint8_t * from, size_t n_piece, size_t n_before) { std::memcpy(to + n_before, from, n_piece); });
}

// Everything that comes from a file comes through here once, in its order.
void byte_pieces::fill(uint8_t * to, size_t at, size_t n) {
    bytes_.read(at, to, n);
    if (hash_) hash_->add(to, n);
}

void byte_pieces::finish() {
    if (!hash_) return;
    const byte_check & check = *bytes_.check_;
    std::vector<uint8_t> padding(check.n_padding);
    bytes_.read(bytes_.size_, padding.data(), padding.size());
    hash_->add(padding.data(), padding.size());
    if (n_left() > 0 || hash_->value() != check.hash) throw failure(check.if_damaged);
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
        fill(buffer_.get(), at, n);
        buffer_begin_ = at;
        buffer_end_ = at + n;
    }
    const size_t n = std::min(most, buffer_end_ - at);
    at_ += n;
    return { buffer_.get() + (at - buffer_begin_), n };
}

}  // namespace overfill
