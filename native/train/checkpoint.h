// A training between two steps as a file, from which it can go on as if it had never stopped. The file is a GGUF file
// with eight bytes behind it, a hash of all before them: damage is found before anything is read.
//
//   general.architecture          "overfill-checkpoint", so that nothing takes it for a model
//   general.type                  "checkpoint"
//   overfill.checkpoint.version   u32: 1
//   overfill.checkpoint.facts.names, .facts.values      what the run is
//   overfill.checkpoint.tensors                         the names of the n trained tensors
//   overfill.checkpoint.<numbers, lists>                training_state, as u64, f64 and strings
//
// and for each trained tensor i, f32: weight.i, first.i, second.i (AdamW's moments), and best.i if the weights of the
// best evaluation are to be kept.
#pragma once

#include "adamw.h"
#include "parameters.h"
#include "run_facts.h"
#include "training_state.h"

#include <string>
#include <vector>

namespace overfill {

// The tensors that a checkpoint holds, on the device and beside it.
struct trained_values {
    const parameter_list & trained;
    adamw & optimiser;
    std::vector<std::vector<float>> & best;  // as `trained`; empty: none are kept
};

// The file is there whole or not at all. Throws ERR_FILE_WRITE_FAILED, and ERR_TRAINING_DIVERGED for a weight or moment
// that is no finite number: what was there before stays.
void write_checkpoint(const std::string & path, const run_facts & facts, const training_state & state,
                      const trained_values & values);

// Puts the tensors in their places. Throws ERR_FILE_READ_FAILED, or ERR_CHECKPOINT_INVALID (details: path, and for a
// checkpoint of another run the fact that differs) with the tensors in any state.
training_state read_checkpoint(const std::string & path, const run_facts & facts, const trained_values & values);

}  // namespace overfill
