// Sessions that are truncated within what a refresh of the newest tokens has read: who wrote which cells is told truly,
// and the answer goes on as in a session that came there on the straight way.
#include "check.h"
#include "writers_case.h"

#include <cmath>

using namespace overfill;
using namespace overfill::test;

namespace {

constexpr uint32_t n_prompt = 20, n_written = 8, n_again = 5, n_more = 6;
constexpr uint32_t n_total = n_prompt + n_written + n_more;

using logits = std::vector<float>;

struct sessions {
    pair models;
    session whole, cut, plain;

    explicit sessions(const pair_options & options)
        : models(
              options, [](void *) { return false; }, nullptr, [](float) { return true; }),
          whole(models, 0), cut(models, 1), plain(models, 2) {
        read_prompt(whole);
        write(whole, n_written, 1);
        whole.begin_newest(n_again);
        while (!whole.refresh_some().done)
            ;
        write(whole, n_more, 2);
        end(whole, n_written + n_more);
    }

    static void read_prompt(session & one) {
        one.clear();
        session::prefill_run run(one, some_tokens(n_prompt), prefill_options{});
        while (!run.done()) run.step();
        one.hand_over();
        one.begin_decode();
    }
    static void write(session & one, uint32_t n, uint32_t salt) {
        for (const llama_token token : some_tokens(n, salt)) {
            uint32_t n_steps = 0;
            one.next_logits(n_steps);
            one.append(token);
        }
    }
    static void end(session & one, uint32_t n) {
        decode_result result;
        result.n_tokens = n;
        result.reason = finish_reason::length;
        one.end_decode(result, 0, "");
    }
    logits next(session & one) const {
        one.begin_decode();
        uint32_t n_steps = 0;
        const float * row = one.next_logits(n_steps);
        return logits(row, row + llama_vocab_n_tokens(models.vocab()));
    }
    // Of the first n tokens of `whole`, each but the last read by who the ledger says, which is then the writer's.
    logits straight(uint32_t n, const cache_ledger & by) {
        read_prompt(plain);
        cached_sequence & cache = *plain.caches()[0];
        while (cache.size() + 1 < n) {
            const uint32_t from = cache.size(), to = std::min(by.run_of(from).end, n - 1);
            CHECK(cache.read(by.run_of(from).by, &whole.tokens()[from], to - from, 1));
        }
        CHECK(cache.read(plain.writer(), &whole.tokens()[n - 1], 1, 1));
        const float * row = llama_get_logits_ith(models.context(plain.writer()), -1);
        return logits(row, row + llama_vocab_n_tokens(models.vocab()));
    }
};

bool close(const logits & a, const logits & b) {
    for (size_t i = 0; i < a.size(); i++)
        if (!(std::abs(a[i] - b[i]) < 1e-3f)) return false;
    return a.size() == b.size();
}

// The ledger's first n tokens, and then some by the model.
cache_ledger with(cache_ledger ledger, uint32_t n, uint32_t n_read, pair_side by) {
    ledger.truncate(n);
    ledger.append(n_read, by);
    return ledger;
}

pair_options precise(pair_options options) {
    options.cache_type_k = options.cache_type_v = GGML_TYPE_F32;
    options.attention = flash_attention::off;
    options.max_sessions = 3;
    return options;
}

void check_cuts(const pair_options & options) {
    sessions s(precise(options));
    const cache_ledger all = s.whole.caches()[0]->ledger();
    cache_ledger wanted;
    wanted.append(n_prompt, pair_side::prefill);
    wanted.append(n_written - n_again, quick);
    wanted.append(n_again, pair_side::prefill);
    wanted.append(n_more - 1, quick);
    CHECK(all == wanted);
    for (uint32_t n = n_prompt + 1; n < n_total; n++) {
        s.cut.fork_from(s.whole);
        s.cut.truncate(n);
        cached_sequence & cache = *s.cut.caches()[0];
        CHECK(cache.ledger() == with(all, n, 0, quick));
        // The refresh's own logits are there where it ended.
        const bool kept = n == n_prompt + n_written;
        const logits first = s.next(s.cut);
        CHECK(cache.ledger() == (kept ? with(all, n, 0, quick) : with(all, n - 1, 1, quick)));
        if (!kept) CHECK(close(first, s.straight(n, all)));
        // A reader who leaves before the next token changes nothing.
        s.cut.append(7);
        sessions::end(s.cut, 1);
        s.cut.retract(1);
        CHECK(close(s.next(s.cut), first));
        CHECK(cache.ledger() == (kept ? with(all, n, 0, quick) : with(all, n - 1, 1, quick)));
        // What the prefill model has not read without a gap is read again by the next prompt.
        sessions::end(s.cut, 0);
        const uint32_t n_clean = all.n_clean();
        session::prefill_run run(s.cut, some_tokens(3, 3), prefill_options{});
        while (!run.done()) run.step();
        CHECK_EQUAL(run.result().n_refreshed_tokens, n - n_clean);
        CHECK_EQUAL(cache.ledger().n_clean(), n + 3);
    }
}

}  // namespace

TEST("a session that is truncated within a refresh of the newest tokens goes on from what each model wrote") {
    const writers_case f;
    check_cuts(f.alone(f.small));
}

TEST("the same where another refresh follows, in part and of all") {
    const writers_case f;
    for (const uint32_t n_newest : { 2u, n_total }) {
        for (uint32_t n = n_prompt + 1; n < n_total; n++) {
            sessions s(precise(f.alone(f.small)));
            s.cut.fork_from(s.whole);
            s.cut.truncate(n);
            s.next(s.cut);
            s.cut.append(7);
            s.next(s.cut);
            CHECK(s.cut.n_unread() <= n + 1);
            if (n_newest < n_total) s.cut.begin_newest(std::min(n_newest, s.cut.n_unread()));
            while (!s.cut.refresh_some().done)
                ;
            const cache_ledger & ledger = s.cut.caches()[0]->ledger();
            CHECK_EQUAL(ledger.size(), n + 1);
            CHECK(ledger.runs().back().by == pair_side::prefill);
            if (n_newest == n_total) CHECK_EQUAL(ledger.n_clean(), n + 1);
            // What the refresh gave is the prefill model's, behind who wrote what.
            const float * given = s.cut.kept_logits();
            CHECK(given != nullptr);
            sessions::read_prompt(s.plain);
            cached_sequence & cache = *s.plain.caches()[0];
            while (cache.size() < n + 1) {
                const uint32_t from = cache.size(), to = ledger.run_of(from).end;
                CHECK(cache.read(ledger.run_of(from).by, &s.cut.tokens()[from], to - from, 1));
            }
            const float * row = llama_get_logits_ith(s.models.prefill_context(), -1);
            const int32_t n_vocab = llama_vocab_n_tokens(s.models.vocab());
            CHECK(close(logits(given, given + n_vocab), logits(row, row + n_vocab)));
        }
    }
}
