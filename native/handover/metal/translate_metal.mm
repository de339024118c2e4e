// The host side of translate.metal. ggml's buffers are reached without ggml's internals: a shared buffer is
// page-aligned memory of this process, and Metal takes a second buffer over the same pages (ggml does so too). The
// tables hold GPU addresses into these.
#include "metal/translate_metal.h"

#include "failure.h"
#include "kernel/kernel_plan.h"
#include "translate_metal_source.h"

#include <ggml-backend.h>

#import <Foundation/Foundation.h>
#import <Metal/Metal.h>
#include <cstring>
#include <map>
#include <unistd.h>

namespace overfill {

namespace {

[[noreturn]] void unavailable(const std::string & why) {
    throw failure(error_code::handover_unavailable, "Metal cannot translate the KV cache: " + why);
}

std::string text_of(NSError * error) { return error ? error.localizedDescription.UTF8String : "unknown error"; }

class metal_translate : public translate_implementation {
  public:
    explicit metal_translate(const translation & plan) {
        @autoreleasepool {
            device_ = MTLCreateSystemDefaultDevice();
            if (!device_) unavailable("no Metal device");
            if (![device_ supportsFamily:MTLGPUFamilyMetal3]) unavailable("the device does not support Metal 3");
            queue_ = [device_ newCommandQueue];
            if (!queue_) throw failure(error_code::out_of_memory, "no Metal command queue");
            for (const translate_step & step : plan.steps) {
                add_buffer(step.from.tensor);
                add_buffer(step.to.tensor);
            }
            plan_ = std::make_unique<kernel_plan>(plan.steps,
                                                  [this](const ggml_tensor * tensor) { return address_of(tensor); });
            make_pipeline();
            // A buffer must not be empty; without maps nothing reads this one.
            const std::vector<float> none(4, 0.0f);
            weights_ = upload(plan_->has_maps() ? plan_->weights() : none);
            angles_ = upload(none);
            plan_->release_weights();
        }
    }

    const char * name() const override { return "metal"; }

    void run(const translate_job & job) override {
        @autoreleasepool {
            plan_->prepare(job);
            if (plan_->n_groups() == 0) return;
            if (plan_->angles_version() != angles_version_) {
                angles_ = upload(plan_->angles());
                angles_version_ = plan_->angles_version();
            }
            id<MTLBuffer> steps = upload(plan_->steps()), moves = upload(plan_->moves());
            const uint32_t n_steps = (uint32_t) plan_->steps().size();

            id<MTLCommandBuffer> commands = [queue_ commandBuffer];
            id<MTLComputeCommandEncoder> encoder = [commands computeCommandEncoder];
            if (!encoder) throw failure(error_code::out_of_memory, "no Metal command encoder");
            [encoder setComputePipelineState:pipeline_];
            // The kernel reaches the caches by address: Metal must be told that they are in use.
            for (const auto & item : buffers_)
                [encoder useResource:item.second usage:MTLResourceUsageRead | MTLResourceUsageWrite];
            [encoder setBuffer:steps offset:0 atIndex:0];
            [encoder setBytes:&n_steps length:sizeof n_steps atIndex:1];
            [encoder setBuffer:moves offset:0 atIndex:2];
            [encoder setBuffer:angles_ offset:0 atIndex:3];
            [encoder setBuffer:weights_ offset:0 atIndex:4];
            [encoder setThreadgroupMemoryLength:(kernel_tile_words * sizeof(uint32_t) + 15) / 16 * 16 atIndex:0];
            [encoder dispatchThreadgroups:MTLSizeMake(plan_->n_groups(), 1, 1)
                    threadsPerThreadgroup:MTLSizeMake(kernel_lanes, 1, 1)];
            [encoder endEncoding];
            [commands commit];
            [commands waitUntilCompleted];
            if (commands.status == MTLCommandBufferStatusCompleted) return;
            const bool memory = commands.error && commands.error.code == MTLCommandBufferErrorOutOfMemory;
            throw failure(memory ? error_code::out_of_memory : error_code::inference_failed,
                          "the Metal device failed: " + text_of(commands.error));
        }
    }

