#include "row_conversion.h"

#include "failure.h"

#include <ggml-backend.h>
#include <ggml-cpu.h>

#include <cstring>
#include <string>

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace overfill {

namespace {

// The CPU back end is a library that ggml chose for this processor and loaded by itself. Its registry hands out the
// addresses of a few functions only; any of them tells which library it is, and that has the rest by name.
#ifdef OVERFILL_LLAMA_SOURCE
const ggml_type_traits_cpu * cpu_traits(ggml_type type) { return ggml_get_type_traits_cpu(type); }
decltype(&ggml_cpu_fp16_to_fp32) half_to_float() { return ggml_cpu_fp16_to_fp32; }
#else
void * cpu_symbol(const char * name) {
    ggml_backend_dev_t device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    ggml_backend_reg_t registry = device ? ggml_backend_dev_backend_reg(device) : nullptr;
    void * inside = registry ? ggml_backend_reg_get_proc_address(registry, "ggml_threadpool_new") : nullptr;
    if (!inside) return nullptr;
#ifdef _WIN32
    HMODULE library = nullptr;
    const DWORD flags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
    if (!GetModuleHandleExA(flags, (LPCSTR) inside, &library)) return nullptr;
    return (void *) GetProcAddress(library, name);
#else
    Dl_info info;
    if (!dladdr(inside, &info) || !info.dli_fname) return nullptr;
    void * library = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    if (!library) return nullptr;
    void * symbol = dlsym(library, name);
    dlclose(library);  // gives back this look's reference; the library stays as long as ggml has it
    return symbol;
#endif
}

const ggml_type_traits_cpu * cpu_traits(ggml_type type) {
    static const auto get = (decltype(&ggml_get_type_traits_cpu)) cpu_symbol("ggml_get_type_traits_cpu");
    return get ? get(type) : nullptr;
}

decltype(&ggml_cpu_fp16_to_fp32) half_to_float() {
    static const auto convert = (decltype(&ggml_cpu_fp16_to_fp32)) cpu_symbol("ggml_cpu_fp16_to_fp32");
    return convert;
}
#endif

void copy_from(const void * from, float * to, int64_t n) { std::memcpy(to, from, (size_t) n * sizeof(float)); }
void copy_to(const float * from, void * to, int64_t n) { std::memcpy(to, from, (size_t) n * sizeof(float)); }

}  // namespace

row_conversion conversion_of(ggml_type type) {
    if (type == GGML_TYPE_F32) return { copy_from, copy_to };
    const ggml_type_traits * base = ggml_get_type_traits(type);
    const ggml_type_traits_cpu * cpu = cpu_traits(type);
    row_conversion out{ base->to_float, cpu && cpu->from_float ? cpu->from_float : base->from_float_ref };
    if (type == GGML_TYPE_F16 && half_to_float())
        out.to_float = (void (*)(const void *, float *, int64_t)) half_to_float();
    if (!out.to_float || !out.from_float)
        throw failure(error_code::handover_unavailable,
                      std::string("ggml has no row conversion for ") + ggml_type_name(type));
    return out;
}

}  // namespace overfill
