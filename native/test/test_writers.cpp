// Several decode models on one prefill model, one after the other in a session: one takes over from another in the
// middle of an answer as llama.h alone has it.
#include "check.h"
#include "models.h"
#include "pair_driver.h"
#include "plain_context.h"
#include "writers_case.h"

#include <cstring>

using namespace overfill;
using namespace overfill::test;

namespace {

using rows = std::vector<logits_row>;

// Models and contexts of llama.h alone, one of each.
class oracle {
  public:
    explicit oracle(const writers_case & f) {
        const std::string * paths[] = { &f.full.str(), &f.small.str(), &f.other.str() };
        for (const std::string * path : paths) {
            models_.push_back(load_model({ *path, 0 }, load_depth::weights, [](float) { return true; }));
            contexts_.emplace_back(models_.back().get(), models_.size() == 1 ? n_read_batch : n_written_batch);
        }
    }
    plain_context & of(pair_side side) { return contexts_[(size_t) side]; }

    // Reads tokens one by one; what each gives.
    void write(pair_side side, const tokens & text, rows & out) {
        for (const llama_token token : text) out.push_back(of(side).read({ token }));
    }

  private:
    std::vector<model_ptr> models_;
    std::vector<plain_context> contexts_;
};

bool same_bits(const rows & a, const rows & b) {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); i++)
        if (a[i].size() != b[i].size() || std::memcmp(a[i].data(), b[i].data(), a[i].size() * sizeof(float)) != 0)
            return false;
    return true;
}

tokens part(const tokens & text, size_t from, size_t to) {
    return { text.begin() + (std::ptrdiff_t) from, text.begin() + (std::ptrdiff_t) to };
}

void append(rows & to, rows from) {
    for (logits_row & row : from) to.push_back(std::move(row));
}

const tokens prompt = some_tokens(40), text = some_tokens(32, 3);

}  // namespace

TEST("where they share, one takes over from another within an answer, as llama.h has it") {
    const writers_case f;
    oracle expected(f);
    rows wanted = { expected.of(prefill_side).read(prompt) };
    struct stretch {
        pair_side by;
        size_t end;
    };
    const std::vector<stretch> plan = {
        { quick, 8 }, { careful, 16 }, { prefill_side, 20 }, { quick, 28 }, { careful, 32 }
    };
    pair_side before = prefill_side;
    size_t read = 0;
    for (const stretch & s : plan) {
        if (s.by != before) expected.of(s.by).copy_state(expected.of(before));
        // The last token of a stretch is read by who comes next.
        expected.write(s.by, part(text, read, s.end - 1), wanted);
        read = s.end - 1;
        before = s.by;
    }

    pair_driver driver(f.options());
    CHECK(driver.prefill(prompt));
    CHECK(driver.hand_over(quick).kind == handover_kind::share);
    rows got;
    size_t from = 0;
    for (const stretch & s : plan) {
        append(got, driver.decode(part(text, from, s.end), s.by));
        from = s.end;
    }
    CHECK(same_bits(got, wanted));
    // The writers read all but the last token, each what it was given.
    CHECK_EQUAL(driver.stats().n_decode_steps, 31u);

    // The next prefill reads again from where the first decode model began.
    const tokens more = some_tokens(10, 5);
    CHECK(driver.prefill(more));
    CHECK_EQUAL(driver.stats().n_refreshed_tokens, 32u);
    driver.hand_over(careful);
    const rows after = driver.decode(part(text, 0, 6));
    oracle again(f);
    tokens all = text;
    all.insert(all.end(), more.begin(), more.end());
    again.of(prefill_side).read(prompt);
    rows wanted_after = { again.of(prefill_side).read(all) };
    again.of(careful).copy_state(again.of(prefill_side));
    again.write(careful, part(text, 0, 5), wanted_after);
    CHECK(same_bits(after, wanted_after));
}

TEST("what a decode model wrote into a cache of its own, the next one reads itself") {
    const writers_case f;
    pair_options options = f.options();
    options.handover = handover_choice::translate;
    pair_driver driver(options);
    CHECK(driver.prefill(prompt));
    CHECK_EQUAL(driver.hand_over(quick).n_tokens, 40u);
    rows got;
    append(got, driver.decode(part(text, 0, 8)));
    append(got, driver.decode(part(text, 8, 16), careful));
    append(got, driver.decode(part(text, 16, 20), quick));
    append(got, driver.decode(part(text, 20, 24), prefill_side));
    append(got, driver.decode(part(text, 24, 28), careful));

    oracle expected(f);
    rows wanted = { expected.of(prefill_side).read(prompt) };
    expected.of(quick).copy_state(expected.of(prefill_side));
    expected.of(careful).copy_state(expected.of(prefill_side));
    expected.write(quick, part(text, 0, 7), wanted);
    wanted.push_back(expected.of(careful).read(part(text, 0, 8)));
    expected.write(careful, part(text, 8, 15), wanted);
    // It still has what it wrote.
    wanted.push_back(expected.of(quick).read(part(text, 7, 16)));
    expected.write(quick, part(text, 16, 19), wanted);
    wanted.push_back(expected.of(prefill_side).read(part(text, 0, 20)));
    expected.write(prefill_side, part(text, 20, 23), wanted);
    // By now the prefill model's cache has more than a copy of the beginning, and that goes first.
    expected.of(careful).copy_state(expected.of(prefill_side));
    wanted.push_back(expected.of(careful).read(part(text, 23, 24)));
    expected.write(careful, part(text, 24, 27), wanted);
    CHECK(same_bits(got, wanted));
}

