// The rows of several answers in one batch: single tokens and longer checks are not mixed, and what was not read is as
// it was.
#include "check.h"
#include "row_batches.h"
#include "session.h"
#include "writers_case.h"

#include <cmath>
#include <memory>

using namespace overfill;
using namespace overfill::test;

namespace {

class reader final : public task {
  public:
    turn step() override { return turn::done; }
    void fail(const failure &) noexcept override {}
    void got_row(const read_row & row) override { got = row; }
    std::optional<read_row> got;
};

using logits = std::vector<float>;

// Sessions on a pair without an engine, each of which has read a prompt; the prefill model reads on.
class rows_case {
  public:
    explicit rows_case(uint32_t cache_tokens = 0)
        : pair_(options(cache_tokens), nullptr, nullptr, [](float) { return true; }) {
        for (llama_seq_id i = 0; i < 4; i++) {
            sessions_.push_back(std::make_unique<session>(pair_, i));
            session::prefill_run run(*sessions_.back(), some_tokens(20 + (uint32_t) i, (uint32_t) i), {});
            while (!run.done()) run.step();
            readers_.push_back(std::make_unique<reader>());
        }
    }

    // A row of so many tokens for each session; which of them were read.
    std::vector<bool> read(const std::vector<uint32_t> & lengths) {
        std::vector<scheduler::row_request> requests;
        for (size_t i = 0; i < lengths.size(); i++) {
            const auto is = lengths[i] > 1 ? batch_row::part::check : batch_row::part::token;
            requests.push_back({ readers_[i].get(), { &cache(i), text_.data(), lengths[i], pair_side::prefill, is } });
        }
        const std::vector<uint32_t> before = sizes();
        read_rows(pair_, requests);
        std::vector<bool> read(lengths.size());
        for (const scheduler::row_request & request : requests)
            for (size_t i = 0; i < lengths.size(); i++)
                if (request.by == readers_[i].get()) read[i] = request.was_read;
        for (size_t i = 0; i < lengths.size(); i++)
            CHECK_EQUAL(cache(i).size(), before[i] + (read[i] ? lengths[i] : 0));
        return read;
    }

    // Of each token that was read for the session.
    std::vector<logits> rows_of(size_t i, uint32_t n) const {
        std::vector<logits> out;
        for (int32_t j = 0; j < (int32_t) n; j++) out.push_back(row(readers_[i]->got.value().first + j));
        return out;
    }
    // The same, read by itself.
    std::vector<logits> alone(size_t i, uint32_t n) {
        cache(i).cut(cache(i).size() - n);
        CHECK(cache(i).read(pair_side::prefill, text_.data(), n, n));
        std::vector<logits> out;
        for (int32_t j = 0; j < (int32_t) n; j++) out.push_back(row(j));
        return out;
    }

    batch_costs & costs() { return pair_.costs(pair_side::prefill); }

  private:
    static pair_options options(uint32_t cache_tokens) {
        static const writers_case f;
        pair_options out = f.alone(f.small);
        out.cache_type_k = out.cache_type_v = GGML_TYPE_F32;
        out.attention = flash_attention::off;
        out.max_sessions = 4;
        out.cache_tokens = cache_tokens;
        return out;
    }
    cached_sequence & cache(size_t i) { return *sessions_[i]->caches()[0]; }
    std::vector<uint32_t> sizes() {
        std::vector<uint32_t> out;
        for (size_t i = 0; i < sessions_.size(); i++) out.push_back(cache(i).size());
        return out;
    }
    logits row(int32_t i) const {
        const float * values = llama_get_logits_ith(pair_.prefill_context(), i);
        return logits(values, values + llama_vocab_n_tokens(pair_.vocab()));
    }

    const tokens text_ = some_tokens(8, 9);
    pair pair_;
    std::vector<std::unique_ptr<session>> sessions_;
    std::vector<std::unique_ptr<reader>> readers_;
};

bool close(const std::vector<logits> & a, const std::vector<logits> & b) {
    for (size_t i = 0; i < a.size(); i++)
        for (size_t j = 0; j < a[i].size(); j++)
            if (!(std::abs(a[i][j] - b[i][j]) < 1e-3f)) return false;
    return a.size() == b.size();
}

using read = std::vector<bool>;

}  // namespace

TEST("of single tokens and longer checks, the more are read in a batch, and the others are left as they are") {
    for (const uint32_t pool : { 0u, 512u }) {
        rows_case f(pool);
        CHECK(f.read({ 1, 4, 3, 1 }) == read({ true, false, false, true }));
        CHECK(f.read({ 4, 1, 3, 2 }) == read({ true, false, true, true }));
        CHECK(f.read({ 1, 1, 4, 1 }) == read({ true, true, false, true }));
        CHECK(f.read({ 3, 4, 2, 4 }) == read({ true, true, true, true }));
    }
}

TEST("where a batch of the more does not pay, the others are read") {
    rows_case f;
    f.costs().saw(1, 1);
    f.costs().saw(2, 100);
    f.costs().saw(3, 100);
    CHECK(f.read({ 1, 3, 3, 1 }) == read({ false, true, true, false }));
    CHECK(f.read({ 1, 1, 1, 4 }) == read({ false, false, false, false }));
}

TEST("each row's logits are those of its tokens, whatever their lengths") {
    for (const uint32_t pool : { 0u, 512u }) {
        for (const std::vector<uint32_t> & lengths :
             { std::vector<uint32_t>{ 4, 1, 3, 2 }, { 1, 4, 1, 1 }, { 2, 2, 5, 5 } }) {
            rows_case f(pool);
            const read was_read = f.read(lengths);
            std::vector<std::vector<logits>> got;
            for (size_t i = 0; i < 4; i++)
                got.push_back(was_read[i] ? f.rows_of(i, lengths[i]) : std::vector<logits>());
            for (size_t i = 0; i < 4; i++)
                if (was_read[i]) CHECK(close(got[i], f.alone(i, lengths[i])));
        }
    }
}
