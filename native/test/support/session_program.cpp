#include "session_program.h"

#include "waiter.h"

#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

namespace overfill::test {

namespace {

using kind = session_move::kind;

constexpr uint32_t n_likeliest = 3;
constexpr uint32_t n_aborted_prompt = 30;  // tokens of a prompt that is aborted
constexpr uint32_t n_left_answer = 40;     // tokens that an answer would have which is left before

// A reader that waits until there is something to read.
class waiting_reader {
  public:
    waiting_reader(session_handle & session, const decode_options & options)
        : stream_(session.decode(options, [state = state_] {
              const std::lock_guard<std::mutex> lock(state->mutex);
              state->rung = true;
              state->changed.notify_one();
          })) {}

    token_stream::reading read() {
        while (true) {
            token_stream::reading reading = stream_->read();
            if (reading.error) throw failure(*reading.error);
            if (reading.ready()) return reading;
            std::unique_lock<std::mutex> lock(state_->mutex);
            state_->changed.wait(lock, [this] { return state_->rung; });
            state_->rung = false;
        }
    }

  private:
    // The engine may ring once more when the reader has gone.
    struct bell {
        std::mutex mutex;
        std::condition_variable changed;
        bool rung = false;
    };
    std::shared_ptr<bell> state_ = std::make_shared<bell>();
    std::shared_ptr<token_stream> stream_;
};

decode_options options_of(const session_move & move, const program_manner & manner) {
    decode_options out = greedy(move.count);
    out.sampling.temperature = move.temperature;
    out.sampling.has_seed = true;
    out.sampling.seed = move.seed;
    out.sampling.ignore_eos = true;
    out.sampling.n_log_probs = (int32_t) n_likeliest;
    out.deterministic = manner.deterministic;
    out.refresh_interval = manner.refresh_interval;
    out.refresh_budget = { manner.refresh_budget, /*fixed_costs*/ true };
    if (!manner.refreshes()) out.writer = move.writer;
    if (move.exact) out.quality.is = quality_options::kind::exact;
    return out;
}

void take(move_outcome & out, token_stream::reading & reading) {
    out.tokens.insert(out.tokens.end(), reading.chunk.tokens.begin(), reading.chunk.tokens.end());
    for (auto & row : reading.chunk.log_probs) out.log_probs.push_back(std::move(row));
}

move_outcome write(session_handle & session, const decode_options & options) {
    move_outcome out;
    waiting_reader reader(session, options);
    while (true) {
        token_stream::reading reading = reader.read();
        take(out, reading);
        if (!reading.result) continue;
        out.said = reading.result->writer + ", " + finish_reason_name(reading.result->reason);
        out.got = (uint32_t) out.tokens.size();
        return out;
    }
}

// Reads so many tokens, or more, then leaves.
move_outcome write_and_leave(session_handle & session, const decode_options & options, uint32_t n) {
    move_outcome out;
    waiting_reader reader(session, options);
    if (n == 0) session.abort();
    while (true) {
        token_stream::reading reading = reader.read();
        const bool had_enough = out.tokens.size() >= n;
        take(out, reading);
        if (!had_enough && out.tokens.size() >= n) session.abort();
        if (!reading.result) continue;
        const uint32_t n_written = (uint32_t) out.tokens.size();
        out.got = std::min(n, n_written);
        out.tokens.resize(out.got);
        out.log_probs.resize(out.got);
        if (n_written > out.got) retract(session, n_written - out.got);
        return out;
    }
}

// Whether it was read to its end even so.
bool abort_prefill(session_handle & session, const std::vector<llama_token> & prompt, const prefill_options & options,
                   bool at_once) {
    struct waiting {
        waiter<prefill_result> end;
        std::promise<void> begun;
        std::once_flag once;
    } wait;
    // Or is over.
    const auto begins = [&wait] { std::call_once(wait.once, [&] { wait.begun.set_value(); }); };
    const completion<prefill_result> end = wait.end.end();
    session.prefill(prompt, options, [&](uint32_t, uint32_t) { begins(); },
                    { [&begins, end](const prefill_result & result) {
                         begins();
                         end.done(result);
                     },
                      [&begins, end](const failure & error) {
                          begins();
                          end.failed(error);
                      } });
    if (!at_once) wait.begun.get_future().wait();
    session.abort();
    try {
        wait.end.get();
        return true;
    } catch (const failure & error) {
        if (error.code() != error_code::aborted) throw;
        return false;
    }
}

move_outcome make(session_handle & session, const session_move & move, const program_manner & manner,
                  const move_outcome * known) {
    move_outcome out;
    prefill_options how;
    how.refresh = move.refresh;
    how.deterministic = manner.deterministic;
    switch (move.is) {
    case kind::prefill:
        out.said = std::to_string(prefill(session, some_tokens(move.count, move.seed), how).n_context_tokens);
        return out;
    case kind::abort_prefill: {
        if (known && known->got == 0 && !known->refused) return *known;
        // What a refresh had read before the abort stays, so how far it came would show.
        how.refresh = false;
        const auto prompt = some_tokens(n_aborted_prompt, move.seed);
        bool read = true;
        if (known)
            prefill(session, prompt, how);
        else
            read = abort_prefill(session, prompt, how, move.count % 2 == 0);
        out.got = read ? n_aborted_prompt : 0;
        return out;
    }
    case kind::hand_over: out.said = hand_over(session, move.writer).writer; return out;
    case kind::decode: return write(session, options_of(move, manner));
    case kind::leave: {
        if (known && known->got == 0 && !known->refused) return *known;
        decode_options options = options_of(move, manner);
        options.max_tokens = known ? std::max(known->got, 1u) : n_left_answer;
        if (!known) return write_and_leave(session, options, move.count);
        out = write(session, options);
        out.said.clear();
        return out;
    }
    case kind::abort_decode: {
        if (known) return *known;  // whether it was refused or aborted first is chance
        decode_options options = options_of(move, manner);
        options.max_tokens = n_left_answer;
        options.writer.reset();
        // With those of the answer so far, as if it had never been tried.
        options.sampling.has_seed = false;
        return write_and_leave(session, options, 0);
    }
    case kind::retract: retract(session, move.count); return out;
    case kind::fork: break;
    }
    return out;
}

// A refusal is an outcome, too: the session is then as it was.
move_outcome outcome_of(session_handle & session, const session_move & move, const program_manner & manner,
                        const move_outcome * known = nullptr) {
    try {
        return make(session, move, manner, known);
    } catch (const failure & error) {
        switch (error.code()) {
        case error_code::stage_order:
        case error_code::context_overflow:
        case error_code::handover_unavailable:
        case error_code::invalid_argument: break;
        default: throw;
        }
        move_outcome out;
        out.said = error_code_name(error.code());
        out.refused = true;
        return out;
    }
}

// All programs of one call of run_together.
class running_programs {
  public:
    running_programs(engine & pair, const program_manner & manner) : pair_(pair), manner_(manner) {}

