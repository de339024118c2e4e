// Sessions in files: saved and restored, damaged, and of other pairs.
#include "check.h"
#include "engine_driver.h"
#include "saved_session.h"
#include "temp_folder.h"
#include "tiny_model.h"
#include "xxh3.h"

#include <algorithm>
#include <cstring>
#include <future>
#include <random>

using namespace overfill;
using namespace overfill::test;

namespace {

tiny_model narrow(uint32_t seed) {
    tiny_model m;
    m.seed = seed;
    m.n_embd = 32;
    return m;
}

struct fixture {
    model_path full{ tiny_model() }, small{ narrow(2) }, other{ narrow(3) };
    temp_folder folder;
    std::string file = folder.file("session");

    pair_options options() const {
        pair_options o = options_for(full.str(), small.str());
        o.batch_size = 32;
        o.context_size = 256;
        return o;
    }
};

// A session within an answer, saved. What it writes next.
answer save_within_answer(const pair_options & options, const std::string & file) {
    const auto pair = load(options);
    const auto session = create_session(*pair);
    prefill(*session, some_tokens(60));
    hand_over(*session);
    decode(*session, greedy_with_log_probs(10));
    save(*session, file);
    answer next = decode(*session, greedy_with_log_probs(20));
    dispose(*pair);
    return next;
}

bool goes_on_alike(const pair_options & options, const std::string & file, const answer & expected) {
    const auto pair = load(options);
    const auto session = create_session(*pair);
    restore(*session, file);
    const answer found = decode(*session, greedy_with_log_probs(20));
    dispose(*pair);
    return same(found, expected);
}

const auto never = [] { return false; };

}  // namespace

TEST("a session that was saved within an answer goes on in another engine, bit for bit") {
    const fixture f;
    for (const handover_choice choice : { handover_choice::share, handover_choice::translate }) {
        pair_options options = f.options();
        options.handover = choice;
        const answer expected = save_within_answer(options, f.file);
        CHECK_EQUAL(expected.tokens.size(), 20u);
        CHECK(goes_on_alike(options, f.file, expected));
    }
}

TEST("a session of many pieces is saved beside one that writes, and goes on bit for bit") {
    tiny_model wide;
    wide.n_layer = 8;
    wide.n_head_kv = 4;
    wide.head_size = 128;
    const model_path model(wide);
    const temp_folder folder;
    const std::string file = folder.file("session");
    pair_options options = options_for(model.str());
    options.context_size = 1280;
    options.max_sessions = 2;
    options.cache_type_k = options.cache_type_v = GGML_TYPE_F32;
    const auto pair = load(options);
    const auto session = create_session(*pair), other = create_session(*pair);
    prefill(*session, some_tokens(1100));
    hand_over(*session);
    prefill(*other, some_tokens(30, 1));
    hand_over(*other);
    auto writing = std::async(std::launch::async, [&] { return decode(*other, greedy_with_log_probs(300)); });
    save(*session, file);
    writing.get();
    const answer expected = decode(*session, greedy_with_log_probs(20));
    CHECK(bytes_of(file).size() > (size_t) 32 << 20);
    dispose(*other);
    const auto twin = create_session(*pair);
    restore(*twin, file);
    CHECK(same(decode(*twin, greedy_with_log_probs(20)), expected));
    dispose(*pair);
}

TEST("a session goes on where there are more sessions, in a pool or in a longer context") {
    const fixture f;
    const answer expected = save_within_answer(f.options(), f.file);
    pair_options more = f.options();
    more.max_sessions = 3;
    more.context_size = 512;
    CHECK(goes_on_alike(more, f.file, expected));
    more.cache_tokens = 512;
    CHECK(goes_on_alike(more, f.file, expected));
}

