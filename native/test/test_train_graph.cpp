// The training graph against llama.cpp (its logits), against finite differences and ggml's own autograd (its
// gradients), and AdamW against float64.
#include "adamw.h"
#include "cache_rows.h"
#include "check.h"
#include "gguf_metadata.h"
#include "models.h"
#include "tiny_model.h"
#include "training_graph.h"

#include <ggml-cpp.h>
#include <gguf.h>
#include <llama.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <random>
#include <set>

using namespace overfill;
using namespace overfill::test;

namespace {

// A tiny llama made into another architecture, or given tensors that llama may have as well.
struct variant {
    const char * title;
    const char * architecture = "llama";
    bool qkv_biases = false, other_biases = false, head_norms = false, wide_norms = false, post_norms = false;
    bool pre_norms = true, tied = false, fused = false;
    uint32_t sliding_window = 0;
    bool yarn = false;
    tiny_model base = {};
};

tiny_model small_shape() {
    tiny_model shape;
    shape.n_embd = 32;
    shape.n_ff = 48;
    shape.head_size = 16;
    shape.n_extra_tokens = 10;
    shape.n_ctx_train = 256;
    return shape;
}

class variant_file {
  public:
    explicit variant_file(const variant & v) : llama_(v.base), path_(llama_.str() + ".variant") {
        ggml_context * loaded = nullptr;
        const gguf_context_ptr from(gguf_init_from_file(llama_.str().c_str(), { false, &loaded }));
        const ggml_context_ptr values(loaded);
        const gguf_context_ptr to(gguf_init_empty());
        copy_metadata(v, from.get(), to.get());
        const ggml_context_ptr added(ggml_init({ (size_t) 16 << 20, nullptr, false }));
        const auto skipped = [&](const std::string & name) {
            const auto has = [&](const char * part) { return name.find(part) != std::string::npos; };
            return (v.tied && name == "output.weight") || (!v.pre_norms && (has("attn_norm") || has("ffn_norm"))) ||
                   (v.fused &&
                    (has("attn_q.") || has("attn_k.") || has("attn_v.") || has("ffn_gate") || has("ffn_up")));
        };
        for (ggml_tensor * t = ggml_get_first_tensor(loaded); t; t = ggml_get_next_tensor(loaded, t))
            if (gguf_find_tensor(from.get(), t->name) >= 0 && !skipped(t->name)) gguf_add_tensor(to.get(), t);

        std::mt19937 random(v.base.seed + 1);
        const auto add = [&](const std::string & name, int64_t n_in, int64_t n_out, float center, float spread) {
            std::normal_distribution<float> normal(center, spread);
            ggml_tensor * tensor = n_out == 1 ? ggml_new_tensor_1d(added.get(), GGML_TYPE_F32, n_in)
                                              : ggml_new_tensor_2d(added.get(), GGML_TYPE_F32, n_in, n_out);
            auto * data = static_cast<float *>(tensor->data);
            for (int64_t i = 0; i < ggml_nelements(tensor); i++) data[i] = normal(random);
            ggml_set_name(tensor, name.c_str());
            gguf_add_tensor(to.get(), tensor);
        };
        const tiny_model & m = v.base;
        const uint32_t n_q = m.n_head * m.head_size, n_kv = m.n_head_kv * m.head_size;
        for (uint32_t il = 0; il < m.n_layer; il++) {
            const std::string block = "blk." + std::to_string(il) + ".";
            const float spread = 1 / std::sqrt((float) m.n_embd);
            if (v.fused) add(block + "attn_qkv.weight", m.n_embd, n_q + 2 * n_kv, 0, spread);
            if (v.fused) add(block + "ffn_up.weight", m.n_embd, 2 * m.n_ff, 0, spread);
            if (v.qkv_biases) add(block + "attn_q.bias", n_q, 1, 0, 0.3f);
            if (v.qkv_biases) add(block + "attn_k.bias", n_kv, 1, 0, 0.3f);
            if (v.qkv_biases) add(block + "attn_v.bias", n_kv, 1, 0, 0.3f);
            if (v.other_biases) add(block + "attn_output.bias", m.n_embd, 1, 0, 0.3f);
            if (v.other_biases) add(block + "ffn_gate.bias", m.n_ff, 1, 0, 0.3f);
            if (v.other_biases) add(block + "ffn_up.bias", m.n_ff, 1, 0, 0.3f);
            if (v.other_biases) add(block + "ffn_down.bias", m.n_embd, 1, 0, 0.3f);
            if (v.head_norms || v.wide_norms) {
                add(block + "attn_q_norm.weight", v.head_norms ? m.head_size : n_q, 1, 1, 0.2f);
                add(block + "attn_k_norm.weight", v.head_norms ? m.head_size : n_kv, 1, 1, 0.2f);
            }
            if (v.post_norms) add(block + "post_attention_norm.weight", m.n_embd, 1, 1, 0.2f);
            if (v.post_norms) add(block + "post_ffw_norm.weight", m.n_embd, 1, 1, 0.2f);
        }
        gguf_write_to_file(to.get(), path_.c_str(), false);
    }
    ~variant_file() { std::filesystem::remove(path_); }
    const std::string & str() const { return path_; }

