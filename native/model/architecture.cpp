#include "architecture.h"

namespace overfill {

// Each row was checked against the architecture's loader and graph in llama.cpp's src/models.
const std::vector<architecture> & all_architectures() {
    static const std::vector<architecture> rows = [] {
        std::vector<architecture> all;
        const auto row = [&](const char * name) -> architecture & {
            all.emplace_back();
            all.back().name = name;
            return all.back();
        };
        const auto square = [&](const char * name, const char * carrier) -> architecture & {
            architecture & added = row(name);
            added.square_attention = true;
            added.carrier = carrier;
            return added;
        };
        row("llama");
        row("mistral3");
        square("qwen2", "exaone");
        row("qwen3").qk = qk_norm::head;
        {
            architecture & gemma = row("gemma");
            gemma.activation = ffn_activation::gelu;
            gemma.scaled_embedding = true;
            gemma.tied_output = true;
        }
        {
            architecture & gemma2 = row("gemma2");
            gemma2.norms = norm_place::before_and_after;
            gemma2.activation = ffn_activation::gelu;
            gemma2.scaled_embedding = true;
            gemma2.tied_output = true;
            gemma2.wide_scale_layers = 46;
        }
        {
            architecture & gemma3 = row("gemma3");
            gemma3.norms = norm_place::before_and_after;
            gemma3.qk = qk_norm::head;
            gemma3.activation = ffn_activation::gelu;
            gemma3.scaled_embedding = true;
            gemma3.wide_scale_layers = 62;
        }
        square("phi3", "exaone").fused_gate_up = true;
        row("granite");
        row("smollm3").rope_free_step = 4;
        {
            architecture & olmo2 = square("olmo2", nullptr);
            olmo2.norms = norm_place::after;
            olmo2.qk = qk_norm::all_heads;
        }
        square("internlm2", "llama");
        row("exaone");
        {
            architecture & exaone4 = square("exaone4", nullptr);
            exaone4.norms = norm_place::after;
            exaone4.qk = qk_norm::head;
        }
        row("minicpm").shaped_scales = true;
        row("seed_oss").ffn_norm = "post_attention_norm";
        row("hunyuan-dense").qk = qk_norm::head_after_rope;
        row("ernie4_5");
        {
            architecture & glm4 = row("glm4");
            glm4.norms = norm_place::before_and_after;
            glm4.fused_gate_up = true;
        }
        square("xverse", "llama");
        row("maincoder").qk = qk_norm::head_after_rope;
        square("baichuan", "llama").rope_layers = 32;
        return all;
    }();
    return rows;
}

const architecture * find_architecture(const std::string & name) {
    for (const architecture & row : all_architectures())
        if (name == row.name) return &row;
    return nullptr;
}

}  // namespace overfill
