// Numbers of files and callers come as float64. To cast one that an integer does not hold is undefined.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>

namespace overfill {

// The value, where it is a whole number between both bounds, which float64 holds exactly.
inline std::optional<int64_t> whole_number(double value, int64_t least, int64_t most) {
    if (!(value >= (double) least && value <= (double) most) || value != std::floor(value)) return std::nullopt;
    return (int64_t) value;
}

// For messages: 3 and 2.5, not 3.000000; also what is no number.
inline std::string number_text(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.15g", value);
    return text;
}

}  // namespace overfill
