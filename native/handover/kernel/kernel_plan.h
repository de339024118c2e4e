// Turns a translation and a job into the tables of kernel_tables.h: where every step's data lies, how it is cut into
// groups, the angles of its rotations, its linear map. Host code, the same for CUDA, Metal and the test on the CPU.
#pragma once

#include "kernel_tables.h"
#include "translation.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

namespace overfill {

// Where the kernel finds a tensor's first byte. Default: where ggml says, which is right for CUDA and the CPU.
using kernel_address = std::function<uint8_t *(const ggml_tensor *)>;

class kernel_plan {
  public:
    // Throws ERR_HANDOVER_UNAVAILABLE, naming layer and shape, for a step that the kernel does not do. The steps are
    // copied.
    explicit kernel_plan(std::vector<translate_step> steps, kernel_address address = {});

    // The linear maps of all steps, each map once, inputs outside; to be uploaded once and then released.
    const std::vector<float> & weights() const { return weights_; }
    void release_weights() { weights_ = {}; }
    bool has_maps() const { return has_maps_; }

    // Fills the tables below for one job. Throws ERR_INFERENCE_FAILED for a job that does not fit the plan.
    void prepare(const translate_job & job);
    const std::vector<kernel_step> & steps() const { return steps_; }
    const std::vector<kernel_move> & moves() const { return moves_; }
    uint32_t n_groups() const { return n_groups_; }

    // Cosines and sines, computed in double precision. They change only when a job reaches further positions than any
    // before: then the version goes up.
    const std::vector<float> & angles() const { return angles_; }
    uint64_t angles_version() const { return angles_version_; }

  private:
    struct rope_table {
        rope_frequencies frequencies;
        uint32_t fine = 0, coarse = 0;
    };

    void add_step(const translate_step & step);
    size_t rope_index(const std::shared_ptr<const rope_parameters> & rope);
    void make_angles(uint32_t n_coarse);

    std::vector<translate_step> source_;
    std::vector<kernel_step> shapes_;  // one for each of source_, without what a job tells
    struct rope_use {
        size_t from, to;  // into ropes_, or no_rope
    };
    std::vector<rope_use> rope_uses_;
    std::vector<rope_parameters> rope_parameters_;
    std::vector<rope_table> ropes_;
    std::map<const linear_map *, uint64_t> placed_;
    kernel_address address_;
    bool has_maps_ = false;

    std::vector<float> weights_;
    std::vector<kernel_step> steps_;
    std::vector<kernel_move> moves_;
    std::vector<float> angles_;
    uint64_t angles_version_ = 0;
    uint32_t n_coarse_ = 0;
    uint32_t n_groups_ = 0;
};

}  // namespace overfill
