// From the activations of micro-batches to the sums of an importance: means over a window's tokens, then squares over
// the windows. All in float64: adding it up costs little beside the products that made the activations, and means of
// signed values cancel.
#pragma once

#include "activation_capture.h"
#include "importance.h"

#include <array>
#include <cstdint>
#include <vector>

namespace overfill {

class activation_sums {
  public:
    // Adds to `into`, which has its sizes already. `window`: tokens of each window.
    activation_sums(importance & into, uint32_t window, uint32_t most_windows);

    // The next micro-batch: `n_windows` windows, or a part of one, behind one another.
    enum class part { whole, first, middle, last };
    void begin(uint32_t n_windows, part part);
    // What activation_capture gives. Throws ERR_PRUNE_UNSUPPORTED for other sizes than expected, and
    // ERR_INFERENCE_FAILED for values that are no finite numbers.
    void add(activation what, uint32_t layer, const float * rows, size_t n_columns, size_t n_rows);

  private:
    using means = std::array<std::vector<double>, n_activation_means>;

    void check_size(activation what, uint32_t layer, size_t n_columns) const;
    void add_residual(uint32_t layer, const float * rows, size_t n_columns, size_t n_rows);
    void add_rows(activation what, const float * rows, size_t n_columns, size_t n_rows, means & sums);
    void end_window(activation what, uint32_t layer, uint32_t index, means & sums);
    void end_norm(activation what, uint32_t layer, uint32_t index, const means & mean);
    means & sums_of(activation what, uint32_t layer, size_t n_sums);

    importance & into_;
    uint32_t window_;
    uint32_t n_windows_ = 1;
    part part_ = part::whole;

    std::vector<float> entering_;  // the layer whose influence is not known yet
    means sums_;                   // of one window
    // Of a window that comes in parts, by activation and layer.
    std::array<std::vector<means>, n_activations> carried_;
    // By window of the micro-batch: of the layer's first norm, and of all norms so far.
    std::vector<means> first_norm_, all_norms_;
};

}  // namespace overfill
