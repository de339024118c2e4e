// The named fields of an options object. The facade has checked their types and ranges; what is missing or of another
// type all the same throws a JavaScript error, and a number outside the range of an integer type becomes its nearest
// value.
#pragma once

#include "options.h"

#include <napi.h>

#include <cstdint>
#include <string>
#include <vector>

namespace overfill {

class fields {
  public:
    explicit fields(const Napi::Value & object) : object_(object.As<Napi::Object>()) {}

    bool has(const char * name) const { return !object_.Get(name).IsUndefined(); }
    Napi::Value value(const char * name) const { return object_.Get(name); }
    fields object(const char * name) const { return fields(value(name)); }

    std::string text(const char * name) const;
    bool flag(const char * name) const;
    double number(const char * name) const;
    float real(const char * name) const { return (float) number(name); }
    int32_t integer(const char * name) const;
    uint32_t size(const char * name) const;
    uint64_t count(const char * name) const;

    std::vector<std::string> texts(const char * name) const;
    std::vector<fields> objects(const char * name) const;
    // Of a plain array or of an Int32Array.
    std::vector<int32_t> integers(const char * name) const;
    std::vector<float> reals(const char * name) const;
    // { path, gpuLayers, mmap, kernels, remote?, split? }; an empty one where the field is undefined.
    model_options model(const char * name) const;
    std::vector<adapter_options> adapters(const char * model) const;

  private:
    Napi::Object object_;
};

}  // namespace overfill
