#include "model_export.h"

#include "failure.h"
#include "file_reader.h"
#include "gguf_metadata.h"
#include "model_writer.h"
#include "quantization.h"

#include <ggml-cpp.h>

#include <algorithm>

namespace overfill {

namespace {

[[noreturn]] void refuse_type(const std::string & why) {
    throw failure(error_code::invalid_argument, "options.type: " + why, { { "parameter", "options.type" } });
}

// One tensor of the old file, and what becomes of it.
struct exported_tensor {
    std::string name;
    ggml_type type;
    const int64_t * ne;
    int64_t n_rows() const { return ne[1] * ne[2] * ne[3]; }
    uint64_t offset, n_bytes;              // of its old data
    const ggml_tensor * values = nullptr;  // null: the old bytes stay
};

class exporting {
  public:
    exporting(const std::string & from, const parameter_set & parameters, const std::string & type,
              const std::atomic<bool> & stop)
        : from_(from), old_(from), reader_(from), parameters_(parameters), stop_(stop), type_(type) {
        if (old_.number("split.count").value_or(1) > 1)
            throw failure(error_code::model_unsupported,
                          from + " is split into several files, which cannot be written anew; merge them first",
                          { { "path", from } });
        for (int64_t i = 0; i < gguf_get_n_tensors(old_.get()); i++) tensors_.push_back(plan(i));
    }

    std::unique_ptr<atomic_file> write(const std::vector<std::pair<std::string, std::string>> & notes,
                                       const std::string & out_path) {
        model_writer out(head(notes).get(), out_path);
        for (const exported_tensor & tensor : tensors_) {
            if (tensor.values)
                write_values(tensor, out);
            else
                copy_bytes(tensor, out);
            out.end_tensor();
        }
        check_stop();
        return out.release();
    }

  private:
    exported_tensor plan(int64_t i) const {
        const gguf_context * gguf = old_.get();
        exported_tensor out;
        out.name = gguf_get_tensor_name(gguf, i);
        out.type = gguf_get_tensor_type(gguf, i);
        out.ne = gguf_get_tensor_ne(gguf, i);
        out.offset = gguf_get_data_offset(gguf) + gguf_get_tensor_offset(gguf, i);
        out.n_bytes = gguf_get_tensor_size(gguf, i);
        const ggml_type old_type = out.type;
        if (type_ != "same" && out.n_rows() > 1) out.type = named_type();
        const ggml_tensor * values = parameters_.find(out.name);
        const auto & trained = parameters_.changed();
        if (out.type == old_type && std::find(trained.begin(), trained.end(), values) == trained.end()) return out;

        if (!values || !std::equal(values->ne, values->ne + GGML_MAX_DIMS, out.ne))
            throw failure(error_code::internal, "the parameters are not those of " + from_);
        if (out.ne[0] % ggml_blck_size(out.type) != 0)
            refuse_type("rows of " + std::to_string(out.ne[0]) + " values (" + out.name + ") cannot be stored as " +
                        ggml_type_name(out.type) + ", only multiples of " + std::to_string(ggml_blck_size(out.type)));
        if (ggml_quantize_requires_imatrix(out.type))
            refuse_type(out.name + " is stored as " + ggml_type_name(out.type) +
                        ", which cannot be made again without an importance matrix; give another type");
        out.values = values;
        return out;
    }

    ggml_type named_type() const {
        if (type_ == "f32") return GGML_TYPE_F32;
        if (type_ == "f16") return GGML_TYPE_F16;
        if (type_ == "bf16") return GGML_TYPE_BF16;
        if (type_ == "q8_0") return GGML_TYPE_Q8_0;
        refuse_type("expected f32, f16, bf16, q8_0 or same, got " + type_);
    }

    gguf_context_ptr head(const std::vector<std::pair<std::string, std::string>> & notes) const {
        gguf_context_ptr gguf(gguf_init_empty());
        gguf_set_kv(gguf.get(), old_.get());
        gguf_remove_key(gguf.get(), "general.alignment");  // the new file has the default one
        if (type_ != "same") gguf_set_val_u32(gguf.get(), "general.file_type", (uint32_t) *find_file_type(type_));
        const auto quantized = [](const exported_tensor & tensor) { return ggml_is_quantized(tensor.type); };
        if (std::any_of(tensors_.begin(), tensors_.end(), quantized))
            gguf_set_val_u32(gguf.get(), "general.quantization_version", GGML_QNT_VERSION);
        for (const auto & [key, text] : notes) {
            if (text.empty())
                gguf_remove_key(gguf.get(), key.c_str());
            else
                gguf_set_val_str(gguf.get(), key.c_str(), text.c_str());
        }
        for (const exported_tensor & tensor : tensors_)
            add_tensor_info(gguf.get(), tensor.name, tensor.type, tensor.ne);
        return gguf;
    }

    void write_values(const exported_tensor & tensor, model_writer & out) {
        const int64_t n_per_row = tensor.ne[0], step = rows_at_once(n_per_row);
        for (int64_t row = 0; row < tensor.n_rows(); row += step) {
            check_stop();
            const int64_t n_rows = std::min(step, tensor.n_rows() - row);
            values_.resize((size_t) (n_rows * n_per_row));
            ggml_backend_tensor_get(tensor.values, values_.data(), (size_t) (row * n_per_row) * sizeof(float),
                                    values_.size() * sizeof(float));
            if (!out.add_values(values_.data(), n_rows, n_per_row, tensor.type))
                refuse_type(tensor.name + " has a value that " + ggml_type_name(tensor.type) + " cannot hold");
        }
    }

    void copy_bytes(const exported_tensor & tensor, model_writer & out) {
        constexpr uint64_t step = 4 << 20;
        for (uint64_t done = 0; done < tensor.n_bytes; done += step) {
            check_stop();
            bytes_.resize((size_t) std::min(step, tensor.n_bytes - done));
            reader_.read(tensor.offset + done, bytes_.data(), bytes_.size());
            out.add_bytes(bytes_.data(), bytes_.size());
        }
    }

    void check_stop() const {
        if (stop_) throw failure(error_code::aborted, "aborted");
    }

    const std::string & from_;
    const gguf_metadata old_;
    const file_reader reader_;
    const parameter_set & parameters_;
    const std::atomic<bool> & stop_;
    const std::string & type_;
    std::vector<exported_tensor> tensors_;
    std::vector<float> values_;   // reused
    std::vector<uint8_t> bytes_;  // reused
};

}  // namespace

std::unique_ptr<atomic_file> prepare_export(const std::string & from, const parameter_set & parameters,
                                            const std::string & type,
                                            const std::vector<std::pair<std::string, std::string>> & notes,
                                            const std::string & out_path, const std::atomic<bool> & stop) {
    return exporting(from, parameters, type, stop).write(notes, out_path);
}

uint64_t export_model(const std::string & from, const parameter_set & parameters, const std::string & type,
                      const std::vector<std::pair<std::string, std::string>> & notes, const std::string & out_path,
                      const std::atomic<bool> & stop) {
    const auto file = prepare_export(from, parameters, type, notes, out_path, stop);
    file->commit();
    return file->n_bytes();
}

void check_export(const std::string & from, const parameter_set & parameters, const std::string & type) {
    const std::atomic<bool> never{ false };
    exporting(from, parameters, type, never);
}

}  // namespace overfill
