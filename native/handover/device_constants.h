// What the graphs of a device multiply by: linear maps, the factors of rotations, Hadamard matrices. They are on the
// device for good, each once, whichever steps and graphs use it.
#pragma once

#include "rotation.h"
#include "translation.h"

#include <ggml-cpp.h>

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace overfill {

// A step's rotations before and after its linear map; both in one after it where nothing stands between them.
std::vector<rotation> turns_of(const translate_step & step);

class device_constants {
  public:
    // Puts what the steps need on the back end's device. Throws std::bad_alloc.
    device_constants(const std::vector<const translate_step *> & steps, ggml_backend_t backend);

    // All of them f32, and only of what the steps have.
    ggml_tensor * weight(const linear_map & map) const { return maps_.at(map.weight.data()); }  // [n_in, n_out]
    ggml_tensor * bias(const linear_map & map) const { return maps_.at(map.bias.data()); }      // [n_out]
    ggml_tensor * hadamard(uint32_t size) const { return hadamard_.at(size); }                  // [size, size]
    // One over the angle of each pair of channels.
    ggml_tensor * inverse_angles(const rotation & turn) const { return angles_.at(turn.angles()); }  // [n_pairs]

  private:
    ggml_tensor * add(std::vector<float> values, int64_t ne0, int64_t ne1);
    void add_map(const linear_map & map);
    void add_rotation(const rotation & turn);
    void upload(ggml_backend_t backend);

    ggml_context_ptr ctx_;
    ggml_backend_buffer_ptr buffer_;
    std::map<const float *, ggml_tensor *> maps_;  // by their values here
    std::map<uint32_t, ggml_tensor *> hadamard_;
    std::map<std::vector<double>, ggml_tensor *> angles_;
    std::vector<std::pair<ggml_tensor *, std::vector<float>>> values_;  // until they are uploaded
};

}  // namespace overfill
