// What the writer and the reader of saved_session.h have in common.
#pragma once

#include <cstddef>
#include <cstdint>

namespace overfill::saved_format {

inline constexpr char magic[] = "overfill session v";  // and the version
inline constexpr unsigned version = 1;
inline constexpr size_t magic_size = 24, header_size = 64, hashed_header_size = 56, alignment = 64;

struct header {
    char magic[magic_size];
    uint64_t n_description, n_values;
    uint64_t description_hash, zero;
    uint64_t hash;
};
static_assert(sizeof(header) == header_size);

constexpr size_t padding_of(size_t n_bytes) { return (alignment - n_bytes % alignment) % alignment; }

}  // namespace overfill::saved_format