TEST("every damaged byte of a file is noticed, and every shorter and longer one") {
    const fixture f;
    save_within_answer(f.options(), f.file);
    const std::string whole = bytes_of(f.file);
    CHECK(!read_saved_session(f.file, never).image.tokens.empty());
    const auto refused = [&](const std::string & bytes) {
        put_bytes(f.file, bytes);
        try {
            read_saved_session(f.file, never);
        } catch (const failure & error) {
            return error.code() == error_code::saved_session_invalid;
        }
        return false;
    };
    size_t n_missed = 0;
    std::mt19937 random(1);
    for (size_t i = 0; i < 4000; i++) {
        std::string damaged = whole;
        // The header and the beginning of the description byte by byte, then anywhere.
        const size_t at = i < 512 ? i : random() % whole.size();
        damaged[at] = (char) (damaged[at] ^ (1 << random() % 8));
        n_missed += !refused(damaged);
    }
    CHECK_EQUAL(n_missed, 0u);
    for (size_t i = 0; i < 300; i++) n_missed += !refused(whole.substr(0, i < 100 ? i : random() % whole.size()));
    n_missed += !refused(whole + std::string(1, '\0'));
    n_missed += !refused(whole + whole);
    CHECK_EQUAL(n_missed, 0u);
}

TEST("values that are no numbers, by damage, leave none of them in the cells") {
    const fixture f;
    pair_options options = f.options();
    options.max_sessions = 2;
    options.attention = flash_attention::off;  // flash attention passes over cells that are not meant
    save_within_answer(options, f.file);
    std::string bytes = bytes_of(f.file);
    std::fill(bytes.end() - (std::ptrdiff_t) bytes.size() / 4, bytes.end(), '\xff');
    put_bytes(f.file, bytes);
    const auto answer_in = [&](engine & pair, const std::function<void()> & meanwhile) {
        const auto session = create_session(pair);
        prefill(*session, some_tokens(20, 1));
        hand_over(*session);
        meanwhile();
        answer out = decode(*session, greedy_with_log_probs(10));
        dispose(*session);
        return out;
    };
    for (const uint32_t cache_tokens : { 0u, 512u }) {
        options.cache_tokens = cache_tokens;
        const answer expected = answer_in(*load(options), [] {});
        const auto pair = load(options);
        const auto restore_it = [&] {
            const auto session = create_session(*pair);
            CHECK_FAILURE(error_code::saved_session_invalid, restore(*session, f.file));
            CHECK(session->stats().stage == session_stage::empty);
            dispose(*session);
        };
        CHECK(same(answer_in(*pair, restore_it), expected));
        restore_it();
        CHECK(same(answer_in(*pair, [] {}), expected));
        dispose(*pair);
    }
}

TEST("a file of another pair is refused with what differs") {
    const fixture f;
    save_within_answer(f.options(), f.file);
    const auto reason = [&](const pair_options & options) {
        const auto pair = load(options);
        const auto session = create_session(*pair);
        const std::string message = CHECK_FAILURE(error_code::saved_session_mismatch, restore(*session, f.file));
        CHECK(session->stats().stage == session_stage::empty);
        prefill(*session, some_tokens(5));
        dispose(*pair);
        return message;
    };
    const auto has = [](const std::string & message, const char * word) {
        return message.find(word) != std::string::npos;
    };
    pair_options options = f.options();
    options.decode.path = f.other.str();
    CHECK(has(reason(options), "decode model"));
    options = f.options();
    options.prefill.path = f.other.str();
    CHECK(has(reason(options), "prefill model"));
    options = f.options();
    options.cache_type_k = GGML_TYPE_Q8_0;
    CHECK(has(reason(options), "K is 0-1 f16"));
    options = f.options();
    options.decode_name = "writer";
    CHECK(has(reason(options), "writer is decode there and none of that name"));
    options = f.options();
    options.handover = handover_choice::translate;
    CHECK(has(reason(options), "handover is share"));
}

