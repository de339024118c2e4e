#include "finite_rows.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace overfill {

// Exponents of ones only are infinity and what is no number.
template <class Bits> static bool are_finite(const void * data, size_t n_bytes, Bits exponent) {
    const auto * bytes = static_cast<const uint8_t *>(data);
    // In parts that a compiler makes vectors of, none of which is left early.
    constexpr size_t n_at_once = 1024;
    for (size_t i = 0; i < n_bytes / sizeof(Bits); i += n_at_once) {
        const size_t end = std::min(i + n_at_once, n_bytes / sizeof(Bits));
        bool finite = true;
        for (size_t j = i; j < end; j++) {
            Bits value;
            std::memcpy(&value, bytes + j * sizeof(Bits), sizeof(Bits));
            finite &= (value & exponent) != exponent;
        }
        if (!finite) return false;
    }
    return true;
}

bool are_finite_rows(ggml_type type, const void * data, size_t n_bytes) {
    switch (type) {
    case GGML_TYPE_F64: return are_finite<uint64_t>(data, n_bytes, 0x7ff0000000000000u);
    case GGML_TYPE_F32: return are_finite<uint32_t>(data, n_bytes, 0x7f800000u);
    case GGML_TYPE_F16: return are_finite<uint16_t>(data, n_bytes, 0x7c00u);
    case GGML_TYPE_BF16: return are_finite<uint16_t>(data, n_bytes, 0x7f80u);
    default: break;
    }
    const ggml_type_traits * traits = ggml_get_type_traits(type);
    // Integers are, and of what cannot be read nothing is known.
    if (!ggml_is_quantized(type) || !traits->to_float) return ggml_validate_row_data(type, data, n_bytes);
    // A block whose scale is not finite has no finite values.
    const size_t n_blocks = n_bytes / traits->type_size, n_at_once = std::max<int64_t>(1, 4096 / traits->blck_size);
    std::vector<float> values(n_at_once * (size_t) traits->blck_size);
    for (size_t i = 0; i < n_blocks; i += n_at_once) {
        const size_t n = std::min(n_at_once, n_blocks - i) * (size_t) traits->blck_size;
        traits->to_float(static_cast<const uint8_t *>(data) + i * traits->type_size, values.data(), (int64_t) n);
        if (!are_finite<uint32_t>(values.data(), n * sizeof(float), 0x7f800000u)) return false;
    }
    return true;
}

}  // namespace overfill
