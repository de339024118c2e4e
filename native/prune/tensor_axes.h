// Which dimension of the model each axis of a tensor runs over, by the tensor's name.
#pragma once

#include "parent_model.h"

#include <cstdint>
#include <optional>
#include <string>

namespace overfill {

enum class tensor_axis {
    one,              // a vector's second axis
    fixed,            // not touched by pruning: RoPE factors, the norm of one head
    hidden,           // [n_embd]
    vocab,            // [n_vocab]
    ffn,              // [n_ff]
    gate_up,          // [2 x n_ff], the gate first
    query,            // [heads x head size of K]
    key,              // [KV heads x head size of K]
    value,            // [KV heads x head size of V]
    query_key_value,  // these three, one after the other
    heads,            // [heads x head size of V], what the output projection reads
};

struct tensor_axes {
    tensor_axis in = tensor_axis::fixed;  // ne[0]
    tensor_axis out = tensor_axis::one;   // ne[1]
    int layer = -1;                       // -1: not of a layer
    std::string base;                     // the name without its "blk.N."
    bool is_norm = false;

    bool vector() const { return out == tensor_axis::one; }
    bool hidden_norm() const { return is_norm && in == tensor_axis::hidden; }
};

// Nothing for a tensor that no architecture of this kind has.
std::optional<tensor_axes> axes_of(const architecture & row, const std::string & name);

// How long an axis is; 0 for `fixed`, which says nothing about it.
int64_t axis_length(tensor_axis axis, const model_shape & shape);

// "blk.3.attn_q.weight" for a layer and a base name; the base name alone for layer -1.
std::string tensor_name(int layer, const std::string & base);

}  // namespace overfill
