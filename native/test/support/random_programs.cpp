#include "session_program.h"

#include <algorithm>

namespace overfill::test {

using kind = session_move::kind;

namespace {

constexpr size_t most_sessions = 16;

class drawing {
  public:
    drawing(std::mt19937 & random, size_t n_writers, const program_manner & manner)
        : random_(random), n_writers_(n_writers), manner_(manner) {}

    session_program program(size_t n_sessions_left) {
        n_left_ = n_sessions_left - 1;
        session_program out;
        out.moves = { move(kind::prefill), move(kind::hand_over) };
        for (session_move & next : moves(0, kind::hand_over)) out.moves.push_back(std::move(next));
        out.end = (session_end) below(3);
        return out;
    }

  private:
    uint32_t below(uint32_t n) { return (uint32_t) (random_() % n); }

    std::vector<session_move> moves(uint32_t depth, kind before) {
        std::vector<session_move> out;
        for (uint32_t n = 2 + below(8); n > 0; n--) {
            before = chosen(depth, before);
            out.push_back(move(before, depth));
        }
        return out;
    }

    // Mostly what may come next, else whatever: it is refused then, and nothing is to come of that.
    kind chosen(uint32_t depth, kind before) {
        if (before == kind::prefill && below(6) > 0) return kind::hand_over;
        if (before == kind::hand_over && below(6) > 0) return below(3) == 0 ? kind::leave : kind::decode;
        static constexpr kind weighted[] = { kind::prefill,  kind::prefill,       kind::prefill,      kind::decode,
                                             kind::decode,   kind::leave,         kind::fork,         kind::fork,
                                             kind::retract,  kind::abort_prefill, kind::abort_decode, kind::retract,
                                             kind::hand_over };
        const kind is = weighted[below((uint32_t) std::size(weighted))];
        if (is == kind::abort_prefill && manner_.refreshes()) return kind::prefill;
        if (is != kind::fork) return is;
        if (depth == 2 || n_left_ == 0) return kind::decode;
        n_left_--;
        return is;
    }

    session_move move(kind is, uint32_t depth = 0) {
        session_move out;
        out.is = is;
        out.count = 1 + below(is == kind::prefill ? manner_.most_prompt : is == kind::retract ? 4 : 16);
        out.seed = random_();
        out.refresh = manner_.refreshes() || below(2) == 0;
        out.temperature = below(2) == 0 ? 0.0f : 1.0f;
        if (is == kind::hand_over || below(2) == 0) out.writer = (pair_side) below((uint32_t) n_writers_ + 1);
        if (is == kind::decode || is == kind::leave) {
            // The numbers of one seed go on from answer to answer.
            if (last_seed_ && below(3) == 0) out.seed = *last_seed_;
            last_seed_ = out.seed;
            // Drawn answers would depend on how many tokens were drafted, and so on times.
            out.exact = out.temperature == 0 && !manner_.refreshes() && below(2) == 0;
        }
        // These leave no trace of a seed, or another one.
        if (is == kind::abort_decode || is == kind::fork) last_seed_.reset();
        if (is == kind::fork) {
            out.moves = moves(depth + 1, below(2) == 0 ? kind::hand_over : kind::fork);
            last_seed_.reset();
        }
        return out;
    }

    std::mt19937 & random_;
    const size_t n_writers_;
    const program_manner manner_;
    size_t n_left_ = 0;  // sessions that may still be forked
    std::optional<uint32_t> last_seed_;
};

size_t n_forks(const std::vector<session_move> & moves) {
    size_t n = 0;
    for (const session_move & move : moves)
        if (move.is == kind::fork) n += 1 + n_forks(move.moves);
    return n;
}

}  // namespace

size_t session_program::n_sessions() const { return 1 + n_forks(moves); }

std::vector<session_program> random_programs(std::mt19937 & random, size_t n_writers, const program_manner & manner) {
    std::vector<session_program> out;
    size_t n_left = most_sessions;
    for (uint32_t n = 2 + (uint32_t) (random() % 7); n > 0 && n_left > 0; n--) {
        out.push_back(drawing(random, n_writers, manner).program(n_left));
        n_left -= out.back().n_sessions();
    }
    return out;
}

std::string describe(const session_move & move) {
    static const char * names[] = { "prefill", "abort_prefill", "hand_over", "decode",
                                    "leave",   "abort_decode",  "retract",   "fork" };
    std::string out = std::string(names[(size_t) move.is]) + " " + std::to_string(move.count);
    if (move.is == kind::prefill && !move.refresh) out += " without refresh";
    if (move.temperature > 0) out += ", warm";
    if (move.exact) out += ", exact";
    if (move.is == kind::decode || move.is == kind::leave) out += ", seed " + std::to_string(move.seed);
    if (move.writer) out += ", by " + std::to_string((int) *move.writer);
    return out;
}

}  // namespace overfill::test
