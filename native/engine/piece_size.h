// How many tokens of a prompt are read between two tokens of the answers that are being written: as many as take the
// share of the time that prompts are to have, by what was measured. On a processor that is a handful, on a GPU
// hundreds.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace overfill {

class piece_size {
  public:
    // `share` of the time, above 0; 1: a prompt is always read in pieces of `most` tokens. Begins with a single token:
    // of pieces that are too long the answers see each, while too short ones only cost the prompt a moment.
    piece_size(double share, uint32_t most) : share_(share), most_(most) {}

    // A round's tokens of answers took so long.
    void saw_answers(double milliseconds) { answers_ms_ = smooth(answers_ms_, milliseconds); }

    // With answers running.
    uint32_t size() const { return share_ >= 1 ? (uint32_t) most_ : (uint32_t) size_; }

    // A piece of n tokens, read beside answers, took so long. A piece shorter than size() tells too little.
    void saw_piece(uint32_t n, double milliseconds) {
        if (share_ >= 1 || n < size() || milliseconds <= 0) return;
        const double wanted = answers_ms_ * share_ / (1 - share_);
        // Half of the way, and never more than twice as long at once: a single measurement says little. From whole
        // tokens to whole tokens: fractions that add up would try a longer piece again and again where it is too long.
        const double factor = std::clamp(wanted / milliseconds, 0.25, 3.0);
        remember(n, milliseconds, wanted);
        size_ = std::clamp(std::min(std::round(size_ * (1 + factor) / 2), bound(wanted)), 1.0, most_);
    }

  private:
    // Where a token more is a large step, one fast measurement must not make the next piece too long, over and over:
    // those rounds are what the answers notice. Another try is due after so many pieces, as costs fall too, and sooner
    // where it was too long for the first time, which may have been a stall.
    static constexpr uint32_t large_steps = 8, until_second_try = 16, until_next_try = 200;

    void remember(uint32_t n, double milliseconds, double wanted) {
        if (n > 1 && n <= large_steps && milliseconds > wanted) {
            too_long_ = { n, milliseconds, n == too_long_.size ? until_next_try : until_second_try };
        } else if (too_long_.n_pieces > 0) {
            too_long_.n_pieces--;
        }
    }

    double bound(double wanted) const {
        return too_long_.n_pieces > 0 && too_long_.milliseconds > wanted ? too_long_.size - 1.0 : most_;
    }

    static double smooth(double before, double now) { return before == 0 ? now : before + (now - before) / 4; }

    double share_;
    double most_;
    double size_ = 1;
    double answers_ms_ = 0;  // of a round
    struct {
        uint32_t size = 0;
        double milliseconds = 0;
        uint32_t n_pieces = 0;  // for which it holds
    } too_long_;
};

}  // namespace overfill
