#include "pair_scenario.h"

#include "engine_driver.h"
#include "models.h"
#include "pair_driver.h"
#include "plain_context.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <stdexcept>

namespace overfill::test {

namespace {

// Smaller than the prompts, so that an abort can come between two pieces.
constexpr uint32_t n_batch = 16;

using rows = std::vector<logits_row>;
using tokens = std::vector<llama_token>;

struct answer_rows {
    rows logits;
    tokens written;  // the likeliest of each row

    answer_rows from(size_t first, size_t last) const {
        return { { logits.begin() + (std::ptrdiff_t) first, logits.begin() + (std::ptrdiff_t) last },
                 { written.begin() + (std::ptrdiff_t) first, written.begin() + (std::ptrdiff_t) last } };
    }
};

tokens joined(std::initializer_list<tokens> parts) {
    tokens all;
    for (const tokens & part : parts) all.insert(all.end(), part.begin(), part.end());
    return all;
}

tokens drawn_tokens(uint32_t n, uint32_t salt, uint32_t n_vocab) {
    tokens out = some_tokens(n, salt);
    for (llama_token & token : out) token = (llama_token) ((uint32_t) token % n_vocab);
    return out;
}

bool same_bits(const rows & a, const rows & b) {
    const auto same = [](const logits_row & x, const logits_row & y) {
        return x.size() == y.size() && std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0;
    };
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), same);
}

// What the conversation is to give, by llama.h alone.
struct expectation {
    tokens prompts[4];
    answer_rows first;      // 16 tokens after the first prompt
    answer_rows second;     // 8 after the second
    answer_rows refreshed;  // 6 after a refresh behind those
    answer_rows kept;       // 8 after a third prompt, without a refresh
    answer_rows last;       // 4 after a fourth, with one
};

class oracle {
  public:
    oracle(const std::string & prefill_path, const std::string & decode_path)
        : reader_model_(load(prefill_path)), one_(decode_path.empty()),
          writer_model_(one_ ? nullptr : load(decode_path)), reader_(reader_model_.get(), n_batch),
          writer_(one_ ? reader_model_.get() : writer_model_.get(), n_batch) {}

    expectation run() {
        expectation e;
        const auto n_vocab = (uint32_t) llama_vocab_n_tokens(llama_model_get_vocab(reader_model_.get()));
        for (uint32_t i = 0; i < 4; i++) e.prompts[i] = drawn_tokens(i == 0 ? 40 : 12 - 2 * i, i, n_vocab);
        e.first = answer(reader_.read(e.prompts[0]), 16);
        e.second = answer(reader_.read(joined({ e.first.written, e.prompts[1] })), 8);
        e.refreshed = answer(reader_.read(e.second.written), 6);
        // Without a refresh the reader goes on from what the writer has left, the last token being still unread.
        const size_t n_clean = reader_.n_pieces();
        carry(writer_, reader_);
        e.kept = answer(reader_.read(joined({ { e.refreshed.written.back() }, e.prompts[2] })), 8);
        reader_.go_back(n_clean);
        e.last = answer(reader_.read(since_refresh(e)), 4);
        // Else a wrong memory would not be seen.
        reader_.go_back(0);
        if (same_bits({ reader_.read({ e.prompts[0].back() }) }, { e.first.logits[0] }))
            throw std::runtime_error("the logits do not depend on what was read before");
        return e;
    }

    // The rows of an answer from n on, n being more than 1, when the writer has read all but the last of the tokens
    // before at once: where a memory cannot be cut, this is how it goes back.
    answer_rows first_again(const expectation & e, size_t n) { return again({ e.prompts[0] }, e.first, n); }
    answer_rows second_again(const expectation & e, size_t n) {
        return again({ e.prompts[0], joined({ e.first.written, e.prompts[1] }) }, e.second, n);
    }

    // The last answer, when the reader has read all up to the last refresh once more, in pieces of its own.
    answer_rows last_again(const expectation & e) {
        reader_.go_back(0);
        reader_.read(joined({ e.prompts[0], e.first.written, e.prompts[1], e.second.written }));
        return answer(reader_.read(since_refresh(e)), 4);
    }

  private:
    static tokens since_refresh(const expectation & e) {
        return joined({ e.refreshed.written, e.prompts[2], e.kept.written, e.prompts[3] });
    }

    answer_rows again(const std::vector<tokens> & prefills, const answer_rows & answer, size_t n) {
        reader_.go_back(0);
        for (const tokens & prefill : prefills) reader_.read(prefill);
        carry(reader_, writer_);
        writer_.read(answer.from(0, n - 1).written);
        answer_rows out = answer.from(n, answer.written.size());
        for (size_t i = 0; i < out.logits.size(); i++) out.logits[i] = writer_.read({ answer.written[n - 1 + i] });
        return out;
    }

    static model_ptr load(const std::string & path) {
        return load_model({ path, 0 }, load_depth::weights, [](float) { return true; });
    }

