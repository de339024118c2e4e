#include "loaded_module.h"

#include <string>

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace overfill {

#ifdef _WIN32

bool keep_loaded(const void * address) {
    HMODULE module = nullptr;
    return GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN, (LPCSTR) address,
                              &module) != 0;
}

static std::wstring path_of(const void * address) {
    HMODULE module = nullptr;
    const DWORD flags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
    if (!GetModuleHandleExW(flags, (LPCWSTR) address, &module)) return {};
    std::wstring path(32768, L'\0');
    path.resize(GetModuleFileNameW(module, path.data(), (DWORD) path.size()));
    return path;
}

void * find_in_module(const void * address, const char * name) {
    HMODULE module = nullptr;
    const DWORD flags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
    if (!GetModuleHandleExW(flags, (LPCWSTR) address, &module)) return nullptr;
    return reinterpret_cast<void *>(GetProcAddress(module, name));
}

#else

bool keep_loaded(const void * address) {
    Dl_info info;
    if (!dladdr(address, &info) || !info.dli_fname) return false;
    // The library is there already; this only marks it as one that is not to be unmapped.
    return dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE) != nullptr;
}

static std::string path_of(const void * address) {
    Dl_info info;
    return dladdr(address, &info) && info.dli_fname ? info.dli_fname : "";
}

void * find_in_module(const void * address, const char * name) {
    Dl_info info;
    if (!dladdr(address, &info) || !info.dli_fname) return nullptr;
    void * module = dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD);
    if (!module) return nullptr;
    void * found = dlsym(module, name);
    dlclose(module);
    return found;
}

#endif

bool same_file_name(const void * a, const void * b) {
    const auto name = [](const void * address) {
        auto path = path_of(address);
        for (size_t i = path.size(); i-- > 0;)
            if (path[i] == '/' || path[i] == '\\') return path.substr(i + 1);
        return path;
    };
    return name(a) == name(b);
}

}  // namespace overfill
