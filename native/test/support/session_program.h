// Programs of sessions: what is done to each, one move after the other, where some moves make forks that go on by
// themselves. Several run at once, each on a thread of its own, and a session's moves can be made again alone.
#pragma once

#include "engine_driver.h"

#include <optional>
#include <random>
#include <string>
#include <vector>

namespace overfill::test {

struct session_move {
    enum class kind {
        prefill,
        abort_prefill,  // at once, or after its first piece
        hand_over,
        decode,
        leave,         // an answer that its reader leaves after `count` tokens, and takes back what came behind them
        abort_decode,  // an answer that is aborted before anybody reads, and taken back
        retract,
        fork,
    };
    kind is = kind::prefill;
    uint32_t count = 1;  // of tokens
    uint32_t seed = 0;   // of the prompt's text, or of the answer's random numbers
    bool refresh = true;
    float temperature = 0;
    bool exact = false;
    std::optional<pair_side> writer;
    std::vector<session_move> moves;  // the fork's
};

// How a session goes: when its last move is done, in the middle of one more answer, or without anybody waiting for it.
enum class session_end { dispose, dispose_running, drop };

struct session_program {
    std::vector<session_move> moves;
    session_end end = session_end::dispose;
    size_t n_sessions() const;  // its own and the forks
};

// How all sessions of a round compute. Where answers are refreshed, how far one was ahead of a reader who leaves it
// decides who reads again what the refresh had replaced. So the writer changes between answers only then, and every
// prompt refreshes.
struct program_manner {
    bool deterministic = true;
    uint32_t refresh_interval = 0;
    double refresh_budget = 0;
    bool refreshes() const { return refresh_interval > 0 || refresh_budget > 0; }
    uint32_t most_prompt = 12;  // tokens
};

// What a move came to, and how far it got.
struct move_outcome {
    std::string said;  // the code of a refusal, or what there is to say beside the tokens
    bool refused = false;
    uint32_t got = 0;
    std::vector<llama_token> tokens;
    std::vector<std::vector<token_log_prob>> log_probs;
};

// A session's moves, those before it was forked included.
struct program_run {
    std::vector<session_move> moves;
    std::vector<move_outcome> outcomes;
};

// Programs of 16 sessions at most. A prompt and a switch come first.
std::vector<session_program> random_programs(std::mt19937 & random, size_t n_writers, const program_manner & manner);

// Runs all at once; a run for each session. Throws what a session throws that is no refusal.
std::vector<program_run> run_together(engine & pair, const std::vector<session_program> & programs,
                                      const program_manner & manner);

// The moves of one run again, each as far as it got then.
std::vector<move_outcome> run_alone(engine & pair, const program_run & run, const program_manner & manner);

std::string describe(const session_move & move);

}  // namespace overfill::test
