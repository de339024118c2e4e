// What a training leaves: the model that was trained, both, or a reader's adapter, and, where it is asked for, the
// translator that goes with them.
#pragma once

#include "heal.h"
#include "student_model.h"

#include <atomic>
#include <cstdint>

namespace overfill {

// Throws what write_heal_output would throw for the types that are asked for, before a training is spent on them.
// ERR_INVALID_ARGUMENT (options.translatorOut) where the cache is handed over without a translator.
void check_heal_output(const heal_options & options, const student_model & student);

// The student's low-rank factors have been merged; the reader's are its adapter. No file gets its name before all are
// written. Throws as export_model, prepare_adapter and write_translator do.
struct heal_output_sizes {
    uint64_t student = 0, reader = 0, translator = 0;  // bytes; 0: not written
};
heal_output_sizes write_heal_output(const heal_options & options, const student_model & student, uint64_t n_steps,
                                    uint64_t n_tokens, const std::atomic<bool> & stop);

}  // namespace overfill