  private:
    static void copy_metadata(const variant & v, const gguf_context * from, gguf_context * to) {
        gguf_set_kv(to, from);
        const std::string name = v.architecture;
        for (int64_t i = 0; i < gguf_get_n_kv(from); i++) {
            const std::string key = gguf_get_key(from, i);
            if (name == "llama" || key.rfind("llama.", 0) != 0) continue;
            const std::string renamed = name + key.substr(5);
            if (gguf_get_kv_type(from, i) == GGUF_TYPE_UINT32)
                gguf_set_val_u32(to, renamed.c_str(), gguf_get_val_u32(from, i));
            else if (gguf_get_kv_type(from, i) == GGUF_TYPE_FLOAT32)
                gguf_set_val_f32(to, renamed.c_str(), gguf_get_val_f32(from, i));
            else
                gguf_set_val_str(to, renamed.c_str(), gguf_get_val_str(from, i));
        }
        gguf_set_val_str(to, "general.architecture", v.architecture);
        if (v.sliding_window) {
            gguf_set_val_u32(to, (name + ".attention.sliding_window").c_str(), v.sliding_window);
            gguf_set_val_u32(to, (name + ".attention.sliding_window_pattern").c_str(), 2);
            gguf_set_val_f32(to, (name + ".rope.freq_base_swa").c_str(), 500.0f);
        }
        if (v.yarn) {
            gguf_set_val_str(to, (name + ".rope.scaling.type").c_str(), "yarn");
            gguf_set_val_f32(to, (name + ".rope.scaling.factor").c_str(), 4.0f);
            gguf_set_val_u32(to, (name + ".rope.scaling.original_context_length").c_str(), 64);
        }
    }

