#include "quantize.h"

#include "clock.h"
#include "failure.h"
#include "file_failure.h"
#include "gguf_writing.h"
#include "model_file.h"
#include "models.h"
#include "output_paths.h"
#include "output_target.h"
#include "quantize_plan.h"
#include "row_quantizer.h"
#include "split_parts.h"

#include <ggml-cpp.h>
#include <gguf.h>

#include <filesystem>
#include <memory>

namespace overfill {

namespace {

namespace fs = std::filesystem;

std::string file_name(const std::string & path) { return fs::u8path(path).filename().u8string(); }

class quantizing {
  public:
    quantizing(const quantize_options & options, const std::function<void(const quantize_progress &)> & on_progress,
               const std::atomic<bool> & stop)
        : options_(options), on_progress_(on_progress), stop_(stop), file_(check_model_file(options.model_path)),
          metadata_(options.model_path), model_(options.model_path, metadata_) {}

    quantize_result run() {
        const stopwatch watch;
        check_stop();
        read_importance();
        plan_ = plan_quantization(model_, options_, matrix_ ? &importance_ : nullptr, stop_);
        choose_parts();
        check_files();
        staged_files files(paths_);
        write(files);
        verify(files);
        check_stop();
        files.commit();
        return result(watch.milliseconds());
    }

  private:
    void check_stop() const {
        if (stop_) throw failure(error_code::aborted, "the quantisation was aborted");
    }

    void read_importance() {
        if (options_.importance_path.empty()) return;
        matrix_ = std::make_unique<importance_matrix>(read_importance_matrix(options_.importance_path));
        for (auto & [name, entry] : matrix_->entries) {
            importance_.emplace(name, mean_squares(entry));
            // In memory once. How many there were is told in the file.
            entry = {};
        }
    }

    void choose_parts() {
        std::vector<uint64_t> sizes;
        for (const quantized_tensor & tensor : plan_.tensors) {
            sizes.push_back(tensor.n_bytes());
            n_bytes_ += sizes.back();
        }
        parts_ = divide_into_parts(sizes, options_.max_part_bytes);
        paths_ = part_paths(options_.out_path, parts_.size());
        metadata_out_ = make_metadata();
        for (size_t i = 0; i < parts_.size(); i++) {
            heads_.push_back(make_head(i));
            n_file_bytes_ += heads_.back().size();
            for (const size_t tensor : parts_[i]) n_file_bytes_ += GGML_PAD(sizes[tensor], GGUF_DEFAULT_ALIGNMENT);
        }
    }

    void check_files() const {
        std::vector<std::string> taken = model_.paths();
        if (matrix_) taken.push_back(options_.importance_path);
        for (const std::string & path : paths_) check_output("out", path, taken);
        std::error_code error;
        const fs::path folder = find_output_file(paths_[0]).path.parent_path();
        const fs::space_info space = fs::space(folder, error);
        if (error || space.available == static_cast<uintmax_t>(-1) || space.available >= n_file_bytes_) return;
        throw write_failure(options_.out_path, "it needs " + std::to_string(n_file_bytes_) +
                                                   " bytes, and the disk has " + std::to_string(space.available));
    }

    // The model's own, and what llama-quantize adds to it in its order.
    gguf_context_ptr make_metadata() const {
        gguf_context_ptr gguf(gguf_init_empty());
        gguf_set_kv(gguf.get(), metadata_.get());
        // What is written is aligned by default, whatever the model was.
        gguf_remove_key(gguf.get(), "general.alignment");
        gguf_set_val_u32(gguf.get(), "general.quantization_version", GGML_QNT_VERSION);
        if (options_.type != "copy")
            gguf_set_val_u32(gguf.get(), "general.file_type", (uint32_t) plan_.file_type);
        else if (const auto type = metadata_.number("general.file_type"))
            gguf_set_val_u32(gguf.get(), "general.file_type", (uint32_t) *type);
        for (const char * key : { "split.no", "split.count", "split.tensors.count" }) gguf_remove_key(gguf.get(), key);
        if (!matrix_) return gguf;
        // Names, not paths: where a file was is nobody's business who gets the model.
        gguf_set_val_str(gguf.get(), "quantize.imatrix.file", file_name(options_.importance_path).c_str());
        if (!matrix_->texts.empty())
            gguf_set_val_str(gguf.get(), "quantize.imatrix.dataset", file_name(matrix_->texts[0]).c_str());
        gguf_set_val_u32(gguf.get(), "quantize.imatrix.entries_count", (uint32_t) matrix_->entries.size());
        if (matrix_->n_samples > 0)
            gguf_set_val_u32(gguf.get(), "quantize.imatrix.chunks_count", (uint32_t) matrix_->n_samples);
        return gguf;
    }

