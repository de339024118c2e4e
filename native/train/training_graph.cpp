#include "training_graph.h"

#include "failure.h"
#include "visible_attention.h"

#include <cmath>
#include <new>
#include <string>

namespace overfill {

static size_t n_tokens_of(const batch_shape & batch) { return (size_t) batch.n_sequences * batch.n_tokens; }

training_graph::training_graph(const training_shape & shape, const decoder & model, const compute_device & device,
                               const batch_shape & batch, const distillation & distil, const parameter_set & parameters,
                               const parameter_sums * gradients, const graph_reader * reader)
    : shape_(shape), device_(device), batch_(batch), distil_(distil), memory_(nullptr, ggml_gallocr_free) {
    const int64_t n = (int64_t) n_tokens_of(batch), n_seq = batch.n_sequences, n_prefix = batch.n_prefix;
    const size_t n_layer = shape.layers.size();
    if (n == 0 || n * shape.n_vocab > INT32_MAX)
        throw failure(error_code::invalid_argument,
                      "a batch of " + std::to_string(n) + " tokens cannot be trained on; it needs at least one, and " +
                          "fewer than " + std::to_string(INT32_MAX / shape.n_vocab),
                      { { "parameter", "batch" } });

    inputs_ctx_ = make_tensor_context(2 * n_layer + 11);
    const auto input = [&](ggml_type type, int64_t ne0, int64_t ne1 = 1, int64_t ne2 = 1, int64_t ne3 = 1) {
        return ggml_new_tensor_4d(inputs_ctx_.get(), type, ne0, ne1, ne2, ne3);
    };
    in_.n_tokens = batch.n_tokens;
    in_.n_sequences = n_seq;
    in_.tokens = input(GGML_TYPE_I32, n);
    in_.positions = input(GGML_TYPE_I32, n);
    in_.mask = input(GGML_TYPE_F32, n_prefix + batch.n_tokens, batch.n_tokens, 1, n_seq);
    for (const training_layer & layer : shape.layers)
        if (layer.sliding && !in_.sliding_mask) in_.sliding_mask = ggml_dup_tensor(inputs_ctx_.get(), in_.mask);
    if (device.is_cpu()) in_.spans = input(GGML_TYPE_I32, 2, batch.n_tokens, 1, n_seq);
    if (in_.spans && in_.sliding_mask) in_.sliding_spans = ggml_dup_tensor(inputs_ctx_.get(), in_.spans);
    if (reader && n_prefix) reader_ = std::make_unique<reader_side>(*reader, batch, distil, device);
    for (size_t il = 0; n_prefix && !reader_ && il < n_layer; il++) {
        in_.prefix_k.push_back(input(GGML_TYPE_F32, model.n_prefix_k(il), n_prefix, n_seq));
        in_.prefix_v.push_back(input(GGML_TYPE_F32, model.n_prefix_v(il), n_prefix, n_seq));
    }
    if (n_prefix) in_.prefix_positions = input(GGML_TYPE_I32, n_prefix * n_seq);
    loss_in_.weights = input(GGML_TYPE_F32, 1, n);
    loss_in_.target_i32 = input(GGML_TYPE_I32, n);
    loss_in_.target_i64 = input(GGML_TYPE_I64, n);
    if (distil.share > 0) loss_in_.teacher = input(GGML_TYPE_F32, shape.n_vocab, n);
    inputs_buffer_ = device.allocate(inputs_ctx_.get());
    // What a prefix leaves free is multiplied by zero and must be finite.
    ggml_backend_buffer_clear(inputs_buffer_.get(), 0);

    // A block takes about 140 operations and views with its gradients; with low-rank factors and maps 250, and 350 on
    // devices on which products copy what they read across. ggml ends the process where a graph has no room.
    const size_t n_nodes = 512 * (n_layer + 2 + (reader_ ? reader_->n_layers() + 2 : 0));
    ctx_.reset(ggml_init({ 2 * n_nodes * ggml_tensor_overhead() + ggml_graph_overhead_custom(n_nodes, false), nullptr,
                           /*no_alloc*/ true }));
    if (!ctx_) throw std::bad_alloc();
    graph_ = ggml_new_graph_custom(ctx_.get(), n_nodes, false);
    tape t(ctx_.get(), graph_, device.is_cpu());
    const auto watch = [&](const parameter_list & trained) {
        for (ggml_tensor * parameter : trained) t.watch(parameter, gradients->of(parameter));
    };
    if (gradients) watch(parameters.trained());
    if (gradients && reader_) watch(reader->trained);
    const auto keep = [&](ggml_tensor * kept) {
        if (!kept) return;
        ggml_set_output(kept);
        ggml_build_forward_expand(graph_, kept);
    };
    std::vector<tape::known_gradient> known;
    if (reader_) {
        reader_->build(t, ctx_.get(), in_);
        for (ggml_tensor * kept : { reader_->loss().cross_entropy, reader_->loss().divergence }) keep(kept);
        known.push_back({ reader_->logits(), reader_->loss().gradient });
    }
    loss_in_.logits = model.forward(t, in_);
    loss_out_ = build_loss(ctx_.get(), loss_in_, distil, device.is_cpu());
    for (ggml_tensor * kept : { loss_in_.logits, loss_out_.cross_entropy, loss_out_.divergence }) keep(kept);
    known.push_back({ loss_in_.logits, loss_out_.gradient });
    if (gradients) t.backward(known);

    device.check_supported(graph_);
    memory_.reset(ggml_gallocr_new(ggml_backend_get_default_buffer_type(device.backend())));
    if (!memory_ || !ggml_gallocr_alloc_graph(memory_.get(), graph_))
        throw failure(error_code::out_of_memory,
                      "not enough memory for a training graph over " + std::to_string(n) + " tokens");
}

training_graph::~training_graph() = default;

uint64_t training_graph::n_bytes() const { return ggml_gallocr_get_buffer_size(memory_.get(), 0); }

void training_graph::check(const train_batch & batch) const {
    const size_t n = n_tokens_of(batch_);
    const auto refuse = [](const std::string & name, const std::string & what) {
        throw failure(error_code::invalid_argument, "a training batch's " + name + ": " + what,
                      { { "parameter", "batch." + name } });
    };
    const auto check_count = [&](const char * name, size_t has, size_t wants) {
        if (has != wants) refuse(name, "expected " + std::to_string(wants) + ", got " + std::to_string(has));
    };
    check_count("tokens", batch.tokens.size(), n);
    check_count("targets", batch.targets.size(), n);
    check_count("weights", batch.weights.size(), n);
    check_count("positions", batch.positions.size(), n);
    check_count("segments", batch.segments.size(), n);
    check_count("teacher", batch.teacher.size(), distil_.share > 0 ? n * shape_.n_vocab : 0);
    for (const auto * list : { &batch.tokens, &batch.targets })
        for (const llama_token token : *list)
            if (token < 0 || token >= (llama_token) shape_.n_vocab)
                refuse(list == &batch.tokens ? "tokens" : "targets", "no token " + std::to_string(token));
    if (reader_ && !batch.prefixes.empty()) refuse("prefixes", "expected none where there is a reader");
    if (batch.prefixes.empty()) return;
    check_count("prefixes", batch.prefixes.size(), batch_.n_sequences);
    for (const cached_prefix & prefix : batch.prefixes) {
        if (prefix.n > batch_.n_prefix) refuse("prefixes", std::to_string(prefix.n) + " tokens are too many");
        if (prefix.n == 0) continue;
        check_count("prefixes", prefix.k.size(), shape_.layers.size());
        check_count("prefixes", prefix.v.size(), shape_.layers.size());
        for (size_t il = 0; il < prefix.k.size(); il++) {
            check_count("prefixes", prefix.k[il].size(), prefix.n * (size_t) in_.prefix_k[il]->ne[0]);
            check_count("prefixes", prefix.v[il].size(), prefix.n * (size_t) in_.prefix_v[il]->ne[0]);
        }
    }
}

// 0 where a token sees another, -infinity where not. `window`: only that many positions back; 0: all.
std::vector<float> training_graph::mask_of(const train_batch & batch, uint32_t window) const {
    const size_t n_tokens = batch_.n_tokens, n_prefix = batch_.n_prefix, n_row = n_prefix + n_tokens;
    std::vector<float> mask(n_tokens_of(batch_) * n_row, -INFINITY);
    const auto near = [&](llama_pos from, llama_pos to) { return !window || from - to < (llama_pos) window; };
    for (size_t s = 0; s < batch_.n_sequences; s++) {
        const int32_t * segments = &batch.segments[s * n_tokens];
        const llama_pos * positions = &batch.positions[s * n_tokens];
        const size_t n_cached = reader_                  ? batch.readings[s].tokens.size()
                                : batch.prefixes.empty() ? 0
                                                         : batch.prefixes[s].n;
        for (size_t t = 0; t < n_tokens; t++) {
            float * row = &mask[(s * n_tokens + t) * n_row];
            row[n_prefix + t] = 0;  // padding sees itself: a row without any would have no distribution
            if (segments[t] < 0) continue;
            for (size_t j = 0; segments[t] == 0 && j < n_cached; j++)
                if (near(positions[t], (llama_pos) j)) row[j] = 0;
            for (size_t u = 0; u < t; u++)
                if (segments[u] == segments[t] && near(positions[t], positions[u])) row[n_prefix + u] = 0;
        }
    }
    return mask;
}

template <class T> static void set_values(ggml_tensor * tensor, const std::vector<T> & values) {
    ggml_backend_tensor_set(tensor, values.data(), 0, values.size() * sizeof(T));
}

void training_graph::set_inputs(const train_batch & batch) {
    if (reader_) reader_->set_inputs(batch.readings);
    set_values(in_.tokens, batch.tokens);
    set_values(in_.positions, batch.positions);
    if (in_.prefix_positions) {
        // A prefix begins at position 0, whatever room it leaves.
        std::vector<int32_t> positions((size_t) in_.prefix_positions->ne[0]);
        for (size_t i = 0; i < positions.size(); i++) positions[i] = (int32_t) (i % batch_.n_prefix);
        set_values(in_.prefix_positions, positions);
    }
    const auto set_mask = [&](ggml_tensor * to, ggml_tensor * spans, uint32_t window) {
        const std::vector<float> mask = mask_of(batch, window);
        set_values(to, mask);
        if (spans) set_values(spans, spans_of(mask, (size_t) to->ne[0]));
    };
    set_mask(in_.mask, in_.spans, 0);
    if (in_.sliding_mask) set_mask(in_.sliding_mask, in_.sliding_spans, shape_.sliding_window);
    for (size_t s = 0; s < batch.prefixes.size(); s++) {
        const cached_prefix & prefix = batch.prefixes[s];
        const auto set_rows = [&](ggml_tensor * tensor, const std::vector<float> & rows) {
            ggml_backend_tensor_set(tensor, rows.data(), s * tensor->nb[2], rows.size() * sizeof(float));
        };
        for (size_t il = 0; prefix.n && il < in_.prefix_k.size(); il++) {
            set_rows(in_.prefix_k[il], prefix.k[il]);
            set_rows(in_.prefix_v[il], prefix.v[il]);
        }
    }
    set_values(loss_in_.weights, batch.weights);
    std::vector<int32_t> i32;
    std::vector<int64_t> i64;
    for (size_t i = 0; i < batch.targets.size(); i++) {
        i64.push_back((int64_t) i * shape_.n_vocab + batch.targets[i]);
        i32.push_back((int32_t) i64.back());
    }
    set_values(loss_in_.target_i32, i32);
    set_values(loss_in_.target_i64, i64);
    if (loss_in_.teacher) set_values(loss_in_.teacher, batch.teacher);
}

static std::vector<float> values_of(const ggml_tensor * tensor) {
    std::vector<float> values((size_t) ggml_nelements(tensor));
    ggml_backend_tensor_get(tensor, values.data(), 0, values.size() * sizeof(float));
    return values;
}

train_loss training_graph::run(const train_batch & batch) {
    check(batch);
    set_inputs(batch);
    device_.run(graph_);
    const auto weighted = [&](const ggml_tensor * tensor, const std::vector<float> & weights) {
        double sum = 0;
        if (!tensor) return sum;
        const std::vector<float> values = values_of(tensor);
        for (size_t i = 0; i < values.size(); i++)
            if (weights[i] != 0) sum += (double) weights[i] * values[i];
        return sum;
    };
    const auto joined = [&](double cross_entropy, double divergence) {
        const double share = distil_.share, temperature = distil_.temperature;
        return (1 - share) * cross_entropy + share * temperature * temperature * divergence;
    };
    train_loss loss;
    loss.cross_entropy = weighted(loss_out_.cross_entropy, batch.weights);
    loss.divergence = weighted(loss_out_.divergence, batch.weights);
    loss.total = joined(loss.cross_entropy, loss.divergence);
    if (!reader_) return loss;
    std::vector<float> weights;
    for (const reader_input & one : batch.readings) weights.push_back(one.weight);
    const loss_outputs & first = reader_->loss();
    loss.first = joined(weighted(first.cross_entropy, weights), weighted(first.divergence, weights));
    loss.total += loss.first;
    return loss;
}

std::vector<float> training_graph::logits() const { return values_of(loss_in_.logits); }

}  // namespace overfill
