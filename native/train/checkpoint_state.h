// The fields of a training_state by the names that they have in a checkpoint; for reading and for writing.
#pragma once

#include "training_state.h"

#include <cstdint>
#include <string>
#include <vector>

namespace overfill {

// Calls number(name, u64).
template <class State, class F> void each_number(State & state, F && number) {
    number("steps", state.n_steps);
    number("examples", state.n_examples);
    number("tokens", state.n_tokens);
    number("log_bytes", state.log_bytes);
    number("data.epoch", state.data.position.epoch);
    number("data.next.offset", state.data.position.next.offset);
    number("data.next.bytes", state.data.position.next.n_bytes);
    number("data.next.number", state.data.position.next.number);
    number("data.random", state.data.position.random.value);
    number("data.cuts", state.data.cuts.value);
}

// The lists of a state, field by field.
struct state_lists {
    std::vector<uint64_t> window_offsets, window_bytes, window_numbers, bad_numbers, evaluation_steps;
    std::vector<double> losses, evaluation_losses;
    std::vector<std::string> bad_paths, bad_reasons;
};

// Calls words(name, list), reals(name, list), texts(name, list).
template <class Lists, class Words, class Reals, class Texts>
void each_list(Lists & lists, Words && words, Reals && reals, Texts && texts) {
    words("data.window.offsets", lists.window_offsets);
    words("data.window.bytes", lists.window_bytes);
    words("data.window.numbers", lists.window_numbers);
    words("bad_lines.numbers", lists.bad_numbers);
    words("evaluations.steps", lists.evaluation_steps);
    reals("losses", lists.losses);
    reals("evaluations.losses", lists.evaluation_losses);
    texts("bad_lines.paths", lists.bad_paths);
    texts("bad_lines.reasons", lists.bad_reasons);
}

inline state_lists lists_of(const training_state & state) {
    state_lists out;
    for (const line_place & place : state.data.position.window) {
        out.window_offsets.push_back(place.offset);
        out.window_bytes.push_back(place.n_bytes);
        out.window_numbers.push_back(place.number);
    }
    for (const bad_line & line : state.data.bad_lines) {
        out.bad_paths.push_back(line.path);
        out.bad_numbers.push_back(line.number);
        out.bad_reasons.push_back(line.reason);
    }
    for (const evaluation & measured : state.evaluations) {
        out.evaluation_steps.push_back(measured.step);
        out.evaluation_losses.push_back(measured.loss);
    }
    out.losses = state.losses;
    return out;
}

// False if the lists do not belong together.
inline bool put_lists(const state_lists & lists, training_state & state) {
    const size_t n_window = lists.window_offsets.size(), n_bad = lists.bad_numbers.size();
    const size_t n_evaluations = lists.evaluation_steps.size();
    if (lists.window_bytes.size() != n_window || lists.window_numbers.size() != n_window ||
        lists.bad_paths.size() != n_bad || lists.bad_reasons.size() != n_bad ||
        lists.evaluation_losses.size() != n_evaluations || lists.losses.size() != state.n_steps)
        return false;
    for (size_t i = 0; i < n_window; i++)
        state.data.position.window.push_back(
            { lists.window_offsets[i], lists.window_bytes[i], lists.window_numbers[i] });
    for (size_t i = 0; i < n_bad; i++)
        state.data.bad_lines.push_back({ lists.bad_paths[i], lists.bad_numbers[i], lists.bad_reasons[i] });
    for (size_t i = 0; i < n_evaluations; i++)
        state.evaluations.push_back({ lists.evaluation_steps[i], lists.evaluation_losses[i] });
    state.losses = lists.losses;
    return true;
}

}  // namespace overfill
