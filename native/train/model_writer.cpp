#include "model_writer.h"

#include <algorithm>
#include <cfloat>
#include <cmath>

namespace overfill {

static constexpr int64_t values_at_once = 1 << 20;

int64_t rows_at_once(int64_t n_per_row) { return std::max<int64_t>(1, values_at_once / n_per_row); }

model_writer::model_writer(const gguf_context * head, const std::string & out_path)
    : file_(std::make_unique<atomic_file>(out_path)), alignment_(gguf_get_alignment(head)) {
    const std::vector<uint8_t> bytes = head_of(head);
    add_bytes(bytes.data(), bytes.size());
}

void model_writer::add_bytes(const void * data, size_t n_bytes) { file_->write(data, n_bytes); }

bool model_writer::add_values(const float * values, int64_t n_rows, int64_t n_per_row, ggml_type type) {
    // Types of blocks hold their scales as f16.
    const float largest = type == GGML_TYPE_F32 || type == GGML_TYPE_BF16 ? FLT_MAX : 65504.0f;
    const int64_t n = n_rows * n_per_row;
    // A comparison that is false for no number.
    if (!std::all_of(values, values + n, [&](float value) { return std::fabs(value) <= largest; })) return false;
    if (type == GGML_TYPE_F32) {
        add_bytes(values, (size_t) n * sizeof(float));
        return true;
    }
    converted_.resize(ggml_row_size(type, n_per_row) * (size_t) n_rows);
    ggml_quantize_chunk(type, values, converted_.data(), 0, n_rows, n_per_row, nullptr);
    add_bytes(converted_.data(), converted_.size());
    return true;
}

void model_writer::end_tensor() {
    const std::vector<uint8_t> zeros((size_t) (GGML_PAD(file_->n_bytes(), alignment_) - file_->n_bytes()));
    if (!zeros.empty()) add_bytes(zeros.data(), zeros.size());
}

uint64_t model_writer::commit() {
    file_->commit();
    return file_->n_bytes();
}

}  // namespace overfill
