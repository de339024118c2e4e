// Sums the squares of what llama.cpp multiplies its weights with, while it computes, through its scheduler's evaluation
// callback: as its tools/imatrix does, for the same products (weights of blocks, and experts), but in float64, in which
// a long text does not drown what comes late.
#pragma once

#include "importance_matrix.h"

#include <ggml.h>

#include <cstdint>
#include <exception>
#include <map>
#include <string>
#include <vector>

namespace overfill {

class input_capture {
  public:
    // llama_context_params::cb_eval, with the capture as its user data.
    static bool callback(ggml_tensor * node, bool ask, void * capture);

    // No exception may pass through llama.cpp: one is kept, and the computation may stop. `rethrow` throws it.
    bool has_failed() const { return error_ != nullptr; }
    void rethrow() const {
        if (error_) std::rethrow_exception(error_);
    }

    std::map<std::string, importance_entry> & entries() { return entries_; }

  private:
    static bool asks_for(const ggml_tensor * node);
    void add(const ggml_tensor * product);
    void add_dense(const ggml_tensor * product, importance_entry & entry, const char * inputs) const;
    void add_experts(const ggml_tensor * product, importance_entry & entry, const char * inputs);

    std::map<std::string, importance_entry> entries_;
    std::exception_ptr error_;
    std::vector<char> inputs_, ids_;  // copies from a device
};

}  // namespace overfill
