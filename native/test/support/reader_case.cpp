#include "reader_case.h"

#include "cache_rows.h"
#include "check.h"

namespace overfill::test {

variant writer_of(const variant & v, uint32_t n_layer) {
    variant out = v;
    out.base.seed = v.base.seed + 40;
    out.base.n_ff = 32;
    // Where the width follows from the heads it stays.
    if (v.base.n_embd != v.base.n_head * v.base.head_size) out.base.n_embd = 48;
    if (n_layer > 0) out.base.n_layer = n_layer;
    return out;
}

static std::vector<added_parameter> added(const translator & how, bool trained) {
    std::vector<added_parameter> out = trained_maps::parameters_of(how);
    for (added_parameter & one : out) one.trained = trained;
    return out;
}

static std::vector<reader_link> links_of(const translator & how, size_t n_layer) {
    std::vector<reader_link> out;
    for (size_t il = 0; il < n_layer; il++) {
        const uint32_t layer = how.layers.empty() ? (uint32_t) il : (uint32_t) how.layers[il];
        out.push_back({ layer, !how.k.empty() && how.before_rope });
    }
    return out;
}

static parameter_list joined(const parameter_set & a, const parameter_set & b) {
    parameter_list out = a.trained();
    out.insert(out.end(), b.trained().begin(), b.trained().end());
    return out;
}

reader_pair::reader_pair(const std::string & reader_path, const std::string & writer_path, const translator & how,
                         const parameter_filter & of_reader, const parameter_filter & of_writer, const low_rank & lora,
                         bool train_maps, frozen_weights frozen)
    : device(1), shape(training_shape_of(writer_path, 256)), how(how),
      parameters(writer_path, device, of_writer, {}, added(this->how, train_maps), frozen),
      reader(reader_path, training_shape_of(reader_path, 256), links_of(how, shape.layers.size()), device, of_reader,
             lora),
      trained(joined(parameters, reader.parameters())), gradients(trained, device), maps(this->how, parameters),
      model(shape, parameters, device, maps) {}

std::unique_ptr<training_graph> reader_pair::graph(const batch_shape & batch, bool train, distillation distil) {
    return std::make_unique<training_graph>(shape, model, device, batch, distil, parameters,
                                            train ? &gradients : nullptr, &reader.graph());
}

void add_readings(two_texts & texts, bool distil, uint32_t n_vocab) {
    for (size_t s = 0; s < texts.before.size(); s++) {
        reader_input one;
        one.tokens = texts.before[s];
        one.first = texts.rest[s][0];
        one.weight = 0.05f + 0.02f * (float) s;
        if (distil) one.teacher = random_values(n_vocab, 2, texts.random);
        texts.batch.readings.push_back(std::move(one));
    }
    if (distil) texts.batch.teacher = random_values(texts.batch.tokens.size() * n_vocab, 2, texts.random);
}

llama_run::llama_run(const std::string & path)
    : model(load_model({ path, 0 }, load_depth::weights, [](float) { return true; })) {
    llama_context_params params = llama_context_default_params();
    params.n_ctx = 256;
    params.n_threads = params.n_threads_batch = 1;
    params.type_k = params.type_v = GGML_TYPE_F32;
    params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    params.swa_full = true;
    ctx.reset(llama_init_from_model(model.get(), params));
}

std::vector<float> llama_run::decode(const std::vector<llama_token> & tokens, size_t position) {
    llama_batch batch = llama_batch_init((int32_t) tokens.size(), 0, 1);
    for (size_t i = 0; i < tokens.size(); i++) {
        batch.token[i] = tokens[i];
        batch.pos[i] = (llama_pos) (position + i);
        batch.n_seq_id[i] = 1;
        batch.seq_id[i][0] = 0;
        batch.logits[i] = true;
    }
    batch.n_tokens = (int32_t) tokens.size();
    CHECK_EQUAL(llama_decode(ctx.get(), batch), 0);
    llama_batch_free(batch);
    const size_t n = tokens.size() * (size_t) llama_vocab_n_tokens(llama_model_get_vocab(model.get()));
    const float * logits = llama_get_logits(ctx.get());
    return { logits, logits + n };
}

cached_prefix llama_run::read(const std::vector<llama_token> & tokens, size_t n_layer) {
    cached_prefix out;
    llama_memory_clear(llama_get_memory(ctx.get()), true);
    if (tokens.empty()) return out;
    decode(tokens, 0);
    out.n = (uint32_t) tokens.size();
    out.k.resize(n_layer);
    out.v.resize(n_layer);
    const cache_rows rows(ctx.get());
    for (uint32_t il = 0; il < n_layer; il++) {
        rows.read_k(il, out.n, out.k[il]);
        rows.read_v(il, out.n, out.v[il]);
    }
    return out;
}

}  // namespace overfill::test
