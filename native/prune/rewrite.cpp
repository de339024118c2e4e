#include "rewrite.h"

#include "block_writer.h"
#include "clock.h"
#include "cut_layout.h"
#include "failure.h"
#include "gguf_writing.h"
#include "model_file.h"
#include "model_traits.h"
#include "models.h"
#include "output_paths.h"
#include "output_types.h"
#include "pruned_metadata.h"
#include "split_parts.h"
#include "staged_files.h"
#include "verify_layers.h"

#include <ggml-cpp.h>
#include <gguf.h>

namespace overfill {

namespace {

uint64_t padded(uint64_t n) {
    return (n + GGUF_DEFAULT_ALIGNMENT - 1) / GGUF_DEFAULT_ALIGNMENT * GGUF_DEFAULT_ALIGNMENT;
}

rewrite_plan plan_of(const cut_layout & layout) {
    rewrite_plan plan;
    plan.architecture = layout.target->name;
    for (const tensor_cut & tensor : layout.tensors) {
        plan.tensors.push_back({ tensor.name, tensor.type, { tensor.ne[0], tensor.ne[1], 1, 1 }, tensor.n_bytes() });
        plan.n_params += (uint64_t) (tensor.ne[0] * tensor.ne[1]);
        plan.n_bytes += tensor.n_bytes();
    }
    return plan;
}

std::vector<std::vector<size_t>> split(const cut_layout & layout, uint64_t max_bytes) {
    std::vector<uint64_t> sizes;
    for (const tensor_cut & tensor : layout.tensors) sizes.push_back(tensor.n_bytes());
    return divide_into_parts(sizes, max_bytes);
}

void refuse_parent_as_output(const parent_model & parent, const std::vector<std::string> & paths) {
    for (const std::string & path : paths)
        for (const std::string & part : parent.paths())
            if (same_file(path, part))
                throw failure(error_code::invalid_argument, "the model would overwrite its parent, " + part,
                              { { "parameter", "options.out" }, { "path", path } });
}

model_traits traits_of_file(const std::string & path, const std::atomic<bool> & stop) {
    const auto go_on = [&](float) { return !stop.load(); };
    const auto turn = wait_for_load_turn(go_on);
    const model_ptr model = load_model({ path, 0 }, load_depth::metadata, go_on);
    return traits_of(model.get());
}

class writing {
  public:
    writing(const parent_model & parent, const cut_layout & layout, const std::vector<std::vector<size_t>> & parts,
            staged_files & files, const rewrite_options & options,
            const std::function<void(uint64_t, uint64_t)> & on_progress, const std::atomic<bool> & stop)
        : layout_(layout), parts_(parts), files_(files), blocks_(
                                                             parent, files, options.n_threads,
                                                             [this, &on_progress](uint64_t n) {
                                                                 done_ += n;
                                                                 if (n > 0 && on_progress) on_progress(done_, total_);
                                                             },
                                                             stop) {}

    // Returns the size of all files.
    uint64_t write(const gguf_context * metadata) {
        std::vector<std::vector<uint8_t>> heads;
        for (size_t i = 0; i < parts_.size(); i++) {
            heads.push_back(head(metadata, i));
            total_ += heads.back().size();
            for (const size_t tensor : parts_[i]) total_ += padded(layout_.tensors[tensor].n_bytes());
        }
        for (size_t i = 0; i < parts_.size(); i++) {
            files_.open(i, /*buffered*/ false);
            blocks_.add_bytes(heads[i].data(), heads[i].size());
            for (const size_t tensor : parts_[i]) {
                const uint64_t n = layout_.tensors[tensor].n_bytes();
                blocks_.add(layout_.tensors[tensor]);
                if (padded(n) > n) blocks_.add_zeros((size_t) (padded(n) - n));
            }
            blocks_.flush();
            files_.close();
        }
        return total_;
    }

  private:
    // All that comes before the tensors' data. The first part has the model's metadata.
    std::vector<uint8_t> head(const gguf_context * metadata, size_t part) const {
        const gguf_context_ptr gguf(gguf_init_empty());
        if (part == 0) gguf_set_kv(gguf.get(), metadata);
        add_split_keys(gguf.get(), part, parts_.size(), layout_.tensors.size());
        for (const size_t i : parts_[part]) {
            const tensor_cut & tensor = layout_.tensors[i];
            const int64_t ne[GGML_MAX_DIMS] = { tensor.ne[0], tensor.ne[1], 1, 1 };
            add_tensor_info(gguf.get(), tensor.name, tensor.type, ne);
        }
        return head_of(gguf.get());
    }

    const cut_layout & layout_;
    const std::vector<std::vector<size_t>> & parts_;
    staged_files & files_;
    uint64_t done_ = 0, total_ = 0;
    block_writer blocks_;
};

// The file is loaded under its temporary name, and must be the parent's kept layers to llama.cpp.
void verify(const staged_files & files, const parent_model & parent, const model_traits & before,
            const kept_parts & kept, const kept_counts & counts, const std::atomic<bool> & stop) {
    const error_details details = { { "path", parent.path() }, { "architecture", parent.arch().name } };
    model_traits after;
    try {
        after = traits_of_file(files.staged_path(0), stop);
    } catch (const failure & error) {
        if (error.code() != error_code::model_invalid && error.code() != error_code::model_unsupported) throw;
        throw failure(error_code::prune_unsupported,
                      parent.path() +
                          " cannot be pruned this way, because llama.cpp rejects the result: " + error.what(),
                      details);
    }
    const std::string difference = layer_difference(before, after, kept, counts);
    if (!difference.empty())
        throw failure(error_code::prune_unsupported, parent.path() + " cannot be pruned this way: " + difference,
                      details);
}

}  // namespace

rewrite_plan plan_rewrite(const parent_model & parent, const kept_counts & counts, const rewrite_options & options) {
    cut_layout layout = lay_out(parent, first_parts(parent.shape(), counts), counts, options.compensate);
    choose_output_types(layout, parent, counts, options.type);
    return plan_of(layout);
}

rewrite_result rewrite(const parent_model & parent, const kept_parts & kept, const kept_counts & counts,
                       const rewrite_options & options, const std::function<void(uint64_t, uint64_t)> & on_progress,
                       const std::atomic<bool> & stop) {
    const stopwatch clock;
    cut_layout layout = lay_out(parent, kept, counts, options.compensate);
    choose_output_types(layout, parent, counts, options.type);
    const std::vector<std::vector<size_t>> parts = split(layout, options.max_part_bytes);

    rewrite_result result;
    result.plan = plan_of(layout);
    result.paths = part_paths(options.out_path, parts.size());
    refuse_parent_as_output(parent, result.paths);

    staged_files files(result.paths);
    const model_traits before = traits_of_file(parent.path(), stop);
    std::vector<bool> sliding;
    for (const layer_traits & layer : before.layers) sliding.push_back(layer.sliding);
    const gguf_context_ptr metadata =
        pruned_metadata(parent, layout, kept, counts, options, sliding, result.plan.n_params);
    result.n_file_bytes = writing(parent, layout, parts, files, options, on_progress, stop).write(metadata.get());
    verify(files, parent, before, kept, counts, stop);
    if (options.before_commit) options.before_commit(files.staged_path(0));
    if (stop) throw failure(error_code::aborted, "the rewrite was aborted");
    files.commit();
    result.milliseconds = clock.milliseconds();
    return result;
}

}  // namespace overfill
