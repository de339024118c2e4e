#include "engine_driver.h"

#include "waiter.h"

#include <algorithm>
#include <condition_variable>

namespace overfill::test {

pair_options options_for(const std::string & prefill, const std::string & decode) {
    pair_options options;
    options.prefill.path = prefill;
    options.decode.path = decode;
    options.context_size = 1024;
    options.n_threads = 1;
    return options;
}

std::shared_ptr<engine> load(const pair_options & options, pair_info * info) {
    waiter<pair_info> wait;
    auto pair = engine::load(
        options, [](float) {}, wait.end());
    const pair_info loaded = wait.get();
    if (info) *info = loaded;
    return pair;
}

std::shared_ptr<session_handle> create_session(engine & pair, int32_t priority, pair_side writer) {
    waiter<std::shared_ptr<session_handle>> wait;
    pair.create_session(priority, wait.end(), writer);
    return wait.get();
}

prefill_result prefill(session_handle & session, prompt_input prompt, const prefill_options & options) {
    waiter<prefill_result> wait;
    session.prefill(std::move(prompt), options, nullptr, wait.end());
    return wait.get();
}

handover_report hand_over(session_handle & session, std::optional<pair_side> writer) {
    waiter<handover_report> wait;
    session.hand_over(wait.end(), writer);
    return wait.get();
}

void retract(session_handle & session, uint32_t n_tokens) {
    waiter<bool> wait;
    session.retract(n_tokens, wait.end());
    wait.get();
}

void save(session_handle & session, const std::string & path, bool compress) {
    waiter<bool> wait;
    session.save({ path, "", compress }, wait.end());
    wait.get();
}

restored_session restore(session_handle & session, const std::string & path) {
    waiter<restored_session> wait;
    session.restore(path, wait.end());
    return wait.get();
}

void truncate(session_handle & session, uint32_t n_tokens) {
    waiter<bool> wait;
    session.truncate(n_tokens, wait.end());
    wait.get();
}

answer drain(token_stream & stream, const std::function<void()> & wait) {
    answer out;
    while (true) {
        token_stream::reading reading = stream.read();
        out.text += reading.chunk.text;
        out.tokens.insert(out.tokens.end(), reading.chunk.tokens.begin(), reading.chunk.tokens.end());
        for (auto & row : reading.chunk.log_probs) out.log_probs.push_back(std::move(row));
        if (reading.error) throw *reading.error;
        if (reading.result) {
            out.result = *reading.result;
            return out;
        }
        if (!reading.ready()) wait();
    }
}

answer decode(session_handle & session, const decode_options & options) {
    std::mutex mutex;
    std::condition_variable changed;
    bool rung = false;
    const auto stream = session.decode(options, [&] {
        const std::lock_guard<std::mutex> lock(mutex);
        rung = true;
        changed.notify_one();
    });
    return drain(*stream, [&] {
        std::unique_lock<std::mutex> lock(mutex);
        changed.wait(lock, [&] { return rung; });
        rung = false;
    });
}

void dispose(engine & pair) {
    std::promise<void> done;
    pair.dispose([&] { done.set_value(); });
    done.get_future().get();
}

void dispose(session_handle & session) {
    std::promise<void> done;
    session.dispose([&] { done.set_value(); });
    done.get_future().get();
}

decode_options greedy(uint32_t max_tokens) {
    decode_options options;
    options.sampling.temperature = 0.0f;
    options.max_tokens = max_tokens;
    return options;
}

decode_options greedy_with_log_probs(uint32_t max_tokens) {
    decode_options options = greedy(max_tokens);
    options.sampling.n_log_probs = 5;
    options.sampling.ignore_eos = true;
    return options;
}

bool same(const answer & a, const answer & b) {
    const auto same_row = [](const auto & x, const auto & y) {
        const auto same_one = [](const token_log_prob & one, const token_log_prob & other) {
            return one.token == other.token && one.log_prob == other.log_prob;
        };
        return std::equal(x.begin(), x.end(), y.begin(), y.end(), same_one);
    };
    return a.tokens == b.tokens &&
           std::equal(a.log_probs.begin(), a.log_probs.end(), b.log_probs.begin(), b.log_probs.end(), same_row);
}

std::vector<llama_token> some_tokens(uint32_t n, uint32_t salt) {
    std::vector<llama_token> tokens;
    for (uint32_t i = 0; i < n; i++) tokens.push_back((llama_token) (3 + (i * 7919 + salt * 104729 + 13) % 350));
    return tokens;
}

}  // namespace overfill::test
