// Work that may end its process: each piece runs in one of its own (on POSIX systems; elsewhere in this one, one after
// the other).
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace overfill::test {

struct isolated_result {
    std::string text;   // what the piece returned
    std::string ended;  // how its process ended before that; empty: it did not
};

// Runs `piece` with 0 to n - 1, so many at once as there are processors. One that takes longer than `n_seconds` is
// ended. No other thread may run, and texts are short.
std::vector<isolated_result> run_isolated(size_t n, const std::function<std::string(size_t)> & piece,
                                          unsigned n_seconds);

}  // namespace overfill::test
