// Runs calibrations over texts made by code, and compares what they measured.
#pragma once

#include "calibrate.h"
#include "check.h"
#include "corpus.h"
#include "temp_folder.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace overfill::test {

inline const std::atomic<bool> never{ false };

inline model_ptr load(const std::string & path) {
    return load_model({ path }, load_depth::weights, [](float) { return true; });
}

inline calibration measure(const model_ptr & model, const calibrate_options & options) {
    return calibrate(
        model.get(), options, [](double, uint64_t) {}, never);
}

// Lines of words and of bytes, by a fixed recipe.
inline std::string some_text(size_t n_words, uint32_t seed = 1) {
    std::mt19937 random(seed);
    std::string text;
    for (size_t i = 0; i < n_words; i++) {
        text += i % 9 == 8 ? "x" : "w" + std::to_string(random() % 100);
        text += i % 17 == 16 ? "\n" : " ";
    }
    return text + "\n";
}

struct text_file {
    explicit text_file(const std::string & text) { put_bytes(path, text); }
    temp_folder folder;
    std::string path = folder.file("text.txt");
};

inline calibrate_options options_for(const text_file & text, uint32_t window, uint32_t windows_per_batch = 0) {
    calibrate_options options;
    options.text_path = text.path;
    options.window = window;
    options.windows_per_batch = windows_per_batch;
    return options;
}

inline std::vector<std::vector<llama_token>> windows_of(const model_ptr & model, const std::string & path,
                                                        uint32_t window) {
    corpus text(path, llama_model_get_vocab(model.get()), window);
    std::vector<std::vector<llama_token>> windows;
    for (auto chunk = text.next(); chunk.size() == window; chunk = text.next()) windows.push_back(chunk);
    return windows;
}

// The largest difference, as a part of each value; `floor`: or at least of so much of the array's largest.
inline double difference(const std::vector<double> & actual, const std::vector<double> & expected, double floor) {
    if (actual.size() != expected.size() || expected.empty()) return std::numeric_limits<double>::infinity();
    const double largest = *std::max_element(expected.begin(), expected.end());
    double worst = largest > 0 ? 0 : std::numeric_limits<double>::infinity();
    for (size_t i = 0; i < actual.size(); i++)
        worst = std::max(worst, std::fabs(actual[i] - expected[i]) / std::max(expected[i], floor * largest));
    return worst;
}

inline double difference(const importance & actual, const importance & expected, double floor) {
    double worst = 0;
    for (size_t mean = 0; mean < n_activation_means; mean++) {
        worst = std::max(worst, difference(actual.hidden[mean], expected.hidden[mean], floor));
        worst = std::max(worst, difference(actual.hidden_layers[mean], expected.hidden_layers[mean], floor));
        worst = std::max(worst, difference(actual.ffn[mean], expected.ffn[mean], floor));
    }
    worst = std::max(worst, difference(actual.heads, expected.heads, floor));
    return std::max(worst, difference(actual.influence, expected.influence, floor));
}

// The same arithmetic in another grouping of tokens: what cancels in a signed mean differs more as a part of itself.
inline constexpr double other_grouping = 1e-2;

inline void check_near(const importance & actual, const importance & expected, double floor, const std::string & what,
                       double tolerance = 1e-5) {
    const double worst = difference(actual, expected, floor);
    std::printf("  %s: worst difference %.2g\n", what.c_str(), worst);
    CHECK(worst <= tolerance);
}

}  // namespace overfill::test
