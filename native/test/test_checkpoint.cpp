// Trainings that end too early and go on: the file at the end is the one of a training that was never stopped.
#include "check.h"
#include "checkpoint.h"
#include "heal_case.h"
#include "word_hash.h"

#include <ggml-cpp.h>
#include <gguf.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <random>
#include <thread>

#ifndef _WIN32
#include <csignal>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

using namespace overfill;
using namespace overfill::test;

namespace {

// Everything that has a state: accumulation, several epochs of shuffled lines, bad ones among them, evaluations whose
// best weights are kept, a log.
struct full_case : heal_case {
    full_case() {
        write_lines(options.data_path, 12, 1);
        put_bytes(options.data_path,
                  bytes_of(options.data_path) + "bad\n{\"text\":\"a longer text to be read\"}\nworse\n");
        options.eval_path = folder.file("eval.jsonl");
        write_lines(options.eval_path, 5, 9);
        options.log_path = folder.file("log.jsonl");
        options.eval_interval = 3;
        options.patience = 20;
        options.limits.n_tokens = 48;
        options.max_steps = 10;
    }
    // The log without what depends on the clock.
    std::string log() const {
        std::string text = bytes_of(options.log_path), out;
        for (size_t begin = 0; begin < text.size();) {
            const size_t end = text.find('\n', begin) + 1;
            out += text.substr(begin, std::min(end, text.find(",\"tokensPerSecond\"", begin)) - begin) + "\n";
            begin = end;
        }
        return out;
    }
    void check_like(const full_case & whole, const heal_result & result, const heal_result & expected) {
        CHECK(trained() == whole.trained());
        CHECK(result.losses == expected.losses);
        CHECK_EQUAL(result.n_steps, expected.n_steps);
        CHECK_EQUAL(result.n_tokens, expected.n_tokens);
        CHECK_EQUAL(result.n_examples, expected.n_examples);
        CHECK_EQUAL(result.evaluations.size(), expected.evaluations.size());
        CHECK_EQUAL(result.bad_lines.size(), expected.bad_lines.size());
        CHECK(log() == whole.log());
        CHECK(!has(checkpoint()));
    }
};

}  // namespace

TEST("a training that was aborted goes on as if it had not been, from every step") {
    full_case whole;
    const heal_result expected = whole.run();
    CHECK_EQUAL(expected.bad_lines.size(), (size_t) 2);
    CHECK_EQUAL(expected.evaluations.size(), (size_t) 5);
    for (uint64_t step = 1; step <= 10; step++) {
        full_case work;
        put_bytes(work.options.out_path, "before");
        work.stop_after(step);
        CHECK_FAILURE(error_code::aborted, work.run());
        CHECK(work.has(work.checkpoint()));
        CHECK_EQUAL(work.trained(), std::string("before"));
        work.stop = false;
        work.events = {};
        work.options.resume = true;
        work.options.n_threads = step == 5 ? 2 : 1;
        const heal_result result = work.run();
        CHECK_EQUAL(result.first_step, step);
        work.check_like(whole, result, expected);
    }
}

TEST("an abort in an evaluation or before the first step leaves a checkpoint too; a text is resumed like lines") {
    for (const bool text : { false, true }) {
        const auto prepare = [&](full_case & work) {
            work.options.max_steps = 60;
            if (!text) return;
            std::string words;
            for (int i = 0; i < 100; i++) words += "word" + std::to_string(i * i) + (i % 7 ? " " : "\n");
            work.options.data_path = work.folder.file("data.txt");
            put_bytes(work.options.data_path, words);
        };
        full_case whole;
        prepare(whole);
        const heal_result expected = whole.run();
        for (const int evaluation_to_stop : { 0, 1, 9 }) {
            full_case work;
            prepare(work);
            int n = 0;
            work.events.on_progress = [&](const heal_progress & progress) {
                if (progress.stage == heal_stage::evaluating && progress.fraction == 0 && n++ == evaluation_to_stop)
                    work.stop = true;
            };
            CHECK_FAILURE(error_code::aborted, work.run());
            work.stop = false;
            work.events = {};
            work.options.resume = true;
            work.check_like(whole, work.run(), expected);
        }
        // Stopped again and again from another thread, wherever it is.
        full_case work;
        prepare(work);
        work.options.resume = true;
        heal_result result;
        std::mt19937 random(std::random_device{}());
        int n_stops = 0;
        for (bool ended = false; !ended;) {
            work.stop = false;
            std::thread stopper([&, ms = 5 + random() % 30 + (unsigned) n_stops] {
                std::this_thread::sleep_for(std::chrono::milliseconds(ms));
                work.stop = true;
            });
            try {
                result = work.run();
                ended = true;
            } catch (const failure & error) {
                CHECK(error.code() == error_code::aborted);
                n_stops++;
            }
            stopper.join();
        }
        std::printf("  stopped %d times\n", n_stops);
        work.check_like(whole, result, expected);
    }
}

