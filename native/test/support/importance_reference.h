// A slow, obviously right importance: plain loops in double precision over the activations that an evaluation callback
// of its own dumps by llama.cpp's names for them, one window at a time. It shares nothing with native/prune.
#pragma once

#include "check.h"
#include "gguf_metadata.h"
#include "importance.h"
#include "models.h"
#include "tiny_model.h"

#include <ggml-backend.h>

#include <cmath>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace overfill::test {

// Every f32 node of one forward pass, by llama.cpp's name for it; several of one name in their order.
using dump = std::map<std::string, std::vector<std::vector<float>>>;

inline bool dump_node(ggml_tensor * node, bool ask, void * out) {
    if (ask || node->type != GGML_TYPE_F32 || !ggml_is_contiguous(node)) return true;
    std::vector<float> values((size_t) ggml_nelements(node));
    ggml_backend_tensor_get(node, values.data(), 0, ggml_nbytes(node));
    (*static_cast<dump *>(out))[node->name].push_back(std::move(values));
    return true;
}

inline dump run_and_dump(llama_model * model, std::vector<llama_token> tokens) {
    dump out;
    const int32_t n = (int32_t) tokens.size();
    llama_context_params params = llama_context_default_params();
    params.n_ctx = GGML_PAD((uint32_t) n, 256);
    params.n_batch = params.n_ubatch = (uint32_t) n;
    params.type_k = params.type_v = GGML_TYPE_F32;
    params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    params.swa_full = true;
    params.n_threads = params.n_threads_batch = 1;
    params.cb_eval = dump_node;
    params.cb_eval_user_data = &out;
    const context_ptr ctx(llama_init_from_model(model, params));
    llama_batch batch = llama_batch_init(n, 0, 1);
    for (int32_t i = 0; i < n; i++) {
        batch.token[i] = tokens[(size_t) i];
        batch.pos[i] = i;
        batch.n_seq_id[i] = 1;
        batch.seq_id[i][0] = 0;
        batch.logits[i] = true;
    }
    batch.n_tokens = n;
    CHECK_EQUAL(llama_decode(ctx.get(), batch), 0);
    llama_batch_free(batch);
    return out;
}

// What an architecture calls its activations, and what its embeddings are multiplied by.
struct node_names {
    const char * first_norm = "attn_norm";
    const char * second_norm = "ffn_norm";
    const char * ffn = "ffn_swiglu";
    double embedding_scale = 1;
};

class importance_reference {
  public:
    importance_reference(const std::string & path, const tiny_model & shape, const node_names & names)
        : shape_(shape), names_(names), model_(load_model({ path }, load_depth::weights, [](float) { return true; })),
          embedding_(gguf_metadata(path).tensor("token_embd.weight")) {
        for (size_t mean = 0; mean < n_activation_means; mean++) {
            out.hidden[mean].assign(shape.n_embd, 0);
            out.hidden_layers[mean].assign((size_t) shape.n_layer * shape.n_embd, 0);
            out.ffn[mean].assign((size_t) shape.n_layer * shape.n_ff, 0);
        }
        out.heads.assign((size_t) shape.n_layer * shape.n_head, 0);
        out.influence.assign(shape.n_layer, 0);
    }

    void add(const std::vector<llama_token> & window) {
        nodes_ = run_and_dump(model_.get(), window);
        n_ = window.size();
        for (size_t mean = 0; mean < n_activation_means; mean++) {
            std::vector<double> all(shape_.n_embd, 0);
            for (uint32_t layer = 0; layer < shape_.n_layer; layer++) {
                for (uint32_t i = 0; i < shape_.n_embd; i++) {
                    const double both = std::fabs(mean_of(node(names_.first_norm, layer), shape_.n_embd, i, mean)) +
                                        std::fabs(mean_of(node(names_.second_norm, layer), shape_.n_embd, i, mean));
                    out.hidden_layers[mean][layer * shape_.n_embd + i] += both * both;
                    all[i] += both;
                }
                for (uint32_t i = 0; i < shape_.n_ff; i++) {
                    const double value = mean_of(node(names_.ffn, layer), shape_.n_ff, i, mean);
                    out.ffn[mean][layer * shape_.n_ff + i] += value * value;
                }
            }
            for (uint32_t i = 0; i < shape_.n_embd; i++) out.hidden[mean][i] += all[i] * all[i];
        }
        for (uint32_t layer = 0; layer < shape_.n_layer; layer++) {
            add_heads(layer);
            out.influence[layer] +=
                influence(layer == 0 ? embedded(window) : node("l_out", layer - 1), node("l_out", layer));
        }
    }

    importance out;

  private:
    const std::vector<float> & node(const std::string & name, uint32_t layer) const {
        const auto with_layer = nodes_.find(name + "-" + std::to_string(layer));
        if (with_layer != nodes_.end()) return with_layer->second.back();
        const auto without = nodes_.find(name);  // some are named without their layer
        if (without == nodes_.end() || layer >= without->second.size()) throw std::runtime_error("no node " + name);
        return without->second[layer];
    }
    double mean_of(const std::vector<float> & rows, size_t n_columns, size_t column, size_t mean) const {
        double sum = 0;
        for (size_t row = 0; row < n_; row++) {
            const double value = rows[row * n_columns + column];
            sum += mean == (size_t) activation_mean::absolute_values ? std::fabs(value) : value;
        }
        return sum / (double) n_;
    }
    void add_heads(uint32_t layer) {
        const std::vector<float> & rows = node("kqv_out", layer);
        const size_t n_columns = (size_t) shape_.n_head * shape_.head_size;
        for (uint32_t head = 0; head < shape_.n_head; head++) {
            double mean = 0;
            for (size_t row = 0; row < n_; row++) {
                double squares = 0;
                for (uint32_t i = 0; i < shape_.head_size; i++) {
                    const double value = rows[row * n_columns + head * shape_.head_size + i];
                    squares += value * value;
                }
                mean += std::sqrt(squares) / (double) n_;
            }
            out.heads[layer * shape_.n_head + head] += mean * mean;
        }
    }
    double influence(const std::vector<float> & from, const std::vector<float> & to) const {
        double sum = 0;
        for (size_t row = 0; row < n_; row++) {
            double dot = 0, aa = 0, bb = 0;
            for (size_t i = row * shape_.n_embd; i < (row + 1) * shape_.n_embd; i++) {
                dot += (double) from[i] * to[i];
                aa += (double) from[i] * from[i];
                bb += (double) to[i] * to[i];
            }
            sum += 1 - dot / std::sqrt(aa * bb);
        }
        return sum;
    }
    std::vector<float> embedded(const std::vector<llama_token> & window) const {
        std::vector<float> rows;
        for (const llama_token token : window)
            for (uint32_t i = 0; i < shape_.n_embd; i++)
                rows.push_back((float) (embedding_[(size_t) token * shape_.n_embd + i] * names_.embedding_scale));
        return rows;
    }

    tiny_model shape_;
    node_names names_;
    model_ptr model_;
    std::vector<float> embedding_;
    dump nodes_;
    size_t n_ = 0;
};

}  // namespace overfill::test
