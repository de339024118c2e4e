// Pairs whose models run apart: the prefill model computes on a second thread while answers are written. Both are on
// the CPU here and only taken for ones on different devices, but for the last test.
#include "cached_sequence.h"
#include "check.h"
#include "joined_thread.h"
#include "waiter.h"
#include "writers_case.h"

#include <ggml-backend.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

using namespace overfill;
using namespace overfill::test;

namespace {

pair_options apart(pair_options options) {
    options.handover = handover_choice::translate;
    options.apart = true;
    options.batch_size = 32;
    options.max_sessions = 8;
    options.context_size = 512;
    return options;
}

// A pair with a second thread of its own. What computes there comes to a halt at its first node, and goes on when it is
// let.
class halting_pair {
  public:
    explicit halting_pair(const pair_options & options)
        : models_(options, should_abort, this, [](float) { return true; }) {
        second_thread how;
        how.beside = [this](const std::function<void()> & work) {
            halted_ = may_go_on_ = is_done_ = false;
            std::thread side([&] {
                const own_work scope;
                work();
                const std::lock_guard<std::mutex> lock(mutex_);
                is_done_ = true;
                changed_.notify_all();
            });
            if (meanwhile) {
                wait_for([this] { return halted_; });
                meanwhile();
            }
            go_on();
            side.join();
        };
        how.wait = [this] {
            n_waits++;
            go_on();
            wait_for([this] { return is_done_; });
        };
        models_.use_second_thread(std::move(how));
    }

    pair & models() { return models_; }
    std::vector<float> logits(pair_side by) {
        const float * row = llama_get_logits_ith(models_.context(by), -1);
        return { row, row + llama_vocab_n_tokens(models_.vocab()) };
    }

    std::function<void()> meanwhile;  // on the test's thread, while the other one is at its halt
    int n_waits = 0;
    std::atomic<bool> aborts{ false };

  private:
    static bool should_abort(void * data) {
        auto & self = *static_cast<halting_pair *>(data);
        if (std::this_thread::get_id() == self.own_) return false;
        std::unique_lock<std::mutex> lock(self.mutex_);
        self.halted_ = true;
        self.changed_.notify_all();
        self.changed_.wait(lock, [&] { return self.may_go_on_ || !self.meanwhile; });
        return self.aborts;
    }
    void go_on() {
        const std::lock_guard<std::mutex> lock(mutex_);
        may_go_on_ = true;
        changed_.notify_all();
    }
    void wait_for(const std::function<bool()> & what) {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait(lock, what);
    }

    const std::thread::id own_ = std::this_thread::get_id();
    std::mutex mutex_;
    std::condition_variable changed_;
    bool halted_ = false, may_go_on_ = false, is_done_ = false;
    pair models_;
};

const tokens prompt = some_tokens(32), written = some_tokens(3, 1);

void read_all(cached_sequence & sequence, pair_side by, const tokens & text) {
    for (size_t i = 0; i < text.size(); i++) CHECK(sequence.read(by, &text[i], 1, 1));
}

decode_options watched(uint32_t n) {
    decode_options options = greedy(n);
    options.sampling.n_log_probs = 5;
    options.sampling.ignore_eos = true;
    options.deterministic = true;
    return options;
}

std::string text_of(const answer & a, bool verified = false) {
    std::string out;
    for (const llama_token token : a.tokens) out += " " + std::to_string(token);
    // How long drafts are is measured, and changes the last bits.
    if (verified) return out;
    for (const auto & row : a.log_probs)
        for (const token_log_prob & one : row) {
            char number[32];
            std::snprintf(number, sizeof number, " %d:%a", one.token, (double) one.log_prob);
            out += number;
        }
    return out;
}

struct written_beside {
    std::vector<std::string> answers;
    uint64_t n_turns_beside = 0;
};

// Several answers, one of them verified, each behind a prompt of several pieces, on a thread of its own; as often as it
// takes until some were written beside pieces, where that is wanted.
written_beside write_beside(const pair_options & options, bool wanted) {
    const auto pair = load(options);
    written_beside out;
    for (int round = 0; round < (wanted ? 100 : 1) && (round == 0 || out.n_turns_beside == 0); round++) {
        out.answers.assign(4, "");
        std::vector<std::thread> threads;
        for (uint32_t i = 0; i < out.answers.size(); i++)
            threads.emplace_back([&, i] {
                const auto session = create_session(*pair);
                prefill_options how;
                how.deterministic = true;
                for (uint32_t turn = 0; turn < 3; turn++) {
                    prefill(*session, some_tokens(40 + 16 * i, i + 4 * turn), how);
                    hand_over(*session, decode_side((i + turn) % (1 + options.more_writers.size())));
                    decode_options asked = watched(8 + i);
                    if (i == 0) asked.quality.is = quality_options::kind::exact;
                    out.answers[i] += text_of(decode(*session, asked), i == 0);
                }
                dispose(*session);
            });
        for (std::thread & thread : threads) thread.join();
        out.n_turns_beside = pair->metrics().n_turns_beside;
    }
    return out;
}

}  // namespace

