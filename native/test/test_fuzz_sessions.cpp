// Random programs of up to 16 sessions at once, with forks, changes of the writer, refreshes, answers that are left,
// aborted and taken back, prompts that are aborted and sessions that go in the middle: each session gives what it
// gives alone. Made for the sanitizers; test/engine/fuzz-sessions.test.ts does the same through the facade.
//
//   OVERFILL_FUZZ_SEED     the seed of the first round, printed where a round fails; default 1
//   OVERFILL_FUZZ_SECONDS  for all tests together; default 20
//   OVERFILL_FUZZ_THREADS  that compute; default 1, since two wait for each other where the machine is busy
#include "check.h"
#include "memory_model.h"
#include "session_program.h"
#include "writers_case.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <memory>

using namespace overfill;
using namespace overfill::test;

namespace {

uint32_t number_of(const char * name, uint32_t otherwise) {
    const char * text = std::getenv(name);
    return text && *text ? (uint32_t) std::strtoul(text, nullptr, 10) : otherwise;
}

struct comparison {
    size_t n_tokens = 0;   // compared
    bool differs = false;  // another text from somewhere on, where that is allowed
    std::string wrong;     // empty: nothing
};

std::string numbers(const std::vector<llama_token> & tokens) {
    std::string out;
    for (const llama_token token : tokens) out += std::to_string(token) + " ";
    return out;
}

// The token that was chosen first, then the likeliest by rank: which of two that are nearly as likely comes first is
// left open.
float apart(const std::vector<token_log_prob> & a, const std::vector<token_log_prob> & b) {
    if (a.size() != b.size()) return INFINITY;
    float most = 0;
    for (size_t i = a[0].token == b[0].token ? 0 : 1; i < a.size(); i++)
        most = std::max(most, std::abs(a[i].log_prob - b[i].log_prob));
    return most;
}

// `tolerance` of 0: every bit.
void compare(const move_outcome & together, const move_outcome & alone, float tolerance, comparison & out) {
    if (together.said != alone.said) {
        out.wrong = "gave \"" + together.said + "\", alone \"" + alone.said + "\"";
        return;
    }
    const size_t n = std::min(together.log_probs.size(), alone.log_probs.size());
    for (size_t i = 0; i < n; i++) {
        const float distance = apart(together.log_probs[i], alone.log_probs[i]);
        if (!(distance <= tolerance)) {
            out.wrong = "is " + std::to_string(distance) + " away at token " + std::to_string(i);
            return;
        }
        out.n_tokens++;
        if (together.tokens[i] == alone.tokens[i]) continue;
        if (tolerance > 0)
            out.differs = true;
        else
            out.wrong = "gave " + numbers(together.tokens) + ", alone " + numbers(alone.tokens);
        return;
    }
    if (together.tokens.size() != alone.tokens.size()) out.wrong = "gave another number of tokens";
}

std::string describe(const program_run & run, size_t last) {
    std::string out;
    for (size_t i = 0; i <= last; i++) {
        out += "\n    " + describe(run.moves[i]);
        if (!run.outcomes[i].said.empty()) out += ": " + run.outcomes[i].said;
        if (!run.outcomes[i].tokens.empty()) out += ": " + std::to_string(run.outcomes[i].tokens.size()) + " tokens";
    }
    return out;
}

// Rounds of programs on one engine until the time is over; two at least.
void run_rounds(pair_options options, float tolerance) {
    options.n_threads = (int32_t) number_of("OVERFILL_FUZZ_THREADS", 1);
    static const uint32_t first_seed = number_of("OVERFILL_FUZZ_SEED", 1);
    static const double seconds = number_of("OVERFILL_FUZZ_SECONDS", 20);
    constexpr double n_tests = 9;
    const auto pair = load(options);
    const auto begun = std::chrono::steady_clock::now();
    const auto spent = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count(); };
    size_t n_tokens = 0, n_moves = 0, n_refused = 0, n_runs = 0, n_differ = 0, n_rounds = 0;
    for (; n_rounds < 2 || spent() < seconds / n_tests; n_rounds++) {
        std::mt19937 random(first_seed + (uint32_t) n_rounds);
        program_manner manner;
        manner.deterministic = tolerance == 0 || random() % 4 == 0;
        if (const uint32_t chance = random() % 4; chance == 0)
            manner.refresh_interval = 2 + random() % 7;
        else if (chance == 1)
            manner.refresh_budget = 0.25 * (double) (1 + random() % 4);
        if (options.batch_size > 1) manner.most_prompt = 60;
        const auto programs = random_programs(random, 1 + options.more_writers.size(), manner);
        const auto told = [&](const std::string & what) {
            report(false, __FILE__, __LINE__,
                   "OVERFILL_FUZZ_SEED=" + std::to_string(first_seed + n_rounds) + ", refreshed every " +
                       std::to_string(manner.refresh_interval) + ", budget " + std::to_string(manner.refresh_budget) +
                       ": " + what);
        };
        std::vector<program_run> runs;
        try {
            runs = run_together(*pair, programs, manner);
        } catch (const std::exception & error) {
            return told(error.what());
        }
        for (const program_run & run : runs) {
            std::vector<move_outcome> alone;
            try {
                alone = run_alone(*pair, run, manner);
            } catch (const std::exception & error) {
                return told("alone: " + describe(run, run.moves.size() - 1) + "\n  " + error.what());
            }
            comparison found;
            for (size_t i = 0; i < alone.size() && !found.differs; i++) {
                n_moves++;
                n_refused += alone[i].refused;
                compare(run.outcomes[i], alone[i], tolerance, found);
                if (!found.wrong.empty()) return told("the last move of" + describe(run, i) + "\n  " + found.wrong);
            }
            n_tokens += found.n_tokens;
            n_differ += found.differs;
            n_runs++;
        }
    }
    const pair_metrics metrics = pair->metrics();
    std::printf(
        "  %zu rounds, %zu sessions, %zu moves, %zu of them refused; %zu tokens, %u put aside, %u turns beside pieces, "
        "%zu texts differ\n",
        n_rounds, n_runs, n_moves, n_refused, n_tokens, (unsigned) metrics.n_put_aside,
        (unsigned) metrics.n_turns_beside, n_differ);
    CHECK(n_tokens > 10 * n_rounds);
    CHECK(n_refused * 4 < n_moves);
    CHECK(n_differ * 10 <= n_runs);
    CHECK_EQUAL(metrics.tasks.n_parked, 0u);
    CHECK_EQUAL(metrics.n_put_aside > 0, options.cache_tokens > 0);
    CHECK_EQUAL(metrics.n_turns_beside > 0, options.apart.value_or(false));
}