    // All that comes before the tensors' data. The first part has the model's metadata.
    std::vector<uint8_t> make_head(size_t part) const {
        const gguf_context_ptr gguf(gguf_init_empty());
        if (part == 0) gguf_set_kv(gguf.get(), metadata_out_.get());
        add_split_keys(gguf.get(), part, parts_.size(), plan_.tensors.size());
        for (const size_t i : parts_[part])
            add_tensor_info(gguf.get(), plan_.tensors[i].source->name, plan_.tensors[i].type,
                            plan_.tensors[i].source->ne);
        return head_of(gguf.get());
    }

    void write(staged_files & files) const {
        uint64_t n_done = 0;
        const auto on_written = [&](uint64_t n) {
            n_done += n;
            on_progress_({ quantize_stage::writing, (double) n_done / (double) n_file_bytes_, 0 });
        };
        row_quantizer rows(model_, files, options_.n_threads, on_written, stop_);
        for (size_t i = 0; i < parts_.size(); i++) {
            files.open(i, /*buffered*/ false);
            rows.add_bytes(heads_[i].data(), heads_[i].size());
            for (const size_t tensor : parts_[i]) {
                rows.add(plan_.tensors[tensor]);
                const uint64_t n = plan_.tensors[tensor].n_bytes(), n_padded = GGML_PAD(n, GGUF_DEFAULT_ALIGNMENT);
                if (n_padded > n) rows.add_zeros((size_t) (n_padded - n));
            }
            rows.flush();
            files.close();
        }
    }

    // llama.cpp takes it for a model before it gets its name.
    void verify(const staged_files & files) const {
        const auto go_on = [&](float) { return !stop_.load(); };
        const auto turn = wait_for_load_turn(go_on);
        try {
            load_model({ files.staged_path(0) }, load_depth::metadata, go_on);
        } catch (const failure & error) {
            if (error.code() != error_code::model_invalid && error.code() != error_code::model_unsupported) throw;
            throw failure(error_code::model_unsupported,
                          options_.model_path +
                              " cannot be quantised this way, because llama.cpp rejects the result: " + error.what(),
                          { { "path", options_.model_path } });
        }
    }

    quantize_result result(double milliseconds) const {
        quantize_result out;
        for (const quantized_tensor & tensor : plan_.tensors) {
            const stored_tensor & source = *tensor.source;
            out.tensors.push_back({ source.name,
                                    source.type,
                                    tensor.type,
                                    tensor.wished,
                                    { source.ne[0], source.ne[1], source.ne[2], source.ne[3] } });
        }
        out.type = options_.type;
        out.paths = paths_;
        out.n_params = model_.n_params();
        out.n_bytes_before = model_.n_bytes();
        out.n_bytes_after = n_bytes_;
        out.n_weighted = plan_.n_weighted;
        out.milliseconds = milliseconds;
        return out;
    }

    const quantize_options & options_;
    const std::function<void(const quantize_progress &)> & on_progress_;
    const std::atomic<bool> & stop_;
    model_file file_;
    gguf_metadata metadata_;
    stored_tensors model_;
    std::unique_ptr<importance_matrix> matrix_;
    tensor_importance importance_;
    quantize_plan plan_;
    gguf_context_ptr metadata_out_;
    std::vector<std::vector<size_t>> parts_;  // indices of tensors
    std::vector<std::string> paths_;
    std::vector<std::vector<uint8_t>> heads_;
    uint64_t n_bytes_ = 0, n_file_bytes_ = 0;
};

}  // namespace

quantize_result quantize(const quantize_options & options,
                         const std::function<void(const quantize_progress &)> & on_progress,
                         const std::atomic<bool> & stop) {
    return quantizing(options, on_progress, stop).run();
}

}  // namespace overfill
