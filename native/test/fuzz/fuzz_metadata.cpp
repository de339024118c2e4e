// A model's metadata: what our own checks let pass, llama.cpp must bear. The tensors' data are zeros behind the input.
#include "find_translator.h"
#include "fingerprint.h"
#include "fuzz_target.h"
#include "model_file.h"
#include "models.h"
#include "tiny_model.h"

#include <gguf.h>

#include <filesystem>

using namespace overfill;
using namespace overfill::test;

namespace {

tiny_model small_model() {
    tiny_model m;
    m.n_layer = 1;
    m.n_embd = 8;
    m.n_ff = 8;
    m.n_head = m.n_head_kv = 1;
    m.head_size = 8;
    m.n_extra_tokens = 0;
    return m;
}

constexpr uint64_t n_data = 64 << 10;

}  // namespace

void overfill::test::fuzz_one(const std::string & bytes) {
    const std::string path = fuzz_file(bytes);
    std::filesystem::resize_file(path, bytes.size() + n_data);
    read_or_refuse([&] { check_tokenizer_file(path); });
    read_or_refuse([&] { translator_named_by(path); });
    read_or_refuse([&] {
        check_model_file(path);
        model_fingerprint(path);
        const model_ptr model = load_model({ path, 0 }, load_depth::metadata, [](float) { return true; });
        const llama_vocab * vocab = llama_model_get_vocab(model.get());
        char piece[64];
        for (llama_token token = 0; token < llama_vocab_n_tokens(vocab); token++)
            llama_token_to_piece(vocab, token, piece, sizeof piece, 0, true);
        llama_token tokens[32];
        const std::string text = "a \xc3\xa9 text\n1";
        llama_tokenize(vocab, text.data(), (int32_t) text.size(), tokens, 32, true, true);
    });
}

std::vector<std::string> overfill::test::fuzz_seeds() {
    const model_path model(small_model());
    const std::string bytes = bytes_of(model.str());
    gguf_context * meta = gguf_init_from_file(model.str().c_str(), { true, nullptr });
    const size_t end = gguf_get_data_offset(meta);
    gguf_free(meta);
    return { bytes.substr(0, end) };
}