TEST("a decode model runs apart which has a cache of its own and other devices than the prefill model") {
    const writers_case f;
    pair_options options = f.options();
    const auto runs_apart = [](const pair_options & how) {
        pair_info info;
        load(how, &info);
        return info.writers[0].runs_apart;
    };
    options.handover = handover_choice::translate;
    CHECK(!runs_apart(options));
    options.apart = true;
    CHECK(runs_apart(options));
    options.handover = handover_choice::share;
    CHECK(!runs_apart(options));
    // The second one is handed a copy.
    options.handover = handover_choice::automatic;
    options.more_writers[0].cache_type_k = GGML_TYPE_Q8_0;
    halting_pair made(options);
    CHECK(!made.models().runs_apart(prefill_side));
    CHECK(!made.models().runs_apart(quick));
    CHECK(made.models().runs_apart(careful));
}

TEST("the decode model reads tokens while the prefill model is in the middle of a piece, and both give the same bits") {
    const writers_case f;
    std::vector<float> by_prefill, by_decode;
    {
        pair_options options = apart(f.options());
        options.apart = false;
        halting_pair plain(options);
        cached_sequence read(plain.models(), prefill_side, 0), own(plain.models(), quick, 0);
        CHECK(read.read(prefill_side, prompt.data(), 32, 1));
        by_prefill = plain.logits(prefill_side);
        read_all(own, quick, written);
        by_decode = plain.logits(quick);
    }
    halting_pair both(apart(f.options()));
    cached_sequence read(both.models(), prefill_side, 0), own(both.models(), quick, 0);
    bool was_meanwhile = false;
    both.meanwhile = [&] {
        was_meanwhile = true;
        read_all(own, quick, written);
        CHECK(both.logits(quick) == by_decode);
    };
    CHECK(read.read(prefill_side, prompt.data(), 32, 1));
    CHECK(was_meanwhile);
    CHECK(both.logits(prefill_side) == by_prefill);
    CHECK(both.logits(quick) == by_decode);
    CHECK_EQUAL(both.n_waits, 0);
}

TEST("who touches the prefill model's cache while it computes waits, and reading with it is refused") {
    const writers_case f;
    halting_pair both(apart(f.options()));
    cached_sequence read(both.models(), prefill_side, 0), other(both.models(), prefill_side, 1),
        third(both.models(), prefill_side, 2), own(both.models(), quick, 1);
    for (cached_sequence * one : { &other, &third }) CHECK(one->read(prefill_side, prompt.data(), 20, 1));
    both.meanwhile = [&] {
        read_all(own, quick, written);
        own.cut(1);
        CHECK_EQUAL(both.n_waits, 0);
        other.cut(5);
        CHECK(both.n_waits > 0);
        CHECK_FAILURE(error_code::internal, third.read(prefill_side, prompt.data(), 1, 1));
        other.put_aside();
        CHECK(other.bring_back());
        CHECK_EQUAL(other.size(), 5u);
    };
    CHECK(read.read(prefill_side, prompt.data(), 32, 1));
    const std::vector<float> logits = both.logits(prefill_side);
    both.meanwhile = nullptr;
    // Whole, and as if it had been read alone.
    CHECK(other.read(prefill_side, prompt.data() + 5, 27, 1));
    read.cut(0);
    CHECK(read.read(prefill_side, prompt.data(), 32, 1));
    CHECK(both.logits(prefill_side) == logits);
}

