// The tensors of a checkpoint in the file's order, and the names of its keys; for reading and for writing.
#pragma once

#include "checkpoint.h"

#include <cstdint>
#include <string>
#include <vector>

namespace overfill::checkpoint_layout {

inline constexpr uint32_t file_version = 1;
inline constexpr const char * file_architecture = "overfill-checkpoint";
inline constexpr const char * file_type = "checkpoint";
inline const std::string key_prefix = "overfill.checkpoint.";

// Calls use(name, tensor) for each that is on the device.
template <class F> void each_tensor(const trained_values & values, F && use) {
    const auto all = [&](const char * kind, const std::vector<ggml_tensor *> & tensors) {
        for (size_t i = 0; i < tensors.size(); i++) use(kind + std::to_string(i), tensors[i]);
    };
    all("weight.", values.trained);
    all("first.", values.optimiser.first_moments().all());
    all("second.", values.optimiser.second_moments().all());
}

inline std::string best_name(size_t i) { return "best." + std::to_string(i); }

inline std::vector<std::string> names_of(const parameter_list & trained) {
    std::vector<std::string> names;
    for (const ggml_tensor * tensor : trained) names.emplace_back(tensor->name);
    return names;
}

}  // namespace overfill::checkpoint_layout
