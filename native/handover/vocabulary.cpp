#include "vocabulary.h"

#include <cstring>

namespace overfill {

static const char * type_name(enum llama_vocab_type type) {
    switch (type) {
    case LLAMA_VOCAB_TYPE_NONE: return "none";
    case LLAMA_VOCAB_TYPE_SPM: return "SPM";
    case LLAMA_VOCAB_TYPE_BPE: return "BPE";
    case LLAMA_VOCAB_TYPE_WPM: return "WordPiece";
    case LLAMA_VOCAB_TYPE_UGM: return "Unigram";
    default: return "other";
    }
}

static vocabulary_difference differ(std::string prefill, std::string decode, std::string message) {
    return { false, std::move(prefill), std::move(decode), std::move(message) };
}

vocabulary_difference compare_vocabularies(const llama_vocab * prefill, const llama_vocab * decode) {
    const enum llama_vocab_type type_a = llama_vocab_type(prefill), type_b = llama_vocab_type(decode);
    if (type_a != type_b) return differ(type_name(type_a), type_name(type_b), "the tokenizers are of different kinds");

    const int n_a = llama_vocab_n_tokens(prefill), n_b = llama_vocab_n_tokens(decode);
    if (n_a != n_b)
        return differ(std::to_string(n_a) + " tokens", std::to_string(n_b) + " tokens",
                      "the vocabularies are of different sizes");

    for (llama_token token = 0; token < n_a; token++) {
        const char * a = llama_vocab_get_text(prefill, token);
        const char * b = llama_vocab_get_text(decode, token);
        if (std::strcmp(a, b) != 0) return differ(a, b, "token " + std::to_string(token) + " differs");
        if (llama_vocab_get_attr(prefill, token) != llama_vocab_get_attr(decode, token))
            return differ(std::to_string(llama_vocab_get_attr(prefill, token)),
                          std::to_string(llama_vocab_get_attr(decode, token)),
                          "the attributes of token " + std::to_string(token) + " (" + a + ") differ");
    }
    return {};
}

std::vector<std::string> vocabulary_notes(const llama_vocab * prefill, const llama_vocab * decode) {
    std::vector<std::string> notes;
    if (llama_vocab_bos(prefill) != llama_vocab_bos(decode))
        notes.push_back("the BOS tokens differ; the prefill model's is used");
    if (llama_vocab_eos(prefill) != llama_vocab_eos(decode))
        notes.push_back("the EOS tokens differ; the answer ends at either");
    return notes;
}

}  // namespace overfill
