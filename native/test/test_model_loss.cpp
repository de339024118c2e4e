// The windows that a loss is measured on, and the loss.
#include "check.h"
#include "model_loss.h"
#include "temp_folder.h"
#include "tiny_model.h"
#include "token_reader.h"

#include <cmath>

using namespace overfill;
using namespace overfill::test;

namespace {

struct loaded_model {
    explicit loaded_model(const tiny_model & shape)
        : path(shape), model(load_model({ path.str(), 0 }, load_depth::weights, [](float) { return true; })) {}
    model_path path;
    model_ptr model;
};

std::string words(size_t n) {
    std::string text;
    for (size_t i = 0; i < n; i++) text += "word " + std::to_string(i * 7919 % 1000) + "\n";
    return text;
}

void ignore(double) {}

}  // namespace

TEST("windows are whole, at most 32, and spread over the text") {
    const temp_folder folder;
    const std::string text = folder.file("text.txt");
    put_bytes(text, words(5000));
    const loaded_model tiny{ tiny_model() };
    const token_windows windows = collect_windows(text, tiny.model.get(), 16, ignore);
    CHECK(windows.size() > 16 && windows.size() <= 32);
    for (const auto & window : windows) CHECK_EQUAL(window.size(), (size_t) 16);
    CHECK(windows.front() != windows.back());
    CHECK_EQUAL(collect_windows(text, tiny.model.get(), 0, ignore).front().size(), (size_t) 512);

    put_bytes(text, "a b");
    CHECK_FAILURE(error_code::invalid_argument, collect_windows(text, tiny.model.get(), 16, ignore));
    put_bytes(text, "");
    CHECK_FAILURE(error_code::invalid_argument, collect_windows(text, tiny.model.get(), 16, ignore));
    CHECK_FAILURE(error_code::invalid_argument, collect_windows(text, tiny.model.get(), 5000, ignore));
    CHECK_FAILURE(error_code::file_read_failed, collect_windows(folder.file("none"), tiny.model.get(), 16, ignore));
}

TEST("a loss is the mean over all tokens that follow one, each window read alone") {
    const temp_folder folder;
    const std::string text = folder.file("text.txt");
    put_bytes(text, words(60));
    const loaded_model tiny{ tiny_model() };
    const token_windows windows = collect_windows(text, tiny.model.get(), 16, ignore);
    std::atomic<bool> stop{ false };
    double sum = 0;
    for (const auto & window : windows) {
        token_reader reader(tiny.model.get(), 16, 1, stop);
        sum += reader.read_and_score(window.data(), 16, 0);
    }
    double last = 0;
    const model_loss loss = measure_loss(
        tiny.model.get(), windows, 1, [&](double fraction) { CHECK(fraction >= last), last = fraction; }, stop);
    CHECK_EQUAL(loss.n_tokens, 15 * windows.size());
    CHECK(std::fabs(loss.nats - sum / (double) loss.n_tokens) < 1e-6);
    CHECK_EQUAL(last, 1.0);
    stop = true;
    CHECK_FAILURE(error_code::aborted, measure_loss(tiny.model.get(), windows, 1, ignore, stop));
}
