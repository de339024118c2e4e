// What a translate handover does, resolved for one pair of caches: one step for K and one for V of every layer of the
// target. Plain data over ggml tensors, so that every implementation (CPU, ggml graph, CUDA, Metal) reads the same and
// tests need no model.
//
// A step takes the row of a cell (all heads of K or of V, flattened) through
//
//   dequantise  ->  undo the source's Hadamard rotation  ->  undo its RoPE  ->  linear map with bias  ->
//   RoPE of the target  ->  Hadamard rotation of the target  ->  the target's type and layout
//
// of which each part may be absent. Where all are, and type and layout agree, the bytes move as they are.
#pragma once

#include "rope_parameters.h"

#include <ggml.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace overfill {

// K or V of one layer in a cache. The tensor is [n_embd, n_cells, n_stream] with one row a cell; transposed, the same
// memory of a stream is [n_cells, n_embd] with one row a channel.
struct kv_storage {
    ggml_tensor * tensor = nullptr;
    size_t cache = 0;  // which of the context's caches (full, sliding)
    uint32_t n_head = 0;
    uint32_t head_size = 0;
    uint32_t n_cells = 0;   // of one stream
    uint32_t hadamard = 0;  // block size of the Hadamard rotation along a head; 0: none
    bool transposed = false;

    uint32_t n_embd() const { return n_head * head_size; }
    ggml_type type() const { return tensor->type; }
    // Bytes of one cell's row (rows only) and of one stream.
    size_t row_bytes() const { return ggml_row_size(tensor->type, n_embd()); }
    size_t stream_bytes() const { return ggml_row_size(tensor->type, tensor->ne[0]) * n_cells; }
    bool on_host() const;
};

// y = W x + b over the flattened heads.
struct linear_map {
    uint32_t n_in = 0;
    uint32_t n_out = 0;
    std::vector<float> weight;  // [n_out][n_in]
    std::vector<float> bias;    // [n_out], or empty
};

struct translate_step {
    uint32_t layer = 0;  // of the target
    bool is_k = true;
    kv_storage from;
    kv_storage to;
    std::shared_ptr<const rope_parameters> unrotate;  // null: K stays rotated
    std::shared_ptr<const linear_map> map;            // null: the identity
    std::shared_ptr<const rope_parameters> rerotate;

    // The bytes move as they are.
    bool raw() const;
    // The Hadamard rotation is undone, done, or neither if both sides have the same and nothing happens in between.
    bool undo_hadamard() const;
    bool do_hadamard() const;
};

struct translation {
    std::vector<translate_step> steps;
};

// One token of the sequence: its cell on both sides.
struct cell_move {
    uint32_t from;
    uint32_t to;
    llama_pos position;
};

// The cells of one switch. `moves[from cache][to cache]`; pairs of caches that no step uses may be empty.
struct translate_job {
    uint32_t from_stream[2] = { 0, 0 };  // by cache
    uint32_t to_stream[2] = { 0, 0 };
    std::vector<cell_move> moves[2][2];

    const std::vector<cell_move> & of(const translate_step & step) const {
        return moves[step.from.cache][step.to.cache];
    }
};

// One of the implementations, made once for a pair and run at every switch. After a failure the target's cells hold
// anything, the source is untouched, and the same object can run again.
class translate_implementation {
  public:
    virtual ~translate_implementation() = default;
    virtual const char * name() const = 0;  // "cpu", "graph", "cuda" or "metal"
    // Throws ERR_OUT_OF_MEMORY or ERR_INFERENCE_FAILED.
    virtual void run(const translate_job & job) = 0;
};

// Bytes that a job writes, of all steps.
uint64_t bytes_written(const translation & plan, const translate_job & job);

// Threads, ggml's row conversions, caches on devices through a buffer of at most one layer. Throws ERR_OUT_OF_MEMORY.
std::unique_ptr<translate_implementation> make_cpu_translate(const translation & plan, int32_t n_threads);

// One ggml graph on the device that owns the target, built once. Throws ERR_HANDOVER_UNAVAILABLE with the operation
// that the device has not, ERR_OUT_OF_MEMORY.
std::unique_ptr<translate_implementation> make_graph_translate(const translation & plan, int32_t n_threads);

}  // namespace overfill