    void carry(plain_context & from, plain_context & to) { one_ ? to.replay(from) : to.copy_state(from); }

    answer_rows answer(logits_row row, uint32_t n) {
        carry(reader_, writer_);
        answer_rows out;
        for (uint32_t i = 0; i < n; i++) {
            if (i > 0) row = writer_.read({ out.written.back() });
            if (!std::all_of(row.begin(), row.end(), [](float x) { return std::isfinite(x); }))
                throw std::runtime_error("llama.cpp's logits are not finite");
            out.written.push_back((llama_token) (std::max_element(row.begin(), row.end()) - row.begin()));
            out.logits.push_back(row);
        }
        return out;
    }

    model_ptr reader_model_;
    bool one_;
    model_ptr writer_model_;
    plain_context reader_, writer_;
};

// The pair's side, step by step beside the expectation.
class conversation {
  public:
    conversation(pair_driver & driver, oracle & alone, scenario_outcome & outcome)
        : driver_(driver), alone_(alone), expected_(alone.run()), outcome_(outcome) {}

    void run() {
        const uint64_t before = driver_.n_nodes();
        driver_.prefill(expected_.prompts[0]);
        n_nodes_ = driver_.n_nodes() - before;
        driver_.hand_over();
        check(expected_.first, "the answer");

        turn(1, true, expected_.second, "the second answer");
        driver_.retract(5);
        check_again(
            expected_.second.from(3, 8), [&] { return alone_.second_again(expected_, 3); },
            "what follows tokens taken back");
        driver_.refresh();
        check(expected_.refreshed, "what follows a refresh");
        turn(2, false, expected_.kept, "an answer without a refresh");
        driver_.prefill(expected_.prompts[3]);
        driver_.hand_over();
        check_again(
            expected_.last, [&] { return alone_.last_again(expected_); }, "an answer with a refresh after that");

        driver_.clear();
        abort_stages();
    }

  private:
    void turn(size_t prompt, bool refresh, const answer_rows & answer, const char * what) {
        driver_.prefill(expected_.prompts[prompt], refresh);
        driver_.hand_over();
        check(answer, what);
    }

    void abort_stages() {
        for (const double share : { 0.25, 0.75 }) abort_prefill(0, share);
        driver_.prefill(expected_.prompts[0]);
        driver_.hand_over();
        check(expected_.first.from(0, 4), "the answer after an aborted prefill");
        // A prompt is three pieces, so this is in the middle of the second token.
        driver_.abort_after(n_nodes_ / 2);
        check_aborted(driver_.decode(expected_.first.from(4, 16).written).size() < 12, "an answer");
        driver_.clear();

        driver_.prefill(expected_.prompts[0]);
        driver_.hand_over();
        check(expected_.first.from(0, 4), "the answer after a cleared session");
        driver_.abort_after(n_nodes_ / 2);
        const size_t n_written = driver_.decode(expected_.first.from(4, 16).written).size();
        driver_.allow_all();
        check_again(
            expected_.first.from(4 + n_written, 16), [&] { return alone_.first_again(expected_, 4 + n_written); },
            "the rest of an aborted answer");
        for (const double share : { 0.2, 0.6 }) abort_prefill(1, share);
        turn(1, true, expected_.second, "the answer after an aborted refresh");
    }

    void abort_prefill(size_t prompt, double share) {
        driver_.abort_after((uint64_t) ((double) n_nodes_ * share));
        check_aborted(!driver_.prefill(expected_.prompts[prompt]), "a prefill");
    }

    void check_aborted(bool aborted, const char * what) {
        driver_.allow_all();
        if (!aborted) fault(std::string(what) + " went on in spite of an abort");
    }

    void check(const answer_rows & answer, const char * what) {
        if (!same_bits(driver_.decode(answer.written), answer.logits)) fault(std::string(what) + " is different");
    }

    // What follows tokens that a memory may have had to read again.
    void check_again(const answer_rows & answer, const std::function<answer_rows()> & reread, const char * what) {
        const rows got = driver_.decode(answer.written);
        if (same_bits(got, answer.logits)) return;
        if (!same_bits(got, reread().logits)) fault(std::string(what) + " is different");
    }

    void fault(const std::string & what) {
        if (outcome_.fault.empty()) outcome_.fault = what;
    }

    pair_driver & driver_;
    oracle & alone_;
    const expectation expected_;
    scenario_outcome & outcome_;
    uint64_t n_nodes_ = 0;  // of the first prefill
};

}  // namespace

scenario_outcome run_scenario(const std::string & prefill_path, const std::string & decode_path) {
    pair_options options = options_for(prefill_path, decode_path);
    options.context_size = 256;
    options.batch_size = n_batch;
    pair_driver driver(options);
    oracle alone(prefill_path, decode_path);
    scenario_outcome outcome;
    outcome.kind = driver.info().writers[0].plan.kind;
    conversation(driver, alone, outcome).run();
    outcome.reads_again = driver.n_read_again() > 0;
    return outcome;
}

}  // namespace overfill::test
