// The full model as a model that is trained: how its cache is handed over, and its weights on a device.
#pragma once

#include "heal.h"
#include "reader_side.h"
#include "training_shape.h"
#include "translator.h"

#include <llama.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace overfill {

// What a pair of these two models does to the cache, as a training graph does it.
struct reader_handover {
    translator how;                         // empty for layers as they are
    ggml_type weight_type = GGML_TYPE_F32;  // of the file that the maps came from
    std::vector<reader_link> links;         // by the writer's layer
};

// `translator_path` as for a teacher. Throws the codes of load_model; ERR_PAIR_INCOMPATIBLE, ERR_HANDOVER_UNAVAILABLE,
// the translator's codes; ERR_OPERATION_UNSUPPORTED (operation train.reader) where positions are encoded anew without a
// map, which the graph does not do.
reader_handover plan_reader_handover(const std::string & reader_path, const training_shape & reader,
                                     const std::string & writer_path, const training_shape & writer,
                                     const std::string & translator_path, const std::atomic<bool> & stop);

class trained_reader {
  public:
    // Beside low-rank factors the weights stay as the file has them. Throws the codes of parameter_set.
    trained_reader(const std::string & path, training_shape shape, std::vector<reader_link> links,
                   const compute_device & device, const parameter_filter & trained, const low_rank & lora)
        : shape_(std::move(shape)), links_(std::move(links)),
          parameters_(path, device, trained, lora, {},
                      lora.rank > 0 ? frozen_weights::as_stored : frozen_weights::as_f32),
          model_(shape_, parameters_, device) {}

    const training_shape & shape() const { return shape_; }
    parameter_set & parameters() { return parameters_; }
    const parameter_set & parameters() const { return parameters_; }
    const graph_reader & graph() const { return graph_; }

  private:
    training_shape shape_;
    std::vector<reader_link> links_;
    parameter_set parameters_;
    decoder model_;
    graph_reader graph_{ shape_, model_, parameters_.trained(), links_ };
};

}  // namespace overfill
