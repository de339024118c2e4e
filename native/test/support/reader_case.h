// A reader and a writer in one training graph, with everything around them, and llama.cpp's two stages to compare with.
#pragma once

#include "models.h"
#include "train_case.h"
#include "trained_reader.h"

#include <memory>
#include <string>
#include <vector>

namespace overfill::test {

// Another model of the variant's KV shape: other weights, narrower, and with another number of layers if it is given.
variant writer_of(const variant & v, uint32_t n_layer = 0);

struct reader_pair {
    // `how`: the handover; an empty one for layers as they are. Its maps are trained where `train_maps`.
    reader_pair(const std::string & reader_path, const std::string & writer_path, const translator & how = {},
                const parameter_filter & of_reader = nullptr, const parameter_filter & of_writer = nullptr,
                const low_rank & lora = {}, bool train_maps = true, frozen_weights frozen = frozen_weights::as_stored);

    // Before a graph is built.
    training_shape & reader_shape() { return const_cast<training_shape &>(reader.shape()); }
    std::unique_ptr<training_graph> graph(const batch_shape & batch, bool train = true, distillation distil = {});

    compute_device device;
    training_shape shape;
    translator how;
    parameter_set parameters;
    trained_reader reader;
    parameter_list trained;
    parameter_sums gradients;
    trained_maps maps;
    decoder model;
};

// Readings in place of the prefixes, the first tokens with a weight.
void add_readings(two_texts & texts, bool distil, uint32_t n_vocab);

// llama.cpp over a text in two parts: the first one's cache and last logits, the second one's logits.
struct llama_run {
    explicit llama_run(const std::string & path);
    std::vector<float> decode(const std::vector<llama_token> & tokens, size_t position);
    cached_prefix read(const std::vector<llama_token> & tokens, size_t n_layer);
    model_ptr model;
    context_ptr ctx;
};

}  // namespace overfill::test