// It then makes no difference how often a reading began anew.
pair_options in_single_tokens(pair_options options) {
    options.context_size = 1024;
    options.max_sessions = 16;
    options.batch_size = 1;
    return options;
}

// Sums in which the order of their terms changes little.
pair_options in_batches(pair_options options) {
    options.context_size = 256;
    options.max_sessions = 16;
    options.batch_size = 32;
    options.cache_type_k = options.cache_type_v = GGML_TYPE_F32;
    options.attention = flash_attention::off;
    return options;
}

// With room for one session of full length.
pair_options in_pool(pair_options options) {
    options = in_batches(std::move(options));
    options.cache_tokens = options.context_size;
    return options;
}

// As if the prefill model lay on another device: it computes on a second thread beside the answers of both writers.
pair_options apart(pair_options options) {
    options.handover = handover_choice::translate;
    options.apart = true;
    return options;
}

constexpr float close = 1e-3f;

struct recurrent_case {
    memory_model_path full{ of(1) }, quick{ of(2) }, careful{ of(3) };

    static memory_model of(uint32_t seed, memory_model::kind keeps = memory_model::kind::recurrent) {
        memory_model model;
        model.keeps = keeps;
        model.seed = seed;
        return model;
    }
    pair_options options() const {
        pair_options out = options_for(full.str(), quick.str());
        out.decode_name = "quick";
        writer_options other;
        other.name = "careful";
        other.model.path = careful.str();
        out.more_writers = { other };
        return out;
    }
};

}  // namespace

TEST("any sessions at once give what each gives alone, where two writers share") {
    const writers_case f;
    run_rounds(in_single_tokens(f.options()), 0);
}

TEST("any sessions at once give what each gives alone, where one of two writers translates") {
    const writers_case f;
    pair_options options = f.options();
    options.more_writers[0].cache_type_k = GGML_TYPE_Q8_0;
    run_rounds(in_single_tokens(options), 0);
}

TEST("any sessions at once give what each gives alone, where prompts are handed over while they are read") {
    const writers_case f;
    pair_options options = f.options();
    options.more_writers.clear();
    options.handover = handover_choice::translate;
    options.handed_ahead = 3;
    run_rounds(in_single_tokens(options), 0);
}

TEST("any sessions at once give nearly what each gives alone, in a pool, handed over while they are read") {
    const writers_case f;
    pair_options options = f.options();
    options.more_writers.clear();
    options.handover = handover_choice::translate;
    options.handed_ahead = 20;
    run_rounds(in_pool(options), close);
}

TEST("any sessions at once give what each gives alone, where the memory is a recurrent state") {
    const recurrent_case f;
    run_rounds(in_single_tokens(f.options()), 0);
}

TEST("any sessions at once give nearly what each gives alone, in shared batches") {
    const writers_case f;
    run_rounds(in_batches(f.options()), close);
}

TEST("any sessions at once give nearly what each gives alone, in a pool that is too small for them") {
    const writers_case f;
    run_rounds(in_pool(f.options()), close);
}

TEST("any sessions at once give nearly what each gives alone, in a pool where one of two writers translates") {
    const writers_case f;
    pair_options options = f.options();
    options.more_writers[0].cache_type_k = GGML_TYPE_F16;
    run_rounds(in_pool(options), close);
}

TEST("any sessions at once give what each gives alone, where prompts are read on a second thread") {
    const writers_case f;
    run_rounds(in_single_tokens(apart(f.options())), 0);
}

TEST("any sessions at once give nearly what each gives alone, where one of two writers runs beside prompts") {
    const writers_case f;
    pair_options options = in_batches(f.options());
    options.more_writers[0].cache_type_k = GGML_TYPE_F16;
    options.apart = true;
    run_rounds(options, close);
}

TEST("any sessions at once give nearly what each gives alone, in a pool beside prompts on a second thread") {
    const writers_case f;
    run_rounds(in_pool(apart(f.options())), close);
}
