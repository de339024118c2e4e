// For this room only (it includes llama.cpp's internals): the memory of a context, which may be another context's.
#pragma once

#include "llama-context.h"
#include "llama-memory.h"

#include <memory>

namespace overfill {

class lent_memory final : public llama_memory_i {
  public:
    explicit lent_memory(llama_memory_i & owner) : owner_(owner) {}

    llama_memory_i & owner() const { return owner_; }

    llama_memory_context_ptr init_batch(llama_batch_allocr & balloc, uint32_t n_ubatch, bool embd_all) override {
        return owner_.init_batch(balloc, n_ubatch, embd_all);
    }
    llama_memory_context_ptr init_full() override { return owner_.init_full(); }
    llama_memory_context_ptr init_update(llama_context * ctx, bool optimize) override {
        return owner_.init_update(ctx, optimize);
    }
    bool get_can_shift() const override { return owner_.get_can_shift(); }

    void clear(bool data) override { owner_.clear(data); }
    bool seq_rm(llama_seq_id seq, llama_pos p0, llama_pos p1) override { return owner_.seq_rm(seq, p0, p1); }
    void seq_cp(llama_seq_id from, llama_seq_id to, llama_pos p0, llama_pos p1) override {
        owner_.seq_cp(from, to, p0, p1);
    }
    void seq_keep(llama_seq_id seq) override { owner_.seq_keep(seq); }
    void seq_add(llama_seq_id seq, llama_pos p0, llama_pos p1, llama_pos shift) override {
        owner_.seq_add(seq, p0, p1, shift);
    }
    void seq_div(llama_seq_id seq, llama_pos p0, llama_pos p1, int d) override { owner_.seq_div(seq, p0, p1, d); }
    llama_pos seq_pos_min(llama_seq_id seq) const override { return owner_.seq_pos_min(seq); }
    llama_pos seq_pos_max(llama_seq_id seq) const override { return owner_.seq_pos_max(seq); }

    // The owner's context counts it.
    std::map<ggml_backend_buffer_type_t, size_t> memory_breakdown() const override { return {}; }

    void state_write(llama_io_write_i & io, llama_seq_id seq, llama_state_seq_flags flags) const override {
        owner_.state_write(io, seq, flags);
    }
    void state_read(llama_io_read_i & io, llama_seq_id seq, llama_state_seq_flags flags) override {
        owner_.state_read(io, seq, flags);
    }

  private:
    llama_memory_i & owner_;
};

// The memory that a context computes on, its own or a lent one; null for a model that keeps none.
inline llama_memory_i * memory_of(const llama_context * ctx) {
    llama_memory_i * memory = ctx->get_memory();
    const auto * lent = dynamic_cast<const lent_memory *>(memory);
    return lent ? &lent->owner() : memory;
}

// A context that was created with a tiny memory is to use one like `source`'s: what depends on its size (the choice of
// RoPE factors, the worst-case graph) has to follow.
void follow_memory_size(llama_context * ctx, const llama_context * source);

// Throws ERR_OUT_OF_MEMORY if the graph cannot be reserved for it; the memory stays installed even so.
void use_memory(llama_context * ctx, std::unique_ptr<llama_memory_i> memory);

}  // namespace overfill
