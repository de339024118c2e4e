#include "pair_driver.h"

#include <llama.h>

namespace overfill::test {

bool pair_driver::should_abort(void * data) {
    auto * driver = static_cast<pair_driver *>(data);
    return ++driver->n_nodes_ > driver->n_allowed_;
}

pair_driver::pair_driver(const pair_options & options)
    : pair_(options, should_abort, this, [](float) { return true; }), session_(pair_, 0) {}

bool pair_driver::prefill(const std::vector<llama_token> & prompt, bool refresh) {
    prefill_options options;
    options.refresh = refresh;
    session::prefill_run run(session_, prompt, options);
    while (!run.done())
        if (!run.step()) return false;
    return true;
}

bool pair_driver::refresh() {
    session_.begin_decode();
    refresh_step step;
    while (!step.done && !step.aborted) step = session_.refresh_some();
    return step.done;
}

bool pair_driver::catch_up() {
    while (session_.owes())
        if (!session_.catch_up()) return false;
    return true;
}

std::vector<logits_row> pair_driver::decode(const std::vector<llama_token> & tokens, std::optional<pair_side> writer) {
    const int32_t n_vocab = llama_vocab_n_tokens(pair_.vocab());
    std::vector<logits_row> rows;
    decode_result result;
    result.reason = finish_reason::length;
    session_.begin_decode(writer);
    for (const llama_token token : tokens) {
        uint32_t n_steps = 0;
        const float * logits = catch_up() ? session_.next_logits(n_steps) : nullptr;
        if (!logits) {
            result.reason = finish_reason::abort;
            break;
        }
        rows.emplace_back(logits, logits + n_vocab);
        session_.append(token);
        result.n_tokens++;
        result.n_decode_steps += n_steps;
    }
    session_.end_decode(result, 0, "");
    return rows;
}

}  // namespace overfill::test