TEST("without a checkpoint resuming is beginning") {
    heal_case work;
    work.run();
    const std::string once = work.trained();
    work.options.resume = true;
    CHECK_EQUAL(work.run().first_step, 0u);
    CHECK(work.trained() == once);
}

#ifndef _WIN32
TEST("a training that is killed at any moment goes on from its last checkpoint to the same file") {
    full_case whole;
    whole.options.max_steps = 30;
    const heal_result expected = whole.run();
    std::mt19937 random(std::random_device{}());
    int n_resumed = 0;
    for (int i = 0; i < 12; i++) {
        full_case work;
        work.options.max_steps = 30;
        work.options.checkpoint_interval = 1;
        work.options.resume = true;
        for (int kill_count = 0; kill_count < 3; kill_count++) {
            const pid_t child = fork();
            if (child == 0) {
                try {
                    work.run();
                } catch (...) {
                    _exit(1);
                }
                _exit(0);
            }
            usleep((useconds_t) (random() % 120000));
            kill(child, SIGKILL);
            int status = 0;
            waitpid(child, &status, 0);
            CHECK(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
        }
        const heal_result result = work.run();
        n_resumed += result.first_step > 0;
        work.check_like(whole, result, expected);
    }
    std::printf("  %d of 12 were resumed\n", n_resumed);
}

TEST("a full disk ends a training with a code, and the checkpoint before stays") {
    full_case whole;
    const heal_result expected = whole.run();
    full_case work;
    work.stop_after(4);
    CHECK_FAILURE(error_code::aborted, work.run());
    const std::string last = bytes_of(work.checkpoint());
    const size_t n_files = work.folder.n_files();
    // The system then refuses to write on, as it does on a full disk.
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit before;
    getrlimit(RLIMIT_FSIZE, &before);
    for (const rlim_t limit : { (rlim_t) 20000, (rlim_t) last.size() - 1 }) {
        work.stop = false;
        work.events = {};
        work.options.resume = true;
        work.options.checkpoint_interval = 1;
        const rlimit small = { limit, before.rlim_max };
        setrlimit(RLIMIT_FSIZE, &small);
        std::string message;
        try {
            work.run();
        } catch (const failure & error) {
            message = std::string(error_code_name(error.code())) + " " + error.what();
        }
        setrlimit(RLIMIT_FSIZE, &before);
        CHECK_EQUAL(message.substr(0, 21), std::string("ERR_FILE_WRITE_FAILED"));
        CHECK(bytes_of(work.checkpoint()) == last);
        CHECK_EQUAL(work.folder.n_files(), n_files);
    }
    work.check_like(whole, work.run(), expected);
}
#endif

// --- damage ---

static std::string resume_refused(heal_case & work) {
    work.stop = false;
    work.events = {};
    work.options.resume = true;
    const std::string message = CHECK_FAILURE(error_code::checkpoint_invalid, work.run());
    CHECK(!work.has(work.options.out_path));
    return message;
}

TEST("a damaged checkpoint is refused wherever the damage is") {
    full_case work;
    work.stop_after(2);
    CHECK_FAILURE(error_code::aborted, work.run());
    const std::string whole = bytes_of(work.checkpoint());
    std::mt19937 random(3);
    const auto refused = [&](const std::string & bytes) {
        put_bytes(work.checkpoint(), bytes);
        resume_refused(work);
        CHECK(bytes_of(work.checkpoint()) == bytes);
    };
    for (const size_t n :
         { (size_t) 0, (size_t) 1, (size_t) 8, (size_t) 100, whole.size() / 2, whole.size() - 8, whole.size() - 1 })
        refused(whole.substr(0, n));
    refused(whole + std::string(8, '\0'));
    refused(bytes_of(work.model.str()));
    for (int i = 0; i < 60; i++) {
        std::string flipped = whole;
        // Half of them in the metadata.
        flipped[random() % (i % 2 ? whole.size() : 6000)] ^= (char) (1 << random() % 8);
        refused(flipped);
    }
    put_bytes(work.checkpoint(), whole);
    work.options.resume = true;
    CHECK_EQUAL(work.run().first_step, 2u);
}

// The checkpoint with its metadata changed, sealed again as if it were sound.
static void alter(const std::string & path, const std::function<void(gguf_context *)> & change) {
    ggml_context * data = nullptr;
    const gguf_context_ptr from(gguf_init_from_file(path.c_str(), { false, &data })), to(gguf_init_empty());
    const ggml_context_ptr tensors(data);
    gguf_set_kv(to.get(), from.get());
    for (int64_t i = 0; i < gguf_get_n_tensors(from.get()); i++)
        gguf_add_tensor(to.get(), ggml_get_tensor(data, gguf_get_tensor_name(from.get(), i)));
    change(to.get());
    gguf_write_to_file(to.get(), path.c_str(), false);
    std::string bytes = bytes_of(path);
    word_hash hash;
    hash.add(bytes.data(), bytes.size());
    const uint64_t value = hash.value();
    bytes.append(reinterpret_cast<const char *>(&value), sizeof value);
    put_bytes(path, bytes);
}

TEST("a checkpoint that is whole but makes no sense is refused") {
    full_case work;
    work.stop_after(4);
    CHECK_FAILURE(error_code::aborted, work.run());
    const std::string whole = bytes_of(work.checkpoint());
    const std::string prefix = "overfill.checkpoint.";
    const auto refused = [&](const char * because, const std::function<void(gguf_context *)> & change) {
        put_bytes(work.checkpoint(), whole);
        alter(work.checkpoint(), change);
        const std::string message = resume_refused(work);
        if (message.find(because) == std::string::npos) report(false, __FILE__, __LINE__, message);
    };
    const auto key = [&](const char * name) { return prefix + name; };
    refused("not a checkpoint", [](gguf_context * g) { gguf_set_val_str(g, "general.type", "model"); });
    refused("version 2", [&](gguf_context * g) { gguf_set_val_u32(g, key("version").c_str(), 2); });
    refused("no valid steps", [&](gguf_context * g) { gguf_set_val_str(g, key("steps").c_str(), "4"); });
    refused("no valid data.cuts", [&](gguf_context * g) { gguf_remove_key(g, key("data.cuts").c_str()); });
    refused("do not belong together", [&](gguf_context * g) { gguf_set_val_u64(g, key("steps").c_str(), 5); });
    refused("do not belong together",
            [&](gguf_context * g) { gguf_remove_key(g, key("data.window.offsets").c_str()); });
    refused("no valid losses", [&](gguf_context * g) { gguf_set_val_u32(g, key("losses").c_str(), 5); });
    refused("no valid losses", [&](gguf_context * g) {
        const double losses[4] = { 1, NAN, 2, 3 };
        gguf_set_arr_data(g, key("losses").c_str(), GGUF_TYPE_FLOAT64, losses, 4);
    });
    refused("other tensors", [&](gguf_context * g) { gguf_remove_key(g, key("tensors").c_str()); });
    refused("another training",
            [&](gguf_context * g) { gguf_set_val_u64(g, key("data.next.offset").c_str(), 1 << 20); });
    refused("finite", [](gguf_context * g) {
        static std::vector<float> poison;
        const int64_t id = gguf_find_tensor(g, "second.0");
        poison.assign(gguf_get_tensor_size(g, id) / sizeof(float), NAN);
        gguf_set_tensor_data(g, "second.0", poison.data());
    });
}

TEST("a checkpoint of another training is refused by what differs") {
    full_case first;
    first.stop_after(3);
    CHECK_FAILURE(error_code::aborted, first.run());
    const auto refused = [&](const char * what, const std::function<void(full_case &)> & change) {
        full_case other;
        put_bytes(other.checkpoint(), bytes_of(first.checkpoint()));
        other.options.student.path = first.options.student.path;
        change(other);
        const std::string message = resume_refused(other);
        if (message.find(std::string("its ") + what + " is") == std::string::npos)
            report(false, __FILE__, __LINE__, message);
    };
    refused("maxSteps", [](full_case & c) { c.options.max_steps = 11; });
    refused("seed", [](full_case & c) { c.options.seed = 4; });
    refused("mode", [](full_case & c) { c.options.sequences.mode = train_mode::sft; });
    refused("batchSize", [](full_case & c) { c.options.batch_size = 5; });
    refused("learningRate", [](full_case & c) { c.options.rate.peak = 0.011; });
    refused("clip", [](full_case & c) { c.options.clip = 0.9; });
    refused("contextSize", [](full_case & c) { c.options.context_size = 63; });
    refused("freeze", [](full_case & c) { c.options.freeze = { "blk.0.*" }; });
    refused("patience", [](full_case & c) { c.options.patience = 21; });
    refused("data", [](full_case & c) { c.write_lines(c.options.data_path, 13, 1); });
    refused("evalData", [](full_case & c) { c.write_lines(c.options.eval_path, 6, 1); });
    // The same norms, another matrix: a fine-tune.
    refused("student", [&](full_case & c) {
        heal_case tuned;
        tuned.options.student.path = first.options.student.path;
        tuned.options.freeze = { "*norm*" };
        tuned.options.max_steps = 1;
        tuned.run();
        c.options.student.path = c.folder.file("tuned.gguf");
        put_bytes(c.options.student.path, tuned.trained());
    });

    full_case same;
    put_bytes(same.checkpoint(), bytes_of(first.checkpoint()));
    same.options.resume = true;
    same.options.n_threads = 2;
    same.options.checkpoint_interval = 2;
    same.options.max_bad_lines = 3;
    same.options.log_path = "";
    CHECK_EQUAL(same.run().first_step, 3u);
}
