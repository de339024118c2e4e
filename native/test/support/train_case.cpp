#include "train_case.h"

#include <ggml-cpp.h>
#include <gguf.h>

#include <cmath>
#include <cstdio>
#include <filesystem>

namespace overfill::test {

static tiny_model small_shape() {
    tiny_model shape;
    shape.n_embd = 32;
    shape.n_ff = 48;
    shape.head_size = 16;
    shape.n_extra_tokens = 10;
    shape.n_ctx_train = 256;
    return shape;
}

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
    if (v.scales) {
        gguf_set_val_f32(to, (name + ".logit_scale").c_str(), 3.0f);
        gguf_set_val_f32(to, (name + ".residual_scale").c_str(), 0.7f);
        gguf_set_val_f32(to, (name + ".embedding_scale").c_str(), 5.0f);
        gguf_set_val_f32(to, (name + ".attention.scale").c_str(), 0.4f);
    }
    if (std::string("gemma2") == v.architecture) {
        gguf_set_val_f32(to, "gemma2.attn_logit_softcapping", 2.0f);
        gguf_set_val_f32(to, "gemma2.final_logit_softcapping", 6.0f);
    }
    if (v.yarn) {
        gguf_set_val_str(to, (name + ".rope.scaling.type").c_str(), "yarn");
        gguf_set_val_f32(to, (name + ".rope.scaling.factor").c_str(), 4.0f);
        gguf_set_val_u32(to, (name + ".rope.scaling.original_context_length").c_str(), 64);
    }
}

variant_file::variant_file(const variant & v) : llama_(v.base), path_(llama_.str() + ".variant") {
    ggml_context * loaded = nullptr;
    const gguf_context_ptr from(gguf_init_from_file(llama_.str().c_str(), { false, &loaded }));
    const ggml_context_ptr values(loaded);
    const gguf_context_ptr to(gguf_init_empty());
    copy_metadata(v, from.get(), to.get());
    const ggml_context_ptr added(ggml_init({ (size_t) 16 << 20, nullptr, false }));
    const auto skipped = [&](const std::string & name) {
        const auto has = [&](const char * part) { return name.find(part) != std::string::npos; };
        return (v.tied && name == "output.weight") || (v.gate_in_up && (has("ffn_gate") || has("ffn_up"))) ||
               (!v.pre_norms && (has("attn_norm") || has("ffn_norm"))) ||
               (v.fused && (has("attn_q.") || has("attn_k.") || has("attn_v.") || has("ffn_gate") || has("ffn_up")));
    };
    for (ggml_tensor * t = ggml_get_first_tensor(loaded); t; t = ggml_get_next_tensor(loaded, t))
        if (gguf_find_tensor(from.get(), t->name) >= 0 && !skipped(t->name)) {
            std::string name = t->name;
            if (const size_t at = name.find("ffn_norm"); at != std::string::npos) name.replace(at, 8, v.ffn_norm);
            ggml_set_name(t, name.c_str());
            gguf_add_tensor(to.get(), t);
        }

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
        if (v.fused || v.gate_in_up) add(block + "ffn_up.weight", m.n_embd, 2 * m.n_ff, 0, spread);
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

variant_file::~variant_file() { std::filesystem::remove(path_); }

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
    v = &add("gemma, tied", "gemma");
    v->tied = true;
    v = &add("gemma2, capped, sliding window", "gemma2");
    v->post_norms = v->tied = true;
    v->sliding_window = 6;
    v = &add("exaone4", "exaone4");
    v->head_norms = v->post_norms = true;
    v->pre_norms = false;
    v->base.head_size = 8;
    add("granite, scales", "granite").scales = true;
    add("minicpm, scales by default", "minicpm");
    add("seed_oss", "seed_oss").ffn_norm = "post_attention_norm";
    add("hunyuan-dense", "hunyuan-dense").head_norms = true;
    v = &add("glm4", "glm4");
    v->post_norms = v->gate_in_up = true;
    for (const char * name : { "mistral3", "exaone", "ernie4_5" }) add(name, name);
    for (const char * name : { "internlm2", "xverse" }) add(name, name).base.head_size = 8;
    add("maincoder", "maincoder").head_norms = true;
    add("smollm3, four layers", "smollm3").base.n_layer = 4;
    return all;
}

bool known(const variant & v) {
    if (find_architecture(v.architecture)) return true;
    std::printf("  skipped: no row for %s\n", v.architecture);
    return false;
}

two_texts::two_texts(uint32_t n_vocab, bool with_prefix, uint32_t seed) : random(seed) {
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

std::vector<float> random_values(size_t n, float spread, std::mt19937 & random) {
    std::normal_distribution<float> normal(0, spread);
    std::vector<float> values(n);
    for (float & value : values) value = normal(random);
    return values;
}

cached_prefix random_prefix(const training_shape & shape, uint32_t n, std::mt19937 & random) {
    cached_prefix out;
    out.n = n;
    for (size_t il = 0; il < shape.layers.size(); il++) {
        out.k.push_back(random_values((size_t) n * shape.n_embd_k(), 1, random));
        out.v.push_back(random_values((size_t) n * shape.n_embd_v(), 1, random));
    }
    return out;
}

std::vector<float> values_of(const ggml_tensor * tensor) {
    std::vector<float> values((size_t) ggml_nelements(tensor));
    ggml_backend_tensor_get(tensor, values.data(), 0, values.size() * sizeof(float));
    return values;
}

}  // namespace overfill::test
