// What the tests of whole trainings have in common: a tiny model, a file of lines, and what a run leaves.
#pragma once

#include "heal.h"
#include "temp_folder.h"
#include "train_case.h"

#include <atomic>
#include <functional>
#include <string>
#include <vector>

namespace overfill::test {

struct heal_case {
    // A plain llama in `full` mode over 12 short lines, four a step.
    heal_case();

    heal_result run() { return heal(options, events, stop); }
    std::string checkpoint() const { return options.out_path + ".checkpoint"; }
    std::string trained() const { return bytes_of(options.out_path); }
    bool has(const std::string & path) const { return std::filesystem::exists(path); }
    // Raises the flag as soon as so many steps are done.
    void stop_after(uint64_t n_steps);
    void write_lines(const std::string & path, uint32_t n_lines, uint32_t seed) const;

    temp_folder folder;
    variant_file model;
    heal_options options;
    heal_events events;
    std::atomic<bool> stop{ false };
};

// The f32 weights of a model file, one after the other.
std::vector<float> weights_of(const std::string & path);

}  // namespace overfill::test
