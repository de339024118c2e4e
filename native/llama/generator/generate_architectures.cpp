// Writes a tiny model of every architecture that llama.cpp can make one of, for test_architectures. Most of it is
// llama.cpp's own tests/test-llama-archs.cpp, which is compiled into this program. What that leaves out, since its
// metadata do not do or its saver does not know all of them, is written here from the metadata the model was made of.
//
//   generate_architectures BACKENDS FOLDER
//
// BACKENDS: the folder of ggml's loadable back ends; "" where they are linked. The numbers are the same on every run.
#define main llama_test_main
#include "test-llama-archs.cpp"
#undef main

#include "llama-model.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace {

constexpr size_t seed = 1;
constexpr float stdev = 0.1f;

struct further_model {
    llm_arch arch;
    bool moe;
    std::function<void(gguf_context *, const std::string & prefix)> adapt;
    int n_layer_kv = 1000;  // from this layer on there are no keys and values, as in files of real models
};

void set(gguf_context * metadata, const std::string & key, uint32_t value) {
    gguf_set_val_u32(metadata, key.c_str(), value);
}

void as_it_is(gguf_context *, const std::string &) {}

// The last two layers use the keys and values of earlier ones, as in the small models of this family.
void reuse_layers(gguf_context * metadata, const std::string & prefix) {
    const bool sliding[] = { true, true, false, true, false };
    gguf_set_arr_data(metadata, (prefix + "attention.sliding_window_pattern").c_str(), GGUF_TYPE_BOOL, sliding, 5);
    set(metadata, prefix + "attention.shared_kv_layers", 2);
    // Heads of the layers without a window are twice as large.
    for (const char * of : { "attention.key_length", "attention.value_length", "rope.dimension_count" })
        set(metadata, prefix + of, 128);
    set(metadata, prefix + "rope.dimension_count_swa", 64);
}

void drop_latent_rank(gguf_context * metadata, const std::string & prefix) {
    gguf_remove_key(metadata, (prefix + "attention.kv_lora_rank").c_str());
}

void add_token_types(gguf_context * metadata, const std::string &) {
    set(metadata, "tokenizer.ggml.token_type_count", 2);
}

void shift_one_token(gguf_context * metadata, const std::string & prefix) {
    set(metadata, prefix + "token_shift_count", 1);
}

void add_lora_ranks(gguf_context * metadata, const std::string & prefix) {
    for (const char * of : { "decay", "iclr", "value_residual_mix", "gate" })
        set(metadata, prefix + "attention." + of + "_lora_rank", 32);
}

void add_lora_ranks_and_shift(gguf_context * metadata, const std::string & prefix) {
    add_lora_ranks(metadata, prefix);
    shift_one_token(metadata, prefix);
}

// What is not here is a part of another model (clip, eagle3, dflash, gemma4-assistant), needs tables of its own
// (graniteswitch, jina-bert-v2, nomic-bert-moe, deepseek2-ocr), has no implementation (gptj), or one whose graph
// cannot be built (plm, and rwkv6qwen2 with the tensors that are optional).
const std::vector<further_model> & further_models() {
    static const std::vector<further_model> all = {
        { LLM_ARCH_GEMMA4, false, reuse_layers, 3 },
        { LLM_ARCH_GEMMA3N, false, as_it_is },
        { LLM_ARCH_BITNET, false, as_it_is },
        { LLM_ARCH_APERTUS, false, as_it_is },
        { LLM_ARCH_STEP35, true, as_it_is },
        { LLM_ARCH_ERNIE4_5, false, drop_latent_rank },
        { LLM_ARCH_RWKV6, false, as_it_is },
        { LLM_ARCH_RWKV7, false, add_lora_ranks },
        { LLM_ARCH_ARWKV7, false, add_lora_ranks_and_shift },
        { LLM_ARCH_CHAMELEON, false, as_it_is },
        { LLM_ARCH_T5, false, as_it_is },
        { LLM_ARCH_T5ENCODER, false, as_it_is },
        { LLM_ARCH_BERT, false, add_token_types },
        { LLM_ARCH_NOMIC_BERT, false, add_token_types },
        { LLM_ARCH_JINA_BERT_V3, false, add_token_types },
        { LLM_ARCH_MODERN_BERT, false, as_it_is },
        { LLM_ARCH_NEO_BERT, false, as_it_is },
        { LLM_ARCH_EUROBERT, false, as_it_is },
        { LLM_ARCH_LLAMA_EMBED, false, as_it_is },
        { LLM_ARCH_GEMMA_EMBEDDING, false, as_it_is },
        { LLM_ARCH_WAVTOKENIZER_DEC, false, as_it_is },
    };
    return all;
}

bool belongs(const further_model & wanted, const std::string & tensor) {
    int layer = -1, n = 0;
    sscanf(tensor.c_str(), "blk.%d.%n", &layer, &n);
    const std::string base = tensor.substr(n);
    return layer < wanted.n_layer_kv || (base.rfind("attn_k", 0) != 0 && base.rfind("attn_v", 0) != 0);
}

void write(const further_model & wanted, const std::string & folder) {
    const std::string name = llm_arch_name(wanted.arch);
    const gguf_context_ptr metadata = get_gguf_ctx(wanted.arch, wanted.moe);
    wanted.adapt(metadata.get(), name + ".");
    const auto made = get_model_and_ctx(metadata.get(), nullptr, seed, stdev, {});
    const gguf_context_ptr file(gguf_init_empty());
    gguf_set_kv(file.get(), metadata.get());
    for (const auto & [title, tensor] : made.first->tensors_by_name)
        if (belongs(wanted, title) && gguf_find_tensor(file.get(), title.c_str()) < 0)
            gguf_add_tensor(file.get(), tensor);
    const std::string path = folder + "/" + name + (wanted.moe ? "-moe.gguf" : "-dense.gguf");
    if (!gguf_write_to_file(file.get(), path.c_str(), false)) throw std::runtime_error("cannot write " + path);
}

int generate(const std::string & folder) {
    const int status = save_models("", seed, stdev, LOG_LEVEL_ERROR, folder);
    if (status != 0) return status;
    for (const further_model & wanted : further_models()) {
        try {
            write(wanted, folder);
        } catch (const std::exception & error) {
            throw std::runtime_error(std::string(llm_arch_name(wanted.arch)) + ": " + error.what());
        }
    }
    return 0;
}

}  // namespace

int main(int argc, char ** argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: generate_architectures BACKENDS FOLDER\n");
        return 1;
    }
    const std::string backends = argv[1];
    if (!backends.empty()) ggml_backend_load_all_from_path(backends.c_str());
    // Nothing is to be told but what fails.
    common_log_set_verbosity_thold(LOG_LEVEL_ERROR);
    common_init();
    int status = 1;
    try {
        status = generate(argv[2]);
    } catch (const std::exception & error) {
        fprintf(stderr, "%s\n", error.what());
    }
    common_log_flush(common_log_main());
    return status;
}
