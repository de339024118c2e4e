// The CUDA implementation of a translate handover: one fused launch for all layers of a device, in liboverfill-cuda
// (overfill_cuda.h), which is loaded where it is found. Source and target of every step must lie on the same CUDA
// device; both contexts are synchronised before (by the caller), and the kernel has finished when run() returns.
#pragma once

#include "cuda/overfill_cuda.h"
#include "kernel/kernel_plan.h"
#include "translation.h"

#include <memory>
#include <string>
#include <vector>

namespace overfill {

// The loaded library. It stays loaded until the process ends.
class cuda_library {
  public:
    // Throws ERR_HANDOVER_UNAVAILABLE if it cannot be loaded or is of another version.
    explicit cuda_library(const std::string & path);

#define OVERFILL_CUDA_MEMBER(result, name, parameters) result(*name) parameters = nullptr;
    OVERFILL_CUDA_FUNCTIONS(OVERFILL_CUDA_MEMBER)
#undef OVERFILL_CUDA_MEMBER
};

// Throws what a status means: ERR_OUT_OF_MEMORY, ERR_HANDOVER_UNAVAILABLE or ERR_INFERENCE_FAILED; nothing for `ok`.
void check_cuda(int status, const char * message);

// The steps of one device. Also what the tests run, on memory that is not ggml's.
class cuda_translate_device {
  public:
    cuda_translate_device(std::shared_ptr<const cuda_library> library, std::vector<translate_step> steps);
    ~cuda_translate_device();
    cuda_translate_device(const cuda_translate_device &) = delete;
    cuda_translate_device & operator=(const cuda_translate_device &) = delete;

    void run(const translate_job & job);
    // The same, timed by the device: milliseconds of the kernel alone.
    float time(const translate_job & job);

  private:
    bool prepare(const translate_job & job, overfill_cuda_job & out);

    std::shared_ptr<const cuda_library> library_;
    kernel_plan plan_;
    overfill_cuda_context * context_ = nullptr;
};

// The file to load: OVERFILL_CUDA_LIBRARY, else the one beside the addon in `directory`; empty if there is none.
std::string find_cuda_library(const std::string & directory);

// Throws ERR_HANDOVER_UNAVAILABLE (no library, no CUDA device, a step across devices, a shape that the kernel does not
// do), ERR_OUT_OF_MEMORY.
std::unique_ptr<translate_implementation> make_cuda_translate(const translation & plan,
                                                              const std::string & library_path);

}  // namespace overfill
