#include "parameters.h"

#include "failure.h"
#include "gguf_metadata.h"
#include "random_state.h"

#include <algorithm>
#include <cmath>

namespace overfill {

static bool is_rope_table(const std::string & name) { return name.find("rope_") != std::string::npos; }

static void load_values(ggml_tensor * to, ggml_type type, const std::vector<uint8_t> & bytes) {
    if (type == to->type) return ggml_backend_tensor_set(to, bytes.data(), 0, bytes.size());
    std::vector<float> values((size_t) ggml_nelements(to));
    ggml_get_type_traits(type)->to_float(bytes.data(), values.data(), ggml_nelements(to));
    ggml_backend_tensor_set(to, values.data(), 0, values.size() * sizeof(float));
}

parameter_set::parameter_set(const std::string & path, const compute_device & device, const parameter_filter & trained,
                             const low_rank & lora, const std::vector<added_parameter> & added, frozen_weights frozen) {
    const gguf_metadata file(path);
    const int64_t n = gguf_get_n_tensors(file.get());
    ctx_ = make_tensor_context((size_t) (lora.rank > 0 ? 3 * n : n) + added.size());
    for (int64_t i = 0; i < n; i++) {
        const std::string name = gguf_get_tensor_name(file.get(), i);
        const ggml_type type = gguf_get_tensor_type(file.get(), i);
        if (type != GGML_TYPE_F32 && !ggml_get_type_traits(type)->to_float)
            throw failure(error_code::model_invalid,
                          path + ": tensor " + name + " has the type " + ggml_type_name(type) +
                              ", which is not a type for weights",
                          { { "path", path }, { "tensor", name } });
        const int64_t * ne = gguf_get_tensor_ne(file.get(), i);
        const bool is_trained = lora.rank == 0 && !is_rope_table(name) && (!trained || trained(name));
        const bool keeps_type = frozen == frozen_weights::as_stored && !is_trained && ne[1] > 1 && device.is_cpu();
        ggml_tensor * tensor = ggml_new_tensor(ctx_.get(), keeps_type ? type : GGML_TYPE_F32, GGML_MAX_DIMS, ne);
        ggml_set_name(tensor, name.c_str());
        all_.push_back(tensor);
        by_name_[name] = tensor;
        if (!is_trained) continue;
        ggml_set_param(tensor);
        trained_.push_back(tensor);
    }
    if (lora.rank > 0)
        add_factors(lora, trained);
    else
        changed_ = trained_;
    for (const added_parameter & one : added) {
        ggml_tensor * tensor = one.n_out > 0 ? ggml_new_tensor_2d(ctx_.get(), GGML_TYPE_F32, one.n_in, one.n_out)
                                             : ggml_new_tensor_1d(ctx_.get(), GGML_TYPE_F32, one.n_in);
        ggml_set_name(tensor, one.name.c_str());
        added_.push_back(tensor);
        if (one.trained) {
            ggml_set_param(tensor);
            trained_.push_back(tensor);
        }
        by_name_[one.name] = tensor;
    }
    buffer_ = device.allocate(ctx_.get());
    draw_factors(lora.seed);
    for (size_t i = 0; i < added.size(); i++)
        ggml_backend_tensor_set(added_[i], added[i].values->data(), 0, ggml_nbytes(added_[i]));
    for (int64_t i = 0; i < n; i++) {
        const std::vector<uint8_t> bytes = file.tensor_bytes(i);
        if (bytes.size() != gguf_get_tensor_size(file.get(), i))
            throw failure(error_code::file_read_failed,
                          path + ": tensor " + gguf_get_tensor_name(file.get(), i) + " could not be read",
                          { { "path", path } });
        load_values(all_[(size_t) i], gguf_get_tensor_type(file.get(), i), bytes);
    }
}

// --- low-rank factors ---

void parameter_set::add_factors(const low_rank & lora, const parameter_filter & trained) {
    for (ggml_tensor * weight : all_) {
        const std::string name = weight->name;
        if (name.rfind("blk.", 0) != 0 || weight->ne[1] == 1) continue;
        if ((lora.targets && !lora.targets(name)) || (trained && !trained(name))) continue;
        const auto add = [&](const char * ending, int64_t n_in, int64_t n_out) {
            ggml_tensor * factor = ggml_new_tensor_2d(ctx_.get(), GGML_TYPE_F32, n_in, n_out);
            ggml_set_name(factor, (name + ending).c_str());
            ggml_set_param(factor);
            trained_.push_back(factor);
            by_name_[factor->name] = factor;
            return factor;
        };
        ggml_tensor * a = add(".lora_a", weight->ne[0], lora.rank);
        factors_[weight] = { a, add(".lora_b", lora.rank, weight->ne[1]), lora.factor };
        changed_.push_back(weight);
    }
    if (changed_.empty())
        throw failure(error_code::invalid_argument, "options.lora.targets: they match no matrix of the model",
                      { { "parameter", "options.lora.targets" } });
}

void parameter_set::draw_factors(uint64_t seed) {
    random_state random{ seed };
    for (const ggml_tensor * weight : changed_) {
        const factors found = factors_of(weight);
        if (!found.a) continue;
        // Evenly, with the deviation 1 / sqrt(inputs) that weights are drawn with.
        std::vector<float> values((size_t) ggml_nelements(found.a));
        const double width = std::sqrt(12.0 / (double) found.a->ne[0]);
        for (float & value : values) value = (float) (width * (random.uniform() - 0.5));
        ggml_backend_tensor_set(found.a, values.data(), 0, values.size() * sizeof(float));
        ggml_backend_tensor_memset(found.b, 0, 0, ggml_nbytes(found.b));
    }
}

parameter_set::factors parameter_set::factors_of(const ggml_tensor * weight) const {
    const auto found = factors_.find(weight);
    return found == factors_.end() ? factors{} : found->second;
}

void parameter_set::merge_factors() {
    for (ggml_tensor * weight : changed_) {
        const factors found = factors_of(weight);
        if (!found.a) continue;
        const auto values = [](const ggml_tensor * tensor) {
            std::vector<float> out((size_t) ggml_nelements(tensor));
            ggml_backend_tensor_get(tensor, out.data(), 0, out.size() * sizeof(float));
            return out;
        };
        std::vector<float> w = values(weight);
        const std::vector<float> a = values(found.a), b = values(found.b);
        const size_t n_in = (size_t) weight->ne[0], rank = (size_t) found.a->ne[1];
        std::vector<double> row(n_in);
        for (size_t out = 0; out < (size_t) weight->ne[1]; out++) {
            std::fill(row.begin(), row.end(), 0.0);
            for (size_t r = 0; r < rank; r++)
                for (size_t i = 0; i < n_in; i++) row[i] += (double) b[out * rank + r] * a[r * n_in + i];
            for (size_t i = 0; i < n_in; i++) w[out * n_in + i] += (float) (found.factor * row[i]);
        }
        ggml_backend_tensor_set(weight, w.data(), 0, w.size() * sizeof(float));
        ggml_backend_tensor_memset(found.b, 0, 0, ggml_nbytes(found.b));
    }
}

// --- all of them ---

ggml_tensor * parameter_set::find(const std::string & name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
}

uint64_t parameter_set::n_trained() const {
    uint64_t n = 0;
    for (const ggml_tensor * tensor : trained_) n += (uint64_t) ggml_nelements(tensor);
    return n;
}

parameter_sums::parameter_sums(const parameter_list & trained, const compute_device & device) {
    ctx_ = make_tensor_context(trained.size());
    for (const ggml_tensor * parameter : trained) {
        ggml_tensor * sum = ggml_dup_tensor(ctx_.get(), parameter);
        ggml_set_name(sum, parameter->name);
        all_.push_back(sum);
        of_[parameter] = sum;
    }
    if (all_.empty()) return;
    buffer_ = device.allocate(ctx_.get());
    clear();
}

ggml_tensor * parameter_sums::of(const ggml_tensor * parameter) const {
    const auto found = of_.find(parameter);
    return found == of_.end() ? nullptr : found->second;
}

void parameter_sums::clear() {
    if (buffer_) ggml_backend_buffer_clear(buffer_.get(), 0);
}

// Calls back with a tensor's values: in place where the host can see them, else in a copy.
template <class F> static void with_values(ggml_tensor * tensor, bool write_back, std::vector<float> & copy, F && f) {
    const size_t n = (size_t) ggml_nelements(tensor);
    if (ggml_backend_buffer_is_host(tensor->buffer)) return f(static_cast<float *>(tensor->data), n);
    copy.resize(n);
    ggml_backend_tensor_get(tensor, copy.data(), 0, n * sizeof(float));
    f(copy.data(), n);
    if (write_back) ggml_backend_tensor_set(tensor, copy.data(), 0, n * sizeof(float));
}

double parameter_sums::norm() const {
    std::vector<float> copy;
    double sum = 0;
    for (ggml_tensor * tensor : all_)
        with_values(tensor, false, copy, [&](const float * values, size_t n) {
            // Four sums, so that an addition need not wait for the one before it.
            double parts[4] = {};
            size_t i = 0;
            for (; i + 4 <= n; i += 4)
                for (size_t j = 0; j < 4; j++) parts[j] += (double) values[i + j] * values[i + j];
            for (; i < n; i++) parts[0] += (double) values[i] * values[i];
            sum += (parts[0] + parts[1]) + (parts[2] + parts[3]);
        });
    return std::sqrt(sum);
}

void parameter_sums::multiply(float factor) {
    std::vector<float> copy;
    for (ggml_tensor * tensor : all_)
        with_values(tensor, true, copy, [&](float * values, size_t n) {
            for (size_t i = 0; i < n; i++) values[i] *= factor;
        });
}

}  // namespace overfill
