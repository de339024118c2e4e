// All that a training needs before its first step, from its options: data, evaluation, models.
#pragma once

#include "evaluation_set.h"
#include "example_stream.h"
#include "heal.h"
#include "student_model.h"

#include <atomic>
#include <cstdint>
#include <optional>

namespace overfill {

struct heal_parts {
    // The options have been checked, and outlive this object. Throws as heal does.
    heal_parts(const heal_options & options, const heal_events & events, const std::atomic<bool> & stop);

    model_ptr model;  // the student's, for its vocabulary and its chat template
    uint32_t context_size;
    source_options source;
    example_stream data;
    std::optional<evaluation_set> held_out;
    uint64_t n_steps;
    student_model student;
};

}  // namespace overfill
