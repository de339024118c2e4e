#include "fields.h"

#include "failure.h"

#include <cmath>
#include <limits>

namespace overfill {

// NaN becomes zero.
template <class Integer> static Integer nearest(double value) {
    constexpr double lowest = (double) std::numeric_limits<Integer>::min();
    constexpr double highest = (double) std::numeric_limits<Integer>::max();
    if (std::isnan(value)) return 0;
    if (value <= lowest) return std::numeric_limits<Integer>::min();
    if (value >= highest) return std::numeric_limits<Integer>::max();
    return (Integer) value;
}

template <class Wanted>
static Wanted checked(const Napi::Value & value, bool fits, const char * name, const char * kind) {
    if (!fits)
        throw failure(error_code::invalid_argument, std::string("the native option ") + name + " is not " + kind,
                      { { "parameter", name } });
    return value.As<Wanted>();
}

std::string fields::text(const char * name) const {
    const Napi::Value found = value(name);
    return checked<Napi::String>(found, found.IsString(), name, "a string").Utf8Value();
}

bool fields::flag(const char * name) const {
    const Napi::Value found = value(name);
    return checked<Napi::Boolean>(found, found.IsBoolean(), name, "a boolean").Value();
}

double fields::number(const char * name) const {
    const Napi::Value found = value(name);
    return checked<Napi::Number>(found, found.IsNumber(), name, "a number").DoubleValue();
}

int32_t fields::integer(const char * name) const { return nearest<int32_t>(number(name)); }
uint32_t fields::size(const char * name) const { return nearest<uint32_t>(number(name)); }
uint64_t fields::count(const char * name) const { return nearest<uint64_t>(number(name)); }

std::vector<std::string> fields::texts(const char * name) const {
    const Napi::Value found = value(name);
    const auto list = checked<Napi::Array>(found, found.IsArray(), name, "an array");
    std::vector<std::string> out;
    for (uint32_t i = 0; i < list.Length(); i++) {
        const Napi::Value item = list.Get(i);
        out.push_back(checked<Napi::String>(item, item.IsString(), name, "an array of strings").Utf8Value());
    }
    return out;
}

std::vector<fields> fields::objects(const char * name) const {
    const Napi::Value found = value(name);
    const auto list = checked<Napi::Array>(found, found.IsArray(), name, "an array");
    std::vector<fields> out;
    for (uint32_t i = 0; i < list.Length(); i++) {
        const Napi::Value item = list.Get(i);
        out.emplace_back(checked<Napi::Object>(item, item.IsObject(), name, "an array of objects"));
    }
    return out;
}

template <class List, class Item>
static std::vector<Item> copied(const Napi::Value & found, napi_typedarray_type type, const char * name,
                                const char * kind) {
    const bool fits = found.IsTypedArray() && found.As<Napi::TypedArray>().TypedArrayType() == type;
    const auto list = checked<List>(found, fits, name, kind);
    return { list.Data(), list.Data() + list.ElementLength() };
}

std::vector<int32_t> fields::integers(const char * name) const {
    const Napi::Value found = value(name);
    if (!found.IsArray()) return copied<Napi::Int32Array, int32_t>(found, napi_int32_array, name, "a list of integers");
    const auto list = found.As<Napi::Array>();
    std::vector<int32_t> out;
    for (uint32_t i = 0; i < list.Length(); i++) {
        const Napi::Value item = list.Get(i);
        out.push_back(
            nearest<int32_t>(checked<Napi::Number>(item, item.IsNumber(), name, "a list of integers").DoubleValue()));
    }
    return out;
}

std::vector<float> fields::reals(const char * name) const {
    return copied<Napi::Float32Array, float>(value(name), napi_float32_array, name, "a Float32Array");
}

model_options fields::model(const char * name) const {
    if (!has(name)) return {};
    const fields in = object(name);
    model_options out{ in.text("path"), in.integer("gpuLayers"), in.flag("mmap"), in.flag("kernels") };
    if (in.has("remote")) out.remote = in.texts("remote");
    if (in.has("split")) out.split = in.reals("split");
    return out;
}

std::vector<adapter_options> fields::adapters(const char * model) const {
    std::vector<adapter_options> out;
    if (!has(model)) return out;
    for (const fields & in : object(model).objects("adapters")) out.push_back({ in.text("path"), in.number("scale") });
    return out;
}

}  // namespace overfill
