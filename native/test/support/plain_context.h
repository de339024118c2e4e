// A context of llama.h alone, which owns its memory: what a pair is held against.
#pragma once

#include "models.h"
#include "pair_driver.h"

#include <string>
#include <vector>

namespace overfill::test {

class plain_context {
  public:
    // As a pair makes its contexts. Throws std::runtime_error if llama.cpp makes none.
    plain_context(llama_model * model, uint32_t n_batch);

    // Reads tokens behind those that it has, in pieces of n_batch; the logits after the last one. Throws
    // std::runtime_error.
    logits_row read(const std::vector<llama_token> & tokens);

    // Makes this context hold what the other one holds: reads the same tokens in the same pieces,
    void replay(const plain_context & other);
    // or takes the state of its memory over; the models may differ. Throws std::runtime_error.
    void copy_state(const plain_context & other);

    // Goes back to when it had read so many pieces.
    size_t n_pieces() const { return pieces_.size(); }
    void go_back(size_t n_pieces);

  private:
    void clear();
    void read_piece(const std::vector<llama_token> & tokens);

    context_ptr ctx_;
    int32_t n_vocab_;
    uint32_t n_batch_;
    std::vector<std::vector<llama_token>> pieces_;
    llama_pos n_tokens_ = 0;
};

}  // namespace overfill::test
