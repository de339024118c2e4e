// How much each channel, head and layer of a model matters, measured on a calibration text: the sums from which every
// score follows, so that measurements can be stored and added up.
//
// The scores (docs/prune.md has the formulas): for each sample s (a window of the text) the mean over its tokens of an
// activation, signed (OverFill, arXiv 2508.08446) or of its absolute value (Minitron, arXiv 2407.14679); then the L2
// norm over the samples. Hidden channels: |mean| of the outputs of both RMSNorms of a layer, summed over both and over
// all layers before the L2 norm. FFN channels: the input of the down projection. Heads: the L2 norm of a head's output.
// Layers: block influence (ShortGPT, arXiv 2403.03853), 1 - the cosine between what enters and what leaves a layer.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace overfill {

enum class activation_mean { signed_values, absolute_values };
constexpr size_t n_activation_means = 2;  // arrays below are indexed by activation_mean

struct importance {
    std::string fingerprint;  // model_fingerprint of the model measured
    std::string model_name;
    std::string architecture;
    std::string text_name;  // file name of the text; several are joined by ", "
    uint32_t n_embd = 0, n_ff = 0, n_head = 0, n_layer = 0;
    uint32_t window = 0;  // tokens a sample, at most
    uint64_t n_samples = 0, n_tokens = 0;
    uint64_t n_scored = 0;  // tokens in loss_sum
    double loss_sum = 0;    // nats: the full model's next-token loss over the text

    // Sums over the samples of the squares.
    std::array<std::vector<double>, n_activation_means> hidden;         // [n_embd], of the sum over norms and layers
    std::array<std::vector<double>, n_activation_means> hidden_layers;  // [n_layer][n_embd], of the sum over both norms
    std::array<std::vector<double>, n_activation_means> ffn;            // [n_layer][n_ff]
    std::vector<double> heads;                                          // [n_layer][n_head]
    std::vector<double> influence;  // [n_layer], the sum over the tokens of 1 - cosine
};

// Adds one measurement to another of the same model. Throws ERR_IMPORTANCE_MISMATCH.
void merge(importance & into, const importance & other);

// An importance file: a GGUF of general.type "importance" with the sums as f64. Written atomically. Throws
// ERR_FILE_WRITE_FAILED.
void write_importance(const std::string & path, const importance & measured);
// Throws ERR_FILE_READ_FAILED, or ERR_IMPORTANCE_INVALID for a file that is none or is damaged (sizes, NaN, negative).
importance read_importance(const std::string & path);
bool is_importance_file(const std::string & path);

}  // namespace overfill
