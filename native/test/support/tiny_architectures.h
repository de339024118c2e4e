// Tiny random models of other architectures than llama: a tiny llama's file with tensors renamed, left out, joined and
// added, as the loaders of llama.cpp's src/models want them.
#pragma once

#include "temp_folder.h"
#include "tiny_model.h"

#include <ggml-cpp.h>
#include <gguf.h>

#include <cstring>
#include <functional>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace overfill::test {

class tiny_variant {
  public:
    explicit tiny_variant(const tiny_model & shape) : shape_(shape), random_(shape.seed + 1000), path_(shape) {
        ggml_context * tensors = nullptr;
        gguf_.reset(gguf_init_from_file(path_.str().c_str(), { /*no_alloc*/ false, &tensors }));
        read_.reset(tensors);
        added_.reset(ggml_init({ (size_t) 16 << 20, nullptr, false }));
        for (int64_t i = 0; i < gguf_get_n_tensors(gguf_.get()); i++)
            tensors_.push_back(ggml_get_tensor(tensors, gguf_get_tensor_name(gguf_.get(), i)));
    }

    // In every layer: `part` is what stands between "blk.N." and ".weight".
    void drop(const std::string & part) {
        each_layer([&](const std::string & block) { remove(block + part + ".weight"); });
    }
    void rename(const std::string & part, const std::string & to) {
        each_layer(
            [&](const std::string & block) { ggml_set_name(find(block + part + ".weight"), name(block, to).c_str()); });
    }
    // A random vector, with its full name behind the block's: "attn_q.bias".
    void add(const std::string & tensor, uint32_t n, float center) {
        each_layer([&](const std::string & block) {
            ggml_tensor * added = make(block + tensor, n, 1);
            std::normal_distribution<float> normal(center, 0.1f);
            for (uint32_t i = 0; i < n; i++) static_cast<float *>(added->data)[i] = normal(random_);
        });
    }
    // Matrices one below the other, in place of them.
    void join(const std::vector<std::string> & parts, const std::string & to) {
        each_layer([&](const std::string & block) {
            std::vector<float> values;
            int64_t n_in = 0;
            for (const std::string & part : parts) {
                const ggml_tensor * tensor = find(name(block, part));
                n_in = tensor->ne[0];
                const auto * data = static_cast<const float *>(tensor->data);
                values.insert(values.end(), data, data + ggml_nelements(tensor));
                remove(name(block, part));
            }
            ggml_tensor * joined = make(name(block, to), n_in, (int64_t) values.size() / n_in);
            std::memcpy(joined->data, values.data(), values.size() * sizeof(float));
        });
    }
    void remove(const std::string & tensor) {
        for (size_t i = 0; i < tensors_.size(); i++)
            if (tensors_[i]->name == tensor) tensors_.erase(tensors_.begin() + (long) i--);
    }
    float * values(const std::string & tensor) { return static_cast<float *>(find(tensor)->data); }

    // Writes the model under the architecture's name and returns the path; the file goes with this object.
    std::string write(const std::string & architecture,
                      const std::vector<std::pair<std::string, uint32_t>> & more = {}) const {
        const gguf_context_ptr out(gguf_init_empty());
        gguf_set_kv(out.get(), gguf_.get());
        const std::string old = "llama.";
        for (int64_t id = 0; id < gguf_get_n_kv(gguf_.get()); id++) {
            const std::string key = gguf_get_key(gguf_.get(), id);
            if (key.compare(0, old.size(), old) != 0) continue;
            const std::string to = architecture + "." + key.substr(old.size());
            if (gguf_get_kv_type(gguf_.get(), id) == GGUF_TYPE_UINT32)
                gguf_set_val_u32(out.get(), to.c_str(), gguf_get_val_u32(gguf_.get(), id));
            else
                gguf_set_val_f32(out.get(), to.c_str(), gguf_get_val_f32(gguf_.get(), id));
        }
        for (const auto & [key, value] : more) gguf_set_val_u32(out.get(), (architecture + "." + key).c_str(), value);
        gguf_set_val_str(out.get(), "general.architecture", architecture.c_str());
        for (const ggml_tensor * tensor : tensors_) gguf_add_tensor(out.get(), tensor);
        const std::string path = folder_.file((architecture + ".gguf").c_str());
        gguf_write_to_file(out.get(), path.c_str(), false);
        return path;
    }

    const tiny_model & shape() const { return shape_; }

  private:
    static std::string name(const std::string & block, const std::string & part) { return block + part + ".weight"; }

    void each_layer(const std::function<void(const std::string & block)> & use) {
        for (uint32_t layer = 0; layer < shape_.n_layer; layer++) use("blk." + std::to_string(layer) + ".");
    }
    ggml_tensor * find(const std::string & name) {
        for (ggml_tensor * tensor : tensors_)
            if (tensor->name == name) return tensor;
        throw std::runtime_error("no tensor " + name);
    }
    ggml_tensor * make(const std::string & name, int64_t n_in, int64_t n_out) {
        ggml_tensor * tensor = n_out == 1 ? ggml_new_tensor_1d(added_.get(), GGML_TYPE_F32, n_in)
                                          : ggml_new_tensor_2d(added_.get(), GGML_TYPE_F32, n_in, n_out);
        ggml_set_name(tensor, name.c_str());
        tensors_.push_back(tensor);
        return tensor;
    }

    tiny_model shape_;
    std::mt19937 random_;
    model_path path_;
    temp_folder folder_;
    gguf_context_ptr gguf_;
    ggml_context_ptr read_, added_;
    std::vector<ggml_tensor *> tensors_;
};

}  // namespace overfill::test
