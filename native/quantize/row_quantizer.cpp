#include "row_quantizer.h"

#include "failure.h"
#include "finite_rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace overfill {

static constexpr size_t block_values = (size_t) 4 << 20;
// Of a block, for one thread at a time. The slowest types take about a tenth of a second for so many.
static constexpr size_t piece_values = (size_t) 32 << 10;

// Types whose search for the best grid point fails an assertion, and ends the process, once products of three values
// overflow. No weight of a working model comes near.
static bool searches_grid(ggml_type type) {
    switch (type) {
    case GGML_TYPE_IQ1_S:
    case GGML_TYPE_IQ1_M:
    case GGML_TYPE_IQ2_XXS:
    case GGML_TYPE_IQ2_XS:
    case GGML_TYPE_IQ2_S:
    case GGML_TYPE_IQ3_XXS:
    case GGML_TYPE_IQ3_S: return true;
    default: return false;
    }
}
static constexpr float largest_on_grid = 1e5f;

row_quantizer::row_quantizer(const stored_tensors & model, staged_files & out, int32_t n_threads,
                             std::function<void(uint64_t)> on_written, const std::atomic<bool> & stop)
    : model_(model), out_(out), team_(n_threads), on_written_(std::move(on_written)), stop_(stop),
      scratches_(team_.size()) {}

void row_quantizer::check_stop() const {
    if (stop_) throw failure(error_code::aborted, "the quantisation was aborted");
}

void row_quantizer::flush() {
    if (!waiting_.empty()) out_.write(waiting_.data(), waiting_.size());
    on_written_(waiting_.size());
    waiting_.clear();
}

void row_quantizer::add_bytes(const void * data, size_t n_bytes) {
    flush();
    const uint8_t * bytes = static_cast<const uint8_t *>(data);
    waiting_.assign(bytes, bytes + n_bytes);
}

void row_quantizer::add(const quantized_tensor & tensor) {
    const int64_t n_at_once = std::max<int64_t>(1, (int64_t) block_values / tensor.n_columns());
    for (int64_t row = 0; row < tensor.n_rows(); row += n_at_once)
        make_block(tensor, row, std::min(n_at_once, tensor.n_rows() - row));
}

void row_quantizer::make_block(const quantized_tensor & tensor, int64_t first_row, int64_t n_rows) {
    check_stop();
    const size_t row_bytes = ggml_row_size(tensor.type, tensor.n_columns());
    const int64_t n_piece = std::max<int64_t>(1, (int64_t) piece_values / tensor.n_columns());
    const size_t n_pieces = (size_t) ((n_rows + n_piece - 1) / n_piece);
    filling_.resize((size_t) n_rows * row_bytes);

    team_.each(n_pieces + 1, [&](size_t item, size_t member) {
        check_stop();
        if (item == 0) {
            if (!waiting_.empty()) out_.write(waiting_.data(), waiting_.size());
            return;
        }
        const int64_t begin = (int64_t) (item - 1) * n_piece;
        make_rows(tensor, first_row + begin, std::min(n_piece, n_rows - begin),
                  filling_.data() + (size_t) begin * row_bytes, scratches_[member]);
    });
    on_written_(waiting_.size());
    std::swap(filling_, waiting_);
}

static void to_floats(ggml_type type, const uint8_t * in, float * out, int64_t n) {
    if (type == GGML_TYPE_F32)
        std::memcpy(out, in, (size_t) n * sizeof(float));
    else if (type == GGML_TYPE_F16)
        ggml_fp16_to_fp32_row(reinterpret_cast<const ggml_fp16_t *>(in), out, n);
    else if (type == GGML_TYPE_BF16)
        ggml_bf16_to_fp32_row(reinterpret_cast<const ggml_bf16_t *>(in), out, n);
    else
        ggml_get_type_traits(type)->to_float(in, out, n);
}

void row_quantizer::make_rows(const quantized_tensor & tensor, int64_t first_row, int64_t n_rows, uint8_t * out,
                              scratch & own) const {
    const ggml_type from = tensor.source->type;
    const size_t in_bytes = ggml_row_size(from, tensor.n_columns());
    const size_t n_in = (size_t) n_rows * in_bytes;
    if (tensor.is_copy()) {
        model_.read(*tensor.source, (uint64_t) first_row * in_bytes, out, n_in);
        if (!are_finite_rows(from, out, n_in)) refuse_values(tensor, "");
        return;
    }
    own.raw.resize(n_in);
    model_.read(*tensor.source, (uint64_t) first_row * in_bytes, own.raw.data(), n_in);
    if (!are_finite_rows(from, own.raw.data(), n_in)) refuse_values(tensor, "");
    own.values.resize((size_t) (n_rows * tensor.n_columns()));
    to_floats(from, own.raw.data(), own.values.data(), (int64_t) own.values.size());
    quantize_rows(tensor, first_row, n_rows, own.values.data(), out);
    if (!are_finite_rows(tensor.type, out, (size_t) n_rows * ggml_row_size(tensor.type, tensor.n_columns())))
        refuse_values(tensor, std::string(" as ") + ggml_type_name(tensor.type));
}

// Every matrix of a tensor (an expert's, say) has its own importance.
void row_quantizer::quantize_rows(const quantized_tensor & tensor, int64_t first_row, int64_t n_rows,
                                  const float * values, uint8_t * out) const {
    const int64_t n_columns = tensor.n_columns(), n_each = tensor.source->ne[1];
    if (searches_grid(tensor.type))
        for (int64_t i = 0; i < n_rows * n_columns; i++)
            if (!(std::fabs(values[i]) <= largest_on_grid))
                refuse_values(tensor, std::string(" as ") + ggml_type_name(tensor.type));
    for (int64_t row = 0; row < n_rows;) {
        const int64_t matrix = (first_row + row) / n_each;
        const int64_t n = std::min(n_rows - row, (matrix + 1) * n_each - (first_row + row));
        const float * importance = tensor.importance ? tensor.importance + matrix * n_columns : nullptr;
        ggml_quantize_chunk(tensor.type, values + row * n_columns,
                            out + (size_t) row * ggml_row_size(tensor.type, n_columns), 0, n, n_columns, importance);
        row += n;
    }
}

void row_quantizer::refuse_values(const quantized_tensor & tensor, const std::string & why) const {
    const std::string & path = model_.paths()[tensor.source->part];
    throw failure(error_code::model_invalid,
                  path + " has values in " + tensor.source->name + " that are not finite numbers" + why,
                  { { "path", path }, { "tensor", tensor.source->name } });
}

}  // namespace overfill