  private:
    // One view over each of ggml's buffers.
    void add_buffer(const ggml_tensor * tensor) {
        if (!tensor->buffer) unavailable("a cache is in host memory");
        if (buffers_.count(tensor->buffer)) return;
        const ggml_backend_buffer_type_t type = ggml_backend_buffer_get_type(tensor->buffer);
        const ggml_backend_dev_t device = ggml_backend_buft_get_device(type);
        const ggml_backend_reg_t registry = device ? ggml_backend_dev_backend_reg(device) : nullptr;
        const std::string name = ggml_backend_buft_name(type);
        // Private buffers have no address in this process, mapped ones hold models.
        if (!registry || std::strcmp(ggml_backend_reg_name(registry), "MTL") != 0 ||
            name.find('_') != std::string::npos)
            unavailable("a cache is in " + name);
        const size_t page = (size_t) sysconf(_SC_PAGESIZE);
        const uintptr_t base = (uintptr_t) ggml_backend_buffer_get_base(tensor->buffer);
        const size_t n_bytes = (ggml_backend_buffer_get_size(tensor->buffer) + page - 1) / page * page;
        if (base % page != 0) unavailable("a cache does not begin on a page boundary");
        if (n_bytes > device_.maxBufferLength) unavailable("a cache is larger than one Metal buffer");
        id<MTLBuffer> view = [device_ newBufferWithBytesNoCopy:(void *) base
                                                        length:n_bytes
                                                       options:MTLResourceStorageModeShared
                                                   deallocator:nil];
        if (!view) throw failure(error_code::out_of_memory, "no Metal buffer over a cache");
        buffers_[tensor->buffer] = view;
    }

    uint8_t * address_of(const ggml_tensor * tensor) const {
        const uintptr_t base = (uintptr_t) ggml_backend_buffer_get_base(tensor->buffer);
        return (uint8_t *) (buffers_.at(tensor->buffer).gpuAddress + ((uintptr_t) tensor->data - base));
    }

    void make_pipeline() {
        NSError * error = nil;
        MTLCompileOptions * options = [MTLCompileOptions new];
        options.languageVersion = MTLLanguageVersion3_0;
        // Quantisation must round as everywhere else.
        options.fastMathEnabled = NO;
        id<MTLLibrary> library = [device_ newLibraryWithSource:@(translate_metal_source) options:options error:&error];
        if (!library) unavailable("the kernel does not compile: " + text_of(error));
        id<MTLFunction> function =
            [library newFunctionWithName:plan_->has_maps() ? @"overfill_translate_maps" : @"overfill_translate"];
        if (!function) unavailable("the kernel's entry point is missing");
        pipeline_ = [device_ newComputePipelineStateWithFunction:function error:&error];
        if (!pipeline_) unavailable("no pipeline for the kernel: " + text_of(error));
        if (pipeline_.maxTotalThreadsPerThreadgroup < kernel_lanes)
            unavailable("the device runs too few threads per group");
    }

    template <class T> id<MTLBuffer> upload(const std::vector<T> & data) {
        id<MTLBuffer> buffer = [device_ newBufferWithBytes:data.data()
                                                    length:data.size() * sizeof(T)
                                                   options:MTLResourceStorageModeShared];
        if (!buffer) throw failure(error_code::out_of_memory, "the Metal device is out of memory");
        return buffer;
    }

    id<MTLDevice> device_;
    id<MTLCommandQueue> queue_;
    id<MTLComputePipelineState> pipeline_;
    std::map<ggml_backend_buffer_t, id<MTLBuffer>> buffers_;
    id<MTLBuffer> weights_, angles_;
    uint64_t angles_version_ = 0;
    std::unique_ptr<kernel_plan> plan_;
};

}  // namespace

std::unique_ptr<translate_implementation> make_metal_translate(const translation & plan) {
    return std::make_unique<metal_translate>(plan);
}

}  // namespace overfill
