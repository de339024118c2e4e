// The models of a training, with all that a step needs: weights and gradients on a device, graphs, and the full model
// beside the student or, where it is trained itself, in the graph before it.
#pragma once

#include "adamw.h"
#include "graph_cache.h"
#include "heal.h"
#include "teacher.h"
#include "trained_maps.h"
#include "trained_reader.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace overfill {

struct pass_sums {
    double cross_entropy = 0;  // nats a target, as are the next two
    double divergence = 0;
    double total = 0;
    uint64_t n_tokens = 0;  // read by the student, and by the reader where it is trained
    uint64_t n_targets = 0;
};

class student_model {
  public:
    // `stop` ends a pass that runs. Throws the codes of training_shape_of, parameter_set and teacher;
    // ERR_INVALID_ARGUMENT (options.freeze) if nothing is left to train, (options.trainTranslator) if the handover has
    // no linear maps.
    student_model(const heal_options & options, const llama_vocab * vocab, uint32_t context_size,
                  const std::atomic<bool> & stop);

    // The loss over these sequences, gradients added up. Throws what training_graph::run and teacher throw.
    pass_sums learn(const std::vector<train_sequence> & sequences) { return pass(sequences, true); }
    // The loss alone, without distillation.
    pass_sums measure(const std::vector<train_sequence> & sequences) { return pass(sequences, false); }

    // The student's, of which none need be trained.
    const parameter_set & parameters() const { return parameters_; }
    parameter_set & parameters() { return parameters_; }
    // Null where it is not trained.
    const trained_reader * reader() const { return reader_.get(); }
    trained_reader * reader() { return reader_.get(); }
    // Of both: the student's first.
    const parameter_list & trained() const { return trained_; }
    uint64_t n_trained() const;  // values
    uint64_t weight_bytes() const;
    uint64_t activation_bytes() const { return graphs_.n_bytes(); }
    bool has_teacher() const { return !!teacher_; }
    parameter_sums & gradients() { return gradients_; }
    adamw & optimiser() { return optimiser_; }
    // Mode overfill: how the cache is handed over, with the maps as they are now.
    translator how() const;
    ggml_type weight_type() const;  // of the file that it came from

  private:
    pass_sums pass(const std::vector<train_sequence> & sequences, bool trains);
    void add_teacher(const std::vector<train_sequence> & sequences, micro_batch & batch, bool trains);
    void add_reading(const train_sequence & sequence, float weight, bool trains, micro_batch & batch, float * logits);

    bool needs_cache_, distils_;
    micro_batch_limits limits_;
    training_shape shape_;
    std::optional<training_shape> reader_shape_;  // taken by the reader
    reader_handover handed_;                      // where the reader is trained
    std::unique_ptr<teacher> teacher_;            // null: neither its cache nor its logits are needed
    // Passes can be stopped. The optimiser cannot: half a step would leave weights that no run has.
    compute_device device_, steady_device_;
    parameter_set parameters_;
    std::unique_ptr<trained_reader> reader_;
    parameter_list trained_;
    parameter_sums gradients_;
    trained_maps maps_;
    decoder decoder_;
    adamw optimiser_;
    graph_cache graphs_;
};

// Whether `name` fits a pattern of characters, `*` (any number of them) and `?` (any one).
bool fits_pattern(const std::string & name, const std::string & pattern);

}  // namespace overfill
