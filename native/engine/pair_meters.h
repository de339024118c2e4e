// What a pair counts by size, and the clock that takes an answer's times for it. The engine thread adds, any thread
// reads.
#pragma once

#include "histogram.h"

#include <chrono>
#include <optional>

namespace overfill {

struct pair_meters {
    // From the call of an answer's last prefill to its first token, in milliseconds.
    histogram first_token_ms{ { 1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 10e3, 20e3, 50e3, 100e3, 200e3,
                                500e3 } };
    // From one token of an answer to its next.
    histogram between_tokens_ms{ { 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 10e3 } };
    // Tokens that the decode model read in one batch.
    histogram decode_batch_sizes{ { 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256 } };
};

// The times of one answer's tokens: of each when it was written, whether or not its text could be given at once.
class answer_clock {
  public:
    using clock = std::chrono::steady_clock;
    using time = clock::time_point;

    answer_clock() = default;
    // `asked`: when the prefill before the answer was called. None where the answer goes on with one that had begun.
    explicit answer_clock(std::optional<time> asked) : asked_(asked) {}

    void wrote_token(pair_meters & meters, time now = clock::now()) {
        if (asked_)
            meters.first_token_ms.add(milliseconds(now - *asked_));
        else if (last_)
            meters.between_tokens_ms.add(milliseconds(now - *last_));
        asked_.reset();
        last_ = now;
    }

    // The answer waits for its reader, which is no time of the engine's: that to the next token does not count.
    void waits_for_reader() { last_.reset(); }

  private:
    static double milliseconds(clock::duration span) { return std::chrono::duration<double, std::milli>(span).count(); }

    std::optional<time> asked_, last_;
};

}  // namespace overfill