TEST("the prefill model's own answer is not read again") {
    const writers_case f;
    pair_driver driver(f.options());
    CHECK(driver.prefill(prompt));
    driver.hand_over(prefill_side);
    driver.decode(part(text, 0, 12));
    CHECK(driver.prefill(some_tokens(10, 5)));
    // Only the last token, which nobody had read.
    CHECK_EQUAL(driver.stats().n_refreshed_tokens, 1u);
}

TEST("tokens are taken back whoever wrote them, and written again alike") {
    const writers_case f;
    for (const handover_choice choice : { handover_choice::share, handover_choice::translate }) {
        pair_options options = f.options();
        options.handover = choice;
        pair_driver driver(options);
        const auto begin = [&] {
            driver.clear();
            CHECK(driver.prefill(prompt));
            driver.hand_over(prefill_side);
            driver.decode(part(text, 0, 8));
        };
        begin();
        const rows wanted = driver.decode(part(text, 8, 20), careful);
        begin();
        driver.decode(part(text, 8, 16), careful);
        driver.retract(5);
        CHECK(same_bits(driver.decode(part(text, 11, 20)), { wanted.begin() + 3, wanted.end() }));
        // Back to what another had written.
        driver.retract(14);
        driver.decode(part(text, 6, 8), prefill_side);
        CHECK(same_bits(driver.decode(part(text, 8, 20), careful), wanted));
    }
}

TEST("an aborted prompt leaves nothing of what was translated back for it") {
    const writers_case f;
    pair_options options = f.options();
    options.handover = handover_choice::translate;
    const auto rows_by = [&](pair_side by, bool aborts) {
        pair_driver driver(options);
        CHECK(driver.prefill(prompt));
        driver.hand_over(quick);
        driver.decode(part(text, 0, 8));
        if (aborts) {
            driver.abort_after(1);
            CHECK(!driver.prefill(some_tokens(10, 5), /*refresh*/ false));
            driver.allow_all();
        }
        return driver.decode(part(text, 8, 16), by);
    };
    // Who has not read it itself reads it now, and who has still has it.
    for (const pair_side by : { prefill_side, quick, careful }) CHECK(same_bits(rows_by(by, true), rows_by(by, false)));
}

TEST("a refresh within an answer takes in what several wrote") {
    const writers_case f;
    pair_driver driver(f.options());
    CHECK(driver.prefill(prompt));
    driver.hand_over(quick);
    driver.decode(part(text, 0, 8));
    driver.decode(part(text, 8, 12), careful);
    CHECK(driver.refresh());
    const rows got = driver.decode(part(text, 12, 16));
    oracle expected(f);
    expected.of(prefill_side).read(prompt);
    rows wanted = { expected.of(prefill_side).read(part(text, 0, 12)) };
    expected.of(careful).copy_state(expected.of(prefill_side));
    expected.write(careful, part(text, 12, 15), wanted);
    CHECK(same_bits(got, wanted));
}

TEST("what a writer of some layers wrote, others read themselves") {
    const model_path deep(shape(5, 64, 4)), narrow(shape(6, 32, 4)), cut(shape(4, 32, 2));
    pair_options options = options_for(deep.str(), narrow.str());
    options.context_size = 256;
    options.batch_size = n_read_batch;
    options.more_writers = { writer("cut", cut) };
    options.more_writers[0].layers = { 1, 3 };
    pair_driver driver(options);
    CHECK(driver.prefill(prompt));
    driver.hand_over(careful);
    driver.decode(part(text, 0, 8));
    const rows got = driver.decode(part(text, 8, 16), quick);

    const model_ptr full = load_model({ deep.str(), 0 }, load_depth::weights, [](float) { return true; }),
                    small = load_model({ narrow.str(), 0 }, load_depth::weights, [](float) { return true; });
    plain_context reader(full.get(), n_read_batch), writer(small.get(), n_written_batch);
    reader.read(prompt);
    writer.copy_state(reader);
    rows wanted = { writer.read(part(text, 0, 8)) };
    for (size_t i = 8; i < 15; i++) wanted.push_back(writer.read({ text[i] }));
    CHECK(same_bits(got, wanted));

    // The prefill model cannot go on from those cells either, and says so.
    driver.clear();
    CHECK(driver.prefill(prompt));
    driver.hand_over(careful);
    driver.decode(part(text, 0, 8));
    CHECK_FAILURE(error_code::handover_unavailable, driver.prefill(some_tokens(10, 5), /*refresh*/ false));
    CHECK(driver.prefill(some_tokens(10, 5)));
}
