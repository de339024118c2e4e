// What something costs on this machine, in milliseconds, as measured again and again.
#pragma once

#include <algorithm>
#include <cstdint>

namespace overfill {

struct measured_cost {
    double ms = 0;
    uint32_t n = 0;

    // The first read of a size makes its graph, which says little about the next.
    bool is_known() const { return n >= 2; }
    // What is slower than before is often the machine's other work.
    void saw(double now) {
        n = std::min(n + 1, 1000u);
        if (n == 1)
            ms = now;
        else if (n == 2)
            ms = std::min(ms, now);
        else
            ms += (now - ms) * (now < ms ? 0.5 : 0.125);
    }
};

}  // namespace overfill