namespace {

// Gives a file whose description was changed the checksums that it would have.
std::string with_checksums(std::string bytes) {
    uint64_t n_description = 0;
    std::memcpy(&n_description, bytes.data() + 24, sizeof n_description);
    n_description = std::min<uint64_t>(n_description, bytes.size() - 64);
    const uint64_t description = xxh3::of(bytes.data() + 64, n_description);
    std::memcpy(bytes.data() + 40, &description, sizeof description);
    const uint64_t header = xxh3::of(bytes.data(), 56);
    std::memcpy(bytes.data() + 56, &header, sizeof header);
    return bytes;
}

// Whatever a session is, it can be used, or says why not.
void use(session_handle & session) {
    const auto attempt = [](const std::function<void()> & stage) {
        try {
            stage();
        } catch (const failure & error) {
            CHECK(error.code() != error_code::internal);
        }
    };
    attempt([&] { decode(session, greedy_with_log_probs(3)); });
    attempt([&] { retract(session, 2); });
    attempt([&] {
        prefill_options keep;
        keep.refresh = false;
        prefill(session, some_tokens(5), keep);
    });
    attempt([&] { hand_over(session); });
    attempt([&] { decode(session, greedy_with_log_probs(3)); });
    attempt([&] { prefill(session, some_tokens(5)); });
}

void play_with_wrong_contents(const pair_options & options, const std::string & file) {
    save_within_answer(options, file);
    const std::string whole = bytes_of(file);
    uint64_t n_description = 0;
    std::memcpy(&n_description, whole.data() + 24, sizeof n_description);
    const auto pair = load(options);
    std::mt19937 random(5);
    size_t n_restored = 0;
    for (size_t i = 0; i < 1500; i++) {
        std::string changed = whole;
        for (size_t n = 1 + random() % 3; n > 0; n--) {
            // In its middle a description has logits, of which nothing can be wrong.
            const size_t n_end = std::min<size_t>(n_description, 1200);
            const size_t at = 64 + random() % n_end + (random() % 2 ? n_description - n_end : 0);
            const uint8_t odd[] = { 0, 1, 2, 0x7f, 0x80, 0xff, (uint8_t) random() };
            changed[at] = (char) odd[random() % sizeof odd];
        }
        put_bytes(file, with_checksums(changed));
        const auto session = create_session(*pair);
        try {
            restore(*session, file);
            n_restored++;
            use(*session);
        } catch (const failure & error) {
            CHECK(error.code() == error_code::saved_session_invalid ||
                  error.code() == error_code::saved_session_mismatch);
            CHECK(session->stats().stage == session_stage::empty);
        }
        dispose(*session);
    }
    CHECK(n_restored > 0);
    dispose(*pair);
}

}  // namespace

TEST("lengths that no file has are refused before anything is allocated") {
    const fixture f;
    save_within_answer(f.options(), f.file);
    const std::string whole = bytes_of(f.file);
    const uint64_t absurd[] = { 0, 1, 63, 1u << 31, UINT64_MAX / 2, UINT64_MAX - 63, UINT64_MAX };
    const auto refused = [&](std::string bytes, size_t at, uint64_t length) {
        std::memcpy(&bytes[at], &length, sizeof length);
        put_bytes(f.file, with_checksums(bytes));
        try {
            read_saved_session(f.file, never);
        } catch (const failure & error) {
            return error.code() == error_code::saved_session_invalid;
        }
        return false;
    };
    for (const uint64_t length : absurd) {
        CHECK(refused(whole, 24, length));
        CHECK(refused(whole, 32, length));
    }
    // Wherever eight bytes of the description may be a length.
    uint64_t n_description = 0;
    std::memcpy(&n_description, whole.data() + 24, sizeof n_description);
    for (size_t at = 64; at < 64 + n_description; at += 8) refused(whole, at, UINT64_MAX / 8 + at);
}

TEST("files with wrong contents and right checksums do no harm") {
    const fixture f;
    play_with_wrong_contents(f.options(), f.file);
    pair_options options = f.options();
    options.handover = handover_choice::translate;
    play_with_wrong_contents(options, f.file);
}
