#include "reader_side.h"

#include "failure.h"
#include "visible_attention.h"

#include <cmath>
#include <string>

namespace overfill {

reader_side::reader_side(const graph_reader & reader, const batch_shape & batch, const distillation & distil,
                         const compute_device & device)
    : reader_(reader), batch_(batch), distil_(distil), ctx_(make_tensor_context(11)), on_cpu_(device.is_cpu()) {
    const int64_t n_seq = batch.n_sequences, n = n_seq * batch.n_prefix, n_vocab = reader.shape.n_vocab;
    if (n_seq * n_vocab > INT32_MAX)
        throw failure(error_code::invalid_argument, "too many sequences for the reader's vocabulary",
                      { { "parameter", "batch" } });
    const auto input = [&](ggml_type type, int64_t ne0, int64_t ne1 = 1, int64_t ne2 = 1, int64_t ne3 = 1) {
        return ggml_new_tensor_4d(ctx_.get(), type, ne0, ne1, ne2, ne3);
    };
    in_.n_tokens = batch.n_prefix;
    in_.n_sequences = n_seq;
    in_.tokens = input(GGML_TYPE_I32, n);
    in_.positions = input(GGML_TYPE_I32, n);
    in_.mask = input(GGML_TYPE_F32, batch.n_prefix, batch.n_prefix, 1, n_seq);
    for (const training_layer & layer : reader.shape.layers)
        if (layer.sliding && !in_.sliding_mask) in_.sliding_mask = ggml_dup_tensor(ctx_.get(), in_.mask);
    if (device.is_cpu()) in_.spans = input(GGML_TYPE_I32, 2, batch.n_prefix, 1, n_seq);
    if (in_.spans && in_.sliding_mask) in_.sliding_spans = ggml_dup_tensor(ctx_.get(), in_.spans);
    in_.asked = input(GGML_TYPE_I32, n_seq);
    loss_in_.weights = input(GGML_TYPE_F32, 1, n_seq);
    loss_in_.target_i32 = input(GGML_TYPE_I32, n_seq);
    loss_in_.target_i64 = input(GGML_TYPE_I64, n_seq);
    if (distil.share > 0) loss_in_.teacher = input(GGML_TYPE_F32, n_vocab, n_seq);
    buffer_ = device.allocate(ctx_.get());
}

void reader_side::build(tape & t, ggml_context * ctx, decoder_inputs & writer) {
    loss_in_.logits = reader_.model.forward(t, in_, &rows_);
    loss_out_ = build_loss(ctx, loss_in_, distil_, on_cpu_);
    for (const reader_link & link : reader_.links) {
        ggml_tensor * k = (link.before_rope ? rows_.k_before_rope : rows_.k).at(link.layer);
        if (!k)
            throw failure(error_code::operation_unsupported,
                          "a reader that normalises K behind its position encoding cannot be trained through a map "
                          "that takes K without it",
                          { { "operation", "train.reader" }, { "architecture", reader_.shape.arch.name } });
        writer.prefix_k.push_back(k);
        writer.prefix_v.push_back(rows_.v.at(link.layer));
    }
}

// The prompt begins at position 0. What its row leaves free comes behind it, where nobody looks.
std::vector<float> reader_side::mask_of(uint32_t window) const {
    const size_t n = batch_.n_prefix;
    std::vector<float> mask(batch_.n_sequences * n * n, -INFINITY);
    for (size_t s = 0; s < batch_.n_sequences; s++)
        for (size_t t = 0; t < n; t++)
            for (size_t u = 0; u <= t; u++)
                if (!window || t - u < window) mask[(s * n + t) * n + u] = 0;
    return mask;
}

template <class T> static void set_values(ggml_tensor * tensor, const std::vector<T> & values) {
    ggml_backend_tensor_set(tensor, values.data(), 0, values.size() * sizeof(T));
}

void reader_side::set_inputs(const std::vector<reader_input> & readings) {
    const size_t n_seq = batch_.n_sequences, n_prefix = batch_.n_prefix, n_vocab = reader_.shape.n_vocab;
    const auto refuse = [](const std::string & what) {
        throw failure(error_code::invalid_argument, "a training batch's readings: " + what,
                      { { "parameter", "batch.readings" } });
    };
    if (readings.size() != n_seq)
        refuse("expected " + std::to_string(n_seq) + ", got " + std::to_string(readings.size()));
    std::vector<int32_t> tokens(n_seq * n_prefix, 0), positions(n_seq * n_prefix), asked(n_seq), target_i32(n_seq);
    std::vector<int64_t> target_i64(n_seq);
    std::vector<float> weights(n_seq), teacher(distil_.share > 0 ? n_seq * n_vocab : 0);
    for (size_t s = 0; s < n_seq; s++) {
        const reader_input & one = readings[s];
        if (one.tokens.size() > n_prefix) refuse(std::to_string(one.tokens.size()) + " tokens are too many");
        for (const llama_token token : one.tokens)
            if (token < 0 || token >= (llama_token) n_vocab) refuse("no token " + std::to_string(token));
        if (one.first < 0 || one.first >= (llama_token) n_vocab) refuse("no token " + std::to_string(one.first));
        if (one.tokens.empty() && one.weight != 0) refuse("a first token behind nothing");
        std::copy(one.tokens.begin(), one.tokens.end(), tokens.begin() + (std::ptrdiff_t)(s * n_prefix));
        for (size_t i = 0; i < n_prefix; i++) positions[s * n_prefix + i] = (int32_t) i;
        asked[s] = (int32_t) (s * n_prefix + (one.tokens.empty() ? 0 : one.tokens.size() - 1));
        weights[s] = one.weight;
        target_i64[s] = (int64_t) (s * n_vocab) + one.first;
        target_i32[s] = (int32_t) target_i64[s];
        if (teacher.empty()) continue;
        if (one.teacher.size() != n_vocab) refuse("expected the teacher's logits of a token");
        std::copy(one.teacher.begin(), one.teacher.end(), teacher.begin() + (std::ptrdiff_t)(s * n_vocab));
    }
    set_values(in_.tokens, tokens);
    set_values(in_.positions, positions);
    const auto set_mask = [&](ggml_tensor * to, ggml_tensor * spans, uint32_t window) {
        const std::vector<float> mask = mask_of(window);
        set_values(to, mask);
        if (spans) set_values(spans, spans_of(mask, n_prefix));
    };
    set_mask(in_.mask, in_.spans, 0);
    if (in_.sliding_mask) set_mask(in_.sliding_mask, in_.sliding_spans, reader_.shape.sliding_window);
    set_values(in_.asked, asked);
    set_values(loss_in_.weights, weights);
    set_values(loss_in_.target_i32, target_i32);
    set_values(loss_in_.target_i64, target_i64);
    if (loss_in_.teacher) set_values(loss_in_.teacher, teacher);
}

}  // namespace overfill