    model_path llama_;
    std::string path_;
};

std::vector<variant> all_variants() {
    variant plain{ "llama" };
    plain.base = small_shape();
    std::vector<variant> all;
    const auto add = [&](const char * title, const char * architecture) -> variant & {
        all.push_back(plain);
        all.back().title = title;
        all.back().architecture = architecture;
        return all.back();
    };
    add("llama, grouped heads", "llama");
    variant * v = &add("llama, one head a group, linear RoPE scaling", "llama");
    v->base.n_head_kv = 4;
    v->base.rope_factor = 4;
    v = &add("llama, one KV head, RoPE factors", "llama");
    v->base.n_head_kv = 1;
    v->base.rope_freqs = true;
    v = &add("llama, YaRN, tied", "llama");
    v->yarn = v->tied = true;
    v = &add("llama, all biases", "llama");
    v->qkv_biases = v->other_biases = true;
    v = &add("qwen2", "qwen2");
    v->qkv_biases = true;
    v->base.head_size = 8;
    v = &add("qwen3, tied", "qwen3");
    v->head_norms = v->tied = true;
    v = &add("gemma3, sliding window", "gemma3");
    v->head_norms = v->post_norms = v->tied = true;
    v->sliding_window = 6;
    v = &add("olmo2", "olmo2");
    v->wide_norms = v->post_norms = true;
    v->pre_norms = false;
    v->base.head_size = 8;
    v = &add("phi3", "phi3");
    v->fused = true;
    v->base.head_size = 8;
    add("smollm3, four layers", "smollm3").base.n_layer = 4;
    return all;
}

// The table of architectures grows: what it does not have yet is not tested.
bool known(const variant & v) {
    if (find_architecture(v.architecture)) return true;
    std::printf("  skipped: no row for %s\n", v.architecture);
    return false;
}

// A model with everything around it.
struct student {
    explicit student(const std::string & path, int32_t n_threads = 1, const parameter_filter & trained = nullptr)
        : device(n_threads), shape(training_shape_of(path, 256)), parameters(path, device, trained),
          gradients(parameters, device), model(shape, parameters, device) {}
    std::unique_ptr<training_graph> graph(const batch_shape & batch, bool train = true, distillation distil = {}) {
        return std::make_unique<training_graph>(shape, model, device, batch, distil, parameters,
                                                train ? &gradients : nullptr);
    }
    compute_device device;
    training_shape shape;
    parameter_set parameters;
    parameter_sums gradients;
    decoder model;
};

// Two sequences of different lengths; the tokens before them are a prefix, if one is asked for.
struct two_texts {
    explicit two_texts(uint32_t n_vocab, bool with_prefix, uint32_t seed = 5) : random(seed) {
        const uint32_t lengths[2] = { 24, 17 }, prefixes[2] = { 9, 5 };
        shape = { 2, 24, with_prefix ? 11u : 0u };
        for (size_t s = 0; s < 2; s++) {
            std::vector<llama_token> text;
            const uint32_t n_before = with_prefix ? prefixes[s] : 0;
            for (uint32_t i = 0; i < n_before + lengths[s]; i++) text.push_back((llama_token) (random() % n_vocab));
            before.emplace_back(text.begin(), text.begin() + n_before);
            rest.emplace_back(text.begin() + n_before, text.end());
            for (uint32_t t = 0; t < shape.n_tokens; t++) {
                const bool real = t < lengths[s];
                batch.tokens.push_back(real ? rest[s][t] : 0);
                batch.targets.push_back((llama_token) (random() % n_vocab));
                batch.weights.push_back(real && t != 3 ? (1.0f + (float) (t % 3)) / 40 : 0);
                batch.positions.push_back(real ? (llama_pos) (n_before + t) : 0);
                batch.segments.push_back(real ? 0 : -1);
            }
        }
    }
    std::mt19937 random;
    batch_shape shape;
    train_batch batch;
    std::vector<std::vector<llama_token>> before, rest;
};

// llama.cpp over a text in two parts: the first one's cache, the second one's logits.
struct llama_run {
    explicit llama_run(const std::string & path)
        : model(load_model({ path, 0 }, load_depth::weights, [](float) { return true; })) {
        llama_context_params params = llama_context_default_params();
        params.n_ctx = 256;
        params.n_threads = params.n_threads_batch = 1;
        params.type_k = params.type_v = GGML_TYPE_F32;
        params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
        params.swa_full = true;
        ctx.reset(llama_init_from_model(model.get(), params));
    }
    std::vector<float> decode(const std::vector<llama_token> & tokens, size_t position) {
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
    cached_prefix read(const std::vector<llama_token> & tokens, size_t n_layer) {
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
    model_ptr model;
    context_ptr ctx;
};

void compare_logits(const variant & v, bool with_prefix) {
    const variant_file file(v);
    student s(file.str());
    two_texts texts(s.shape.n_vocab, with_prefix);
    llama_run llama(file.str());
    std::vector<std::vector<float>> expected;
    for (size_t i = 0; i < 2; i++) {
        cached_prefix prefix = llama.read(texts.before[i], s.shape.layers.size());
        if (with_prefix) texts.batch.prefixes.push_back(std::move(prefix));
        expected.push_back(llama.decode(texts.rest[i], texts.before[i].size()));
    }
    const auto graph = s.graph(texts.shape, false);
    const train_loss loss = graph->run(texts.batch);
    const std::vector<float> logits = graph->logits();
    double worst = 0, largest = 0, cross_entropy = 0;
    for (size_t i = 0; i < 2; i++)
        for (size_t t = 0; t < texts.rest[i].size(); t++) {
            const float * ours = &logits[(i * texts.shape.n_tokens + t) * s.shape.n_vocab];
            const float * theirs = &expected[i][t * s.shape.n_vocab];
            double sum = 0;
            for (size_t j = 0; j < s.shape.n_vocab; j++) {
                worst = std::max(worst, (double) std::fabs(ours[j] - theirs[j]));
                largest = std::max(largest, (double) std::fabs(theirs[j]));
                sum += std::exp((double) theirs[j]);
            }
            const size_t at = i * texts.shape.n_tokens + t;
            cross_entropy += texts.batch.weights[at] * (std::log(sum) - theirs[texts.batch.targets[at]]);
        }
    std::printf("  %s%s: %.1e of %.2f\n", v.title, with_prefix ? ", prefix" : "", worst, largest);
    // ggml's GELU is a table of f16 on the CPU: a difference in the last bit may reach the next entry.
    CHECK(worst < (s.shape.arch.activation == ffn_activation::gelu ? 1e-4 : 1e-5) * largest);
    CHECK(std::fabs(loss.total - cross_entropy) < 1e-5 * cross_entropy);
}

// --- gradients ---

// The loss along a line through the parameters of one tensor.
struct line {
    ggml_tensor * tensor;
    std::vector<float> origin, direction;
    training_graph & graph;
    const train_batch & batch;

    double at(double step) const {
        std::vector<float> values(origin.size());
        for (size_t i = 0; i < values.size(); i++) values[i] = (float) (origin[i] + step * direction[i]);
        ggml_backend_tensor_set(tensor, values.data(), 0, values.size() * sizeof(float));
        return graph.run(batch).total;
    }
    // Two central differences, joined so that the cubic term goes.
    double slope(double step) const {
        const double wide = (at(2 * step) - at(-2 * step)) / (4 * step), narrow = (at(step) - at(-step)) / (2 * step);
        ggml_backend_tensor_set(tensor, origin.data(), 0, origin.size() * sizeof(float));
        return (4 * narrow - wide) / 3;
    }
};

std::vector<float> values_of(const ggml_tensor * tensor) {
    std::vector<float> values((size_t) ggml_nelements(tensor));
    ggml_backend_tensor_get(tensor, values.data(), 0, values.size() * sizeof(float));
    return values;
}

double length(const std::vector<float> & v) {
    double sum = 0;
    for (const float value : v) sum += (double) value * value;
    return std::sqrt(sum);
}

cached_prefix random_prefix(const training_shape & shape, uint32_t n, std::mt19937 & random) {
    std::normal_distribution<float> normal;
    cached_prefix out;
    out.n = n;
    const auto rows = [&](uint32_t n_embd) {
        std::vector<float> values((size_t) n * n_embd);
        for (float & value : values) value = normal(random);
        return values;
    };
    for (size_t il = 0; il < shape.layers.size(); il++) {
        out.k.push_back(rows(shape.n_embd_k()));
        out.v.push_back(rows(shape.n_embd_v()));
    }
    return out;
}

std::vector<float> random_logits(size_t n, std::mt19937 & random) {
    std::normal_distribution<float> normal(0, 2);
    std::vector<float> values(n);
    for (float & value : values) value = normal(random);
    return values;
}

// For every tensor: along the gradient with a random direction added, and along the largest values alone. `worst` is
// relative to the gradient's length, the slope that the steepest direction would have.
void check_gradients(const variant & v, bool with_prefix, distillation distil) {
    const variant_file file(v);
    student s(file.str());
    two_texts texts(s.shape.n_vocab, with_prefix);
    if (with_prefix)
        for (const auto & tokens : texts.before)
            texts.batch.prefixes.push_back(random_prefix(s.shape, (uint32_t) tokens.size(), texts.random));
    if (distil.share > 0)
        texts.batch.teacher = random_logits(texts.batch.tokens.size() * s.shape.n_vocab, texts.random);
    s.graph(texts.shape, true, distil)->run(texts.batch);
    const auto graph = s.graph(texts.shape, false, distil);

    const bool table = s.shape.arch.activation == ffn_activation::gelu;
    std::normal_distribution<float> normal;
    double worst = 0;
    std::string where;
    for (ggml_tensor * tensor : s.parameters.trained()) {
        const std::vector<float> gradient = values_of(s.gradients.of(tensor)), origin = values_of(tensor);
        const double steepest = length(gradient), size = length(origin);
        CHECK(steepest > 0 && std::isfinite(steepest));
        std::vector<float> noise(gradient.size()), mixed(gradient.size());
        for (float & value : noise) value = normal(texts.random);
        for (size_t i = 0; i < mixed.size(); i++)
            mixed[i] = (float) (gradient[i] / steepest + noise[i] / length(noise));
        std::vector<std::vector<float>> directions = { mixed };
        std::vector<size_t> order(gradient.size());
        for (size_t i = 0; i < order.size(); i++) order[i] = i;
        std::sort(order.begin(), order.end(),
                  [&](size_t a, size_t b) { return std::fabs(gradient[a]) > std::fabs(gradient[b]); });
        for (size_t i = 0; i < 3; i++) {
            directions.emplace_back(gradient.size());
            directions.back()[order[i]] = 1;
        }
        for (const std::vector<float> & direction : directions) {
            double expected = 0;
            for (size_t i = 0; i < gradient.size(); i++) expected += (double) gradient[i] * direction[i];
            const double step = (table ? 5e-2 : 2e-2) * size / std::sqrt((double) origin.size());
            const double slope = line{ tensor, origin, direction, *graph, texts.batch }.slope(step);
            const double error = std::fabs(slope - expected) / steepest;
            if (getenv("FDV"))
                printf("   %-28s steepest %.3e slope %.5e expected %.5e\n", tensor->name, steepest, slope, expected);
            if (error > worst) {
                worst = error;
                where = tensor->name;
            }
        }
    }
    std::printf("  %s%s%s: %.1e (%s)\n", v.title, with_prefix ? ", prefix" : "", distil.share > 0 ? ", distilled" : "",
                worst, where.c_str());
    CHECK(worst < (table ? 2e-2 : 2e-3));
}

}  // namespace

TEST("the logits are llama.cpp's, with and without a cached prefix") {
    for (const variant & v : all_variants()) {
        if (!known(v)) continue;
        compare_logits(v, false);
        compare_logits(v, true);
    }
}

TEST("the gradients are finite differences of the loss, for every tensor, with and without a prefix") {
    for (const variant & v : all_variants()) {
        if (!known(v)) continue;
        check_gradients(v, false, {});
        check_gradients(v, true, {});
    }
    check_gradients(all_variants()[0], true, { 0.6f, 2.0f });
    check_gradients(all_variants()[3], false, { 1.0f, 0.7f });
}
