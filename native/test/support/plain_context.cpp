#include "plain_context.h"

#include <stdexcept>

namespace overfill::test {

plain_context::plain_context(llama_model * model, uint32_t n_batch)
    : n_vocab_(llama_vocab_n_tokens(llama_model_get_vocab(model))), n_batch_(n_batch) {
    llama_context_params params = llama_context_default_params();
    params.n_ctx = 256;
    params.n_batch = params.n_ubatch = n_batch;
    params.n_threads = params.n_threads_batch = 1;
    params.swa_full = true;
    params.no_perf = true;
    ctx_.reset(llama_init_from_model(model, params));
    if (!ctx_) throw std::runtime_error("llama.cpp makes no context");
}

void plain_context::clear() {
    llama_memory_clear(llama_get_memory(ctx_.get()), true);
    pieces_.clear();
    n_tokens_ = 0;
}

void plain_context::read_piece(const std::vector<llama_token> & tokens) {
    llama_batch batch = llama_batch_init((int32_t) tokens.size(), 0, 1);
    batch.n_tokens = (int32_t) tokens.size();
    for (size_t i = 0; i < tokens.size(); i++) {
        batch.token[i] = tokens[i];
        batch.pos[i] = n_tokens_ + (llama_pos) i;
        batch.n_seq_id[i] = 1;
        batch.seq_id[i][0] = 0;
        batch.logits[i] = i + 1 == tokens.size();
    }
    const int32_t status = llama_decode(ctx_.get(), batch);
    llama_batch_free(batch);
    if (status != 0) throw std::runtime_error("llama_decode alone ends with status " + std::to_string(status));
    n_tokens_ += (llama_pos) tokens.size();
    pieces_.push_back(tokens);
}

logits_row plain_context::read(const std::vector<llama_token> & tokens) {
    for (size_t from = 0; from < tokens.size(); from += n_batch_)
        read_piece({ tokens.begin() + (std::ptrdiff_t) from,
                     tokens.begin() + (std::ptrdiff_t) std::min<size_t>(tokens.size(), from + n_batch_) });
    const float * logits = llama_get_logits_ith(ctx_.get(), -1);
    if (!logits) throw std::runtime_error("llama.cpp gives no logits");
    return { logits, logits + n_vocab_ };
}

void plain_context::replay(const plain_context & other) {
    clear();
    for (const auto & piece : other.pieces_) read_piece(piece);
}

void plain_context::copy_state(const plain_context & other) {
    clear();
    std::vector<uint8_t> state(llama_state_seq_get_size(other.ctx_.get(), 0));
    state.resize(llama_state_seq_get_data(other.ctx_.get(), state.data(), state.size(), 0));
    if (state.empty() || llama_state_seq_set_data(ctx_.get(), state.data(), state.size(), 0) == 0)
        throw std::runtime_error("llama.cpp cannot copy the state of this memory");
    pieces_ = other.pieces_;
    n_tokens_ = other.n_tokens_;
}

void plain_context::go_back(size_t n_pieces) {
    std::vector<std::vector<llama_token>> pieces = std::move(pieces_);
    pieces.resize(n_pieces);
    clear();
    for (const auto & piece : pieces) read_piece(piece);
}

}  // namespace overfill::test