TEST("an abort and a failure on the second thread end the read, and the next one goes well") {
    const writers_case f;
    halting_pair both(apart(f.options()));
    cached_sequence read(both.models(), prefill_side, 0);
    both.aborts = true;
    CHECK(!read.read(prefill_side, prompt.data(), 32, 1));
    both.aborts = false;
    CHECK_EQUAL(read.size(), 0u);
    const llama_token broken = 1 << 30;
    const std::string said = CHECK_FAILURE(error_code::inference_failed, read.read(prefill_side, &broken, 1, 1));
    // llama.cpp's own words come over from that thread.
    CHECK(said.find("invalid token") != std::string::npos);
    CHECK(read.read(prefill_side, prompt.data(), 32, 1));
    CHECK_EQUAL(read.size(), 32u);
}

TEST("answers and prompts beside each other are what they are one after the other, bit for bit") {
    const writers_case f;
    pair_options options = apart(f.options());
    const written_beside both = write_beside(options, true);
    options.apart = false;
    const written_beside plain = write_beside(options, false);
    CHECK(both.n_turns_beside > 0);
    CHECK_EQUAL(plain.n_turns_beside, 0u);
    CHECK(!plain.answers[0].empty());
    CHECK(both.answers == plain.answers);
}

TEST("a prompt that is aborted while it is computed leaves the answers beside it as they are") {
    const writers_case f;
    const auto pair = load(apart(f.options()));
    const auto write = [&] {
        const auto session = create_session(*pair);
        prefill_options how;
        how.deterministic = true;
        prefill(*session, prompt, how);
        hand_over(*session);
        const std::string text = text_of(decode(*session, watched(60)));
        dispose(*session);
        return text;
    };
    const std::string alone = write();
    for (int i = 0; i < 5; i++) {
        std::atomic<bool> over{ false }, failed{ false };
        std::thread reader([&] {
            const auto session = create_session(*pair);
            while (!over) {
                waiter<prefill_result> wait;
                session->prefill(some_tokens(150), {}, nullptr, wait.end());
                session->abort();
                try {
                    wait.get();
                    dispose(*session);
                    break;  // it was too quick
                } catch (const failure & error) {
                    if (error.code() != error_code::aborted) failed = true;
                }
            }
        });
        CHECK_EQUAL(write(), alone);
        over = true;
        reader.join();
        CHECK(!failed);
    }
}

TEST("a pair is disposed in the middle of a piece that is computed beside answers") {
    const writers_case f;
    for (int i = 0; i < 5; i++) {
        const auto pair = load(apart(f.options()));
        const auto writes = create_session(*pair), reads = create_session(*pair);
        prefill(*writes, prompt);
        hand_over(*writes);
        decode_options endless = greedy(0);
        endless.sampling.ignore_eos = true;
        const auto stream = writes->decode(endless, [] {});
        waiter<prefill_result> wait;
        std::promise<void> begun;
        std::atomic<bool> told{ false };
        reads->prefill(
            some_tokens(200), {},
            [&](uint32_t, uint32_t) {
                if (!told.exchange(true)) begun.set_value();
            },
            wait.end());
        begun.get_future().wait();
        dispose(*pair);
        try {
            wait.get();
        } catch (const failure & error) {
            CHECK(error.code() == error_code::disposed || error.code() == error_code::aborted);
        }
    }
}

TEST("models on two devices run apart, and give what they give one after the other") {
    if (!ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_GPU)) {
        std::printf("  skipped: OVERFILL_TEST_GPU names no back end with a device\n");
        CHECK(true);
        return;
    }
    const writers_case f;
    for (const bool prefill_there : { true, false }) {
        pair_options options = apart(f.alone(f.small));
        options.apart.reset();
        (prefill_there ? options.prefill : options.decode).n_gpu_layers = -1;
        pair_info info;
        load(options, &info);
        CHECK(info.writers[0].runs_apart);
        const written_beside both = write_beside(options, true);
        options.apart = false;
        CHECK(both.n_turns_beside > 0);
        CHECK(both.answers == write_beside(options, false).answers);
        options.apart.reset();
        options.prefill.n_gpu_layers = options.decode.n_gpu_layers = -1;
        load(options, &info);
        CHECK(!info.writers[0].runs_apart);
    }
}