    void run(std::shared_ptr<session_handle> session, const session_program & program, program_run before = {}) {
        std::vector<std::thread> forks;
        try {
            for (const session_move & move : program.moves) {
                pair_.metrics();
                if (move.is == kind::fork) {
                    auto twin = fork(*session);
                    forks.emplace_back([this, twin = std::move(twin), &move, before]() mutable {
                        run(std::move(twin), { move.moves, (session_end) (move.seed % 3) }, std::move(before));
                    });
                    continue;
                }
                before.outcomes.push_back(outcome_of(*session, move, manner_));
                before.moves.push_back(move);
            }
            end(std::move(session), program.end);
            const std::lock_guard<std::mutex> lock(mutex_);
            runs_.push_back(std::move(before));
        } catch (...) {
            const std::lock_guard<std::mutex> lock(mutex_);
            failed_ = std::current_exception();
        }
        for (std::thread & thread : forks) thread.join();
    }

    // When all have ended.
    std::vector<program_run> runs() {
        if (failed_) std::rethrow_exception(failed_);
        return std::move(runs_);
    }

  private:
    std::shared_ptr<session_handle> fork(session_handle & session) {
        auto twin = create_session(pair_);
        waiter<bool> wait;
        session.fork(*twin, wait.end());
        wait.get();
        return twin;
    }

    void end(std::shared_ptr<session_handle> session, session_end how) {
        if (how == session_end::drop) return;
        if (how == session_end::dispose) return dispose(*session);
        decode_options endless = greedy(0);
        endless.sampling.ignore_eos = true;
        waiting_reader reader(*session, endless);
        dispose(*session);
        try {
            while (!reader.read().result) continue;
        } catch (const failure & error) {
            if (error.code() != error_code::stage_order) throw;
        }
    }

    engine & pair_;
    const program_manner manner_;
    std::mutex mutex_;
    std::vector<program_run> runs_;
    std::exception_ptr failed_;
};

}  // namespace

std::vector<program_run> run_together(engine & pair, const std::vector<session_program> & programs,
                                      const program_manner & manner) {
    running_programs all(pair, manner);
    std::vector<std::shared_ptr<session_handle>> sessions;
    // Before any runs: else forks might take the places that programs wait for, and wait for others themselves.
    for (size_t i = 0; i < programs.size(); i++) sessions.push_back(create_session(pair));
    std::vector<std::thread> threads;
    for (size_t i = 0; i < programs.size(); i++)
        threads.emplace_back([&all, &programs, i, session = std::move(sessions[i])]() mutable {
            all.run(std::move(session), programs[i]);
        });
    for (std::thread & thread : threads) thread.join();
    return all.runs();
}

std::vector<move_outcome> run_alone(engine & pair, const program_run & run, const program_manner & manner) {
    const auto session = create_session(pair);
    std::vector<move_outcome> out;
    for (size_t i = 0; i < run.moves.size(); i++) {
        // What was refused is to be refused again.
        out.push_back(outcome_of(*session, run.moves[i], manner, &run.outcomes[i]));
    }
    dispose(*session);
    return out;
}

}  // namespace overfill::test
