// Bytes that several hold and nobody changes: a block of memory, or a part of a mapped file, which lives as long.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace overfill {

struct kept_bytes {
    std::shared_ptr<const uint8_t> data;
    size_t size = 0;
};

}  // namespace overfill
