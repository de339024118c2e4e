#include "parent_model.h"

#include "failure.h"
#include "model_file.h"
#include "models.h"
#include "tensor_axes.h"
#include "whole_number.h"

namespace overfill {

struct parent_model::files {
    explicit files(const std::string & path)
        : path(path), file(check_model_file(path)), metadata(path), stored(path, metadata) {
        row = find_architecture(file.architecture);
        if (!row)
            refuse("has the architecture " + file.architecture + ", which is not supported" +
                   other_memory(path, "pruning"));
        refuse_experts();
        read_shape();
        check_axes();
    }

    [[noreturn]] void refuse(const std::string & what) const {
        throw failure(error_code::prune_unsupported, path + " " + what + ": it cannot be pruned",
                      { { "path", path }, { "architecture", file.architecture } });
    }

    [[noreturn]] void broken(const std::string & what) const {
        throw failure(error_code::model_invalid, path + " " + what, { { "path", path } });
    }

    std::string key(const char * name) const { return file.architecture + "." + name; }

    void refuse_experts() const {
        if (metadata.number(key("expert_count")).value_or(0) > 1) refuse("is a mixture of experts");
        for (const stored_tensor & tensor : stored.all())
            if (tensor.name.find("_exps.") != std::string::npos ||
                tensor.name.find("ffn_gate_inp") != std::string::npos)
                refuse("is a mixture of experts (tensor " + tensor.name + ")");
    }

    // A number that may be given for each layer, but must be the same for all.
    uint32_t common(const char * name, double fallback) const {
        const std::vector<double> values = metadata.numbers(key(name));
        for (const double value : values)
            if (value != values[0]) refuse("has layers of different " + key(name));
        return (uint32_t) (values.empty() ? fallback : values[0]);
    }

    // A number that all layers have in common by its meaning; check_model_file has seen to its range.
    uint32_t single(const char * name) const {
        const auto value = metadata.number(key(name));
        const auto whole = value ? whole_number(*value, 1, UINT32_MAX) : std::nullopt;
        if (!whole) broken("has no single whole number as " + key(name));
        return (uint32_t) *whole;
    }

    void read_shape() {
        const auto number = [&](const char * name) { return metadata.number(key(name)); };
        for (const char * name : { "attention.kv_lora_rank", "nextn_predict_layers", "embedding_length_out" })
            if (number(name).value_or(0) > 0) refuse("has " + key(name));
        // -1 stands for a layer that takes no picture's features in; llama.cpp's own saver writes it for every model.
        for (const double index : metadata.numbers(key("deepstack_mapping")))
            if (index >= 0) refuse("has " + key("deepstack_mapping"));
        if (metadata.numbers(key("attention.head_count")).empty()) broken("has no " + key("attention.head_count"));
        shape.n_layer = single("block_count");
        shape.n_embd = single("embedding_length");
        shape.n_ff = common("feed_forward_length", 0);
        shape.n_head = common("attention.head_count", 0);
        shape.n_head_kv = common("attention.head_count_kv", shape.n_head);
        if (shape.n_ff == 0 || shape.n_head == 0 || shape.n_head_kv == 0) refuse("has no FFN or no attention heads");
        const double head_size = shape.n_embd / shape.n_head;
        shape.head_size_k = (uint32_t) number("attention.key_length").value_or(head_size);
        shape.head_size_v = (uint32_t) number("attention.value_length").value_or(head_size);
        shape.norm_eps = (float) number("attention.layer_norm_rms_epsilon").value_or(0);
        for (const auto & [name, size] : { std::pair("attention.key_length_swa", shape.head_size_k),
                                           std::pair("attention.value_length_swa", shape.head_size_v) })
            if (number(name).value_or(size) != size) refuse("has layers of different head sizes");
        const stored_tensor * embedding = stored.find("token_embd.weight");
        if (!embedding) broken("has no token_embd.weight");
        shape.n_vocab = (uint32_t) embedding->ne[1];
        if (row->rope_layers != 0 && shape.n_layer != row->rope_layers)
            refuse("has " + std::to_string(shape.n_layer) + " layers, for which " + row->name + " has no RoPE");
    }

    void check_axes() const {
        for (const stored_tensor & tensor : stored.all()) {
            const auto axes = axes_of(*row, tensor.name);
            if (!axes) refuse("has the unknown tensor " + tensor.name);
            const auto fits = [&](tensor_axis axis, int64_t n) {
                return axis == tensor_axis::fixed || n == axis_length(axis, shape);
            };
            const bool in_place = axes->layer < (int) shape.n_layer && tensor.ne[2] == 1 && tensor.ne[3] == 1;
            if (!in_place || !fits(axes->in, tensor.ne[0]) || !fits(axes->out, tensor.ne[1]))
                throw failure(error_code::model_invalid,
                              path + " has " + tensor.name + " of " + std::to_string(tensor.ne[0]) + " x " +
                                  std::to_string(tensor.ne[1]) + ", which does not fit its metadata",
                              { { "path", path } });
        }
    }

    std::string path;
    model_file file;
    gguf_metadata metadata;
    stored_tensors stored;
    const overfill::architecture * row = nullptr;
    model_shape shape;
};

parent_model::parent_model(const std::string & path) : files_(std::make_unique<files>(path)) {}
parent_model::~parent_model() = default;

const std::string & parent_model::path() const { return files_->path; }
const std::vector<std::string> & parent_model::paths() const { return files_->stored.paths(); }
const architecture & parent_model::arch() const { return *files_->row; }
const model_shape & parent_model::shape() const { return files_->shape; }
const gguf_metadata & parent_model::metadata() const { return files_->metadata; }
const std::vector<stored_tensor> & parent_model::tensors() const { return files_->stored.all(); }
uint64_t parent_model::n_params() const { return files_->stored.n_params(); }
uint64_t parent_model::n_bytes() const { return files_->stored.n_bytes(); }
bool parent_model::is_pruned() const { return files_->metadata.has("overfill.prune.version"); }
const stored_tensor * parent_model::find(const std::string & name) const { return files_->stored.find(name); }

void parent_model::read(const stored_tensor & tensor, uint64_t offset, void * data, size_t n) const {
    files_->stored.read(tensor, offset, data, n);
}

}  // namespace overfill
