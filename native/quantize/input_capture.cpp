#include "input_capture.h"

#include "failure.h"

#include <ggml-backend.h>

#include <cmath>

namespace overfill {

// Products of fewer rows are not a text's.
static constexpr int64_t fewest_rows = 16;

// A weight that the scheduler copied to another device is called "DEVICE#name#copy".
static std::string weight_name(const ggml_tensor * tensor) {
    const std::string name = tensor->name;
    const size_t first = name.find('#'), last = name.rfind('#');
    return first == last ? name : name.substr(first + 1, last - first - 1);
}

bool input_capture::asks_for(const ggml_tensor * node) {
    if (node->op != GGML_OP_MUL_MAT && node->op != GGML_OP_MUL_MAT_ID) return false;
    if (node->src[1]->type != GGML_TYPE_F32 || node->src[1]->nb[0] != sizeof(float)) return false;
    if (node->op == GGML_OP_MUL_MAT && node->src[1]->ne[1] < fewest_rows) return false;
    return weight_name(node->src[0]).compare(0, 4, "blk.") == 0;
}

bool input_capture::callback(ggml_tensor * node, bool ask, void * capture) {
    input_capture & self = *static_cast<input_capture *>(capture);
    if (ask) return asks_for(node);
    if (self.error_) return false;
    try {
        self.add(node);
    } catch (...) {
        self.error_ = std::current_exception();
    }
    return !self.error_;
}

// The bytes of a tensor, where they are or copied from a device.
static const char * bytes_of(const ggml_tensor * tensor, std::vector<char> & copy) {
    const ggml_tensor * owner = tensor->view_src ? tensor->view_src : tensor;
    if (ggml_backend_buffer_is_host(owner->buffer)) return static_cast<const char *>(tensor->data);
    copy.resize(ggml_nbytes(tensor));
    ggml_backend_tensor_get(tensor, copy.data(), 0, copy.size());
    return copy.data();
}

// The squares of a row are added to a matrix's sums.
static void add_row(importance_entry & entry, int64_t matrix, const char * row, int64_t n_columns) {
    const float * values = reinterpret_cast<const float *>(row);
    double * sums = entry.sums.data() + matrix * n_columns;
    for (int64_t i = 0; i < n_columns; i++) sums[i] += (double) values[i] * values[i];
}

void input_capture::add(const ggml_tensor * product) {
    const ggml_tensor * weight = product->src[0];
    const bool has_experts = product->op == GGML_OP_MUL_MAT_ID;
    const std::string name = weight_name(weight);
    importance_entry & entry = entries_[name];
    const size_t n_matrices = (size_t) (weight->ne[2] * weight->ne[3]);
    if (entry.sums.empty()) {
        entry.sums.resize((size_t) weight->ne[0] * n_matrices);
        entry.counts.resize(has_experts ? n_matrices : 1);
    }
    const char * inputs = bytes_of(product->src[1], inputs_);
    if (has_experts)
        add_experts(product, entry, inputs);
    else
        add_dense(product, entry, inputs);
    for (const double sum : entry.sums)
        if (!std::isfinite(sum))
            throw failure(error_code::inference_failed, "what goes into " + name + " is not finite numbers",
                          { { "tensor", name } });
}

// inputs: [n_columns, n_rows, ...], of which the outer dimensions are spread over the weight's matrices
void input_capture::add_dense(const ggml_tensor * product, importance_entry & entry, const char * inputs) const {
    const ggml_tensor * weight = product->src[0];
    const ggml_tensor * in = product->src[1];
    for (int64_t i3 = 0; i3 < in->ne[3]; i3++)
        for (int64_t i2 = 0; i2 < in->ne[2]; i2++) {
            const int64_t matrix = (i3 % weight->ne[3]) * weight->ne[2] + i2 % weight->ne[2];
            const char * rows = inputs + (size_t) i2 * in->nb[2] + (size_t) i3 * in->nb[3];
            for (int64_t row = 0; row < in->ne[1]; row++)
                add_row(entry, matrix, rows + (size_t) row * in->nb[1], in->ne[0]);
        }
    const double n_rows = (double) (ggml_nrows(in) / (weight->ne[2] * weight->ne[3]));
    for (double & count : entry.counts) count += n_rows;
}

// inputs: [n_columns, n_used or 1, n_tokens]; which experts a token went to: ids [n_used, n_tokens]
void input_capture::add_experts(const ggml_tensor * product, importance_entry & entry, const char * inputs) {
    const ggml_tensor * in = product->src[1];
    const ggml_tensor * ids = product->src[2];
    const char * chosen = bytes_of(ids, ids_);
    for (int64_t used = 0; used < ids->ne[0]; used++)
        for (int64_t token = 0; token < in->ne[2]; token++) {
            const int32_t expert =
                *reinterpret_cast<const int32_t *>(chosen + (size_t) token * ids->nb[1] + (size_t) used * ids->nb[0]);
            if (expert < 0 || expert >= product->src[0]->ne[2]) continue;
            add_row(entry, expert, inputs + (size_t) (used % in->ne[1]) * in->nb[1] + (size_t) token * in->nb[2],
                    in->ne[0]);
            if (entry.counts.size() > 1) entry.counts[(size_t) expert]++;
        }
    // A single expert, which every token goes to, or a tensor that is also used without choosing.
    if (entry.counts.size() == 1) entry.counts[0] += (double) in->ne[2];
}

}  // namespace overfill
