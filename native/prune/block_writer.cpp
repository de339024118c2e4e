#include "block_writer.h"

#include "failure.h"
#include "finite_rows.h"
#include "quantize_q8_0.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <mutex>

namespace overfill {

static constexpr size_t block_bytes = (size_t) 8 << 20;
static constexpr size_t piece_bytes = (size_t) 256 << 10;  // of a block, for one thread

block_writer::block_writer(const parent_model & parent, staged_files & out, int32_t n_threads,
                           std::function<void(uint64_t)> on_written, const std::atomic<bool> & stop)
    : parent_(parent), out_(out), team_(n_threads), on_written_(std::move(on_written)), stop_(stop),
      scratches_(team_.size()), half_(conversion_of(GGML_TYPE_F16)) {}

void block_writer::flush() {
    if (!waiting_.empty()) out_.write(waiting_.data(), waiting_.size());
    on_written_(waiting_.size());
    waiting_.clear();
}

void block_writer::add_bytes(const void * data, size_t n_bytes) {
    flush();
    const uint8_t * bytes = static_cast<const uint8_t *>(data);
    waiting_.assign(bytes, bytes + n_bytes);
}

void block_writer::add(const tensor_cut & tensor) {
    const size_t row_bytes = ggml_row_size(tensor.type, tensor.ne[0]);
    const int64_t n_at_once = (int64_t) std::max<size_t>(1, block_bytes / row_bytes);
    for (int64_t row = 0; row < tensor.ne[1]; row += n_at_once)
        make_block(tensor, row, std::min(n_at_once, tensor.ne[1] - row));
}

void block_writer::make_block(const tensor_cut & tensor, int64_t first_row, int64_t n_rows) {
    if (stop_) throw failure(error_code::aborted, "the rewrite was aborted");
    const size_t row_bytes = ggml_row_size(tensor.type, tensor.ne[0]);
    const size_t source_bytes = ggml_row_size(tensor.source->type, tensor.source->ne[0]);
    const int64_t n_piece = (int64_t) std::max<size_t>(1, piece_bytes / std::max(row_bytes, source_bytes));
    const size_t n_pieces = (size_t) ((n_rows + n_piece - 1) / n_piece);
    filling_.resize((size_t) n_rows * row_bytes);

    team_.each(n_pieces + 1, [&](size_t item, size_t member) {
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

// The parent's rows as they are stored, in as few reads as there are runs of neighbours; zeros for added rows.
void block_writer::read_rows(const tensor_cut & tensor, int64_t first_row, int64_t n_rows, uint8_t * out) const {
    const size_t row_bytes = ggml_row_size(tensor.source->type, tensor.source->ne[0]);
    if (tensor.rows->whole)
        return parent_.read(*tensor.source, (uint64_t) first_row * row_bytes, out, (size_t) n_rows * row_bytes);
    const int32_t * from = tensor.rows->from.data() + first_row;
    for (int64_t i = 0; i < n_rows;) {
        int64_t n = 1;
        while (i + n < n_rows && (from[i] < 0 ? from[i + n] < 0 : from[i + n] == from[i] + n)) n++;
        uint8_t * rows = out + (size_t) i * row_bytes;
        if (from[i] < 0)
            std::memset(rows, 0, (size_t) n * row_bytes);
        else
            parent_.read(*tensor.source, (uint64_t) from[i] * row_bytes, rows, (size_t) n * row_bytes);
        i += n;
    }
}

// Numbers that stay as they are stored, one by one.
template <class T> static void gather(const axis_cut & columns, const uint8_t * in, uint8_t * out) {
    const T * from = reinterpret_cast<const T *>(in);
    T * to = reinterpret_cast<T *>(out);
    for (size_t i = 0; i < (size_t) columns.n; i++) {
        const int32_t column = columns.from[i];
        to[i] = column < 0 ? T() : from[column];
    }
}

void block_writer::to_floats(ggml_type type, const uint8_t * in, float * out, int64_t n) const {
    if (type == GGML_TYPE_F32)
        std::memcpy(out, in, (size_t) n * sizeof(float));
    else if (type == GGML_TYPE_F16)
        half_.to_float(in, out, n);
    else
        ggml_get_type_traits(type)->to_float(in, out, n);
}

void block_writer::from_floats(ggml_type type, const float * in, uint8_t * out, int64_t n_rows, int64_t n) const {
    if (type == GGML_TYPE_F32)
        std::memcpy(out, in, (size_t) (n_rows * n) * sizeof(float));
    else if (type == GGML_TYPE_F16)
        half_.from_float(in, out, n_rows * n);
    else if (type == GGML_TYPE_Q8_0)
        quantize_q8_0(in, out, n_rows * n);
    else
        ggml_quantize_chunk(type, in, out, 0, n_rows, n, nullptr);
}

void block_writer::scale_rows(const tensor_cut & tensor, int64_t first_row, int64_t n_rows, float * values) const {
    if (tensor.scale == 1) return;
    const int64_t n_columns = tensor.ne[0];
    int64_t n = n_rows * n_columns;
    if (tensor.n_scaled_rows >= 0)
        n = tensor.axes.vector() ? std::min(n, tensor.n_scaled_rows)
                                 : std::clamp<int64_t>(tensor.n_scaled_rows - first_row, 0, n_rows) * n_columns;
    for (int64_t i = 0; i < n; i++) values[i] = (float) (values[i] * tensor.scale);
}

static bool all_finite(const std::vector<float> & values) {
    // By the exponent, so that the compiler can use vector instructions: every value that is quantised comes by here.
    constexpr uint32_t exponent = 0x7f800000;
    uint32_t n_bad = 0;
    for (const float value : values) {
        uint32_t bits;
        std::memcpy(&bits, &value, sizeof bits);
        n_bad += (bits & exponent) == exponent;
    }
    return n_bad == 0;
}

void block_writer::refuse_values(const tensor_cut & tensor) const {
    throw failure(error_code::model_invalid,
                  parent_.path() + " has values in " + tensor.source->name + " that are not finite numbers as " +
                      ggml_type_name(tensor.type),
                  { { "path", parent_.path() }, { "tensor", tensor.source->name } });
}

void block_writer::make_rows(const tensor_cut & tensor, int64_t first_row, int64_t n_rows, uint8_t * out,
                             scratch & own) const {
    const ggml_type from = tensor.source->type;
    if (tensor.rows_as_they_are() && from == tensor.type) return read_rows(tensor, first_row, n_rows, out);

    const int64_t n_in = tensor.source->ne[0], n_out = tensor.ne[0];
    const size_t in_bytes = ggml_row_size(from, n_in), out_bytes = ggml_row_size(tensor.type, n_out);
    own.raw.resize((size_t) n_rows * in_bytes);
    read_rows(tensor, first_row, n_rows, own.raw.data());
    const axis_cut & columns = *tensor.columns;

    if (from == tensor.type && tensor.scale == 1 && ggml_blck_size(from) == 1) {
        for (int64_t i = 0; i < n_rows; i++) {
            const uint8_t * row = own.raw.data() + (size_t) i * in_bytes;
            uint8_t * to = out + (size_t) i * out_bytes;
            ggml_type_size(from) == 2 ? gather<uint16_t>(columns, row, to) : gather<uint32_t>(columns, row, to);
        }
        return;
    }

    own.gathered.resize((size_t) (n_rows * n_out));
    if (columns.whole) {
        to_floats(from, own.raw.data(), own.gathered.data(), n_rows * n_in);
    } else {
        own.whole.resize((size_t) n_in);
        for (int64_t i = 0; i < n_rows; i++) {
            to_floats(from, own.raw.data() + (size_t) i * in_bytes, own.whole.data(), n_in);
            gather<float>(columns, reinterpret_cast<const uint8_t *>(own.whole.data()),
                          reinterpret_cast<uint8_t *>(own.gathered.data() + i * n_out));
        }
    }
    scale_rows(tensor, first_row, n_rows, own.gathered.data());
    // Before any conversion: integers are made of the values, for which NaN and infinity are undefined.
    if (ggml_is_quantized(tensor.type) && !all_finite(own.gathered)) refuse_values(tensor);
    from_floats(tensor.type, own.gathered.data(), out, n_rows, n_out);
    if (!are_finite_rows(tensor.type, out, (size_t) n_rows * out_bytes)) refuse_values(tensor);
}

}  // namespace overfill
