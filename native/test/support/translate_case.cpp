#include "translate_case.h"

#include "check.h"
#include "translate_reference.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

namespace overfill::test {

cache_memory::cache_memory(ggml_backend_buffer_type_t buffer_type)
    : buffer_type_(buffer_type ? buffer_type : ggml_backend_cpu_buffer_type()),
      ctx_(ggml_init({ 256 * ggml_tensor_overhead(), nullptr, true })) {}

kv_storage cache_memory::add(const storage_shape & shape, size_t cache) {
    kv_storage out;
    out.tensor = ggml_new_tensor_3d(ctx_.get(), shape.type, (int64_t) shape.n_head * shape.head_size, shape.n_cells,
                                    shape.n_stream);
    out.cache = cache;
    out.n_head = shape.n_head;
    out.head_size = shape.head_size;
    out.n_cells = shape.n_cells;
    out.hadamard = shape.hadamard;
    out.transposed = shape.transposed;
    return out;
}

void cache_memory::allocate() {
    buffer_.reset(ggml_backend_alloc_ctx_tensors_from_buft(ctx_.get(), buffer_type_));
    ggml_backend_buffer_clear(buffer_.get(), 0x5a);
}

void cache_memory::fill(const kv_storage & storage, uint32_t seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::vector<float> values((size_t) ggml_nelements(storage.tensor));
    for (float & value : values) value = normal(random);
    std::vector<uint8_t> bytes(ggml_nbytes(storage.tensor));
    const int64_t n_per_row = storage.tensor->ne[0];
    ggml_quantize_chunk(storage.type(), values.data(), bytes.data(), 0, (int64_t) values.size() / n_per_row, n_per_row,
                        nullptr);
    ggml_backend_tensor_set(storage.tensor, bytes.data(), 0, bytes.size());
}

std::vector<uint8_t> cache_memory::all_of(const kv_storage & storage) {
    std::vector<uint8_t> bytes(ggml_nbytes(storage.tensor));
    ggml_backend_tensor_get(storage.tensor, bytes.data(), 0, bytes.size());
    return bytes;
}

std::vector<uint8_t> cache_memory::stream_of(const kv_storage & storage, uint32_t stream) {
    std::vector<uint8_t> bytes(storage.stream_bytes());
    ggml_backend_tensor_get(storage.tensor, bytes.data(), stream * storage.stream_bytes(), bytes.size());
    return bytes;
}

std::shared_ptr<const linear_map> random_map(uint32_t n_in, uint32_t n_out, bool with_bias, uint32_t seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    auto map = std::make_shared<linear_map>();
    map->n_in = n_in;
    map->n_out = n_out;
    for (size_t i = 0; i < (size_t) n_in * n_out; i++) map->weight.push_back(normal(random) / std::sqrt((float) n_in));
    if (with_bias)
        for (size_t i = 0; i < n_out; i++) map->bias.push_back(normal(random));
    return map;
}

std::vector<cell_move> scattered_moves(uint32_t n, uint32_t n_cells_from, uint32_t n_cells_to, uint32_t seed) {
    std::mt19937 random(seed);
    const auto some = [&](uint32_t n_cells) {
        std::vector<uint32_t> cells(n_cells);
        std::iota(cells.begin(), cells.end(), 0u);
        std::shuffle(cells.begin(), cells.end(), random);
        cells.resize(n);
        return cells;
    };
    const std::vector<uint32_t> from = some(n_cells_from), to = some(n_cells_to);
    std::vector<cell_move> moves;
    llama_pos position = 0;
    for (uint32_t i = 0; i < n; i++) {
        position += 1 + (llama_pos) (random() % 7);
        moves.push_back({ from[i], to[i], position });
    }
    return moves;
}

std::vector<cell_move> plain_moves(uint32_t n, uint32_t from, uint32_t to, llama_pos position) {
    std::vector<cell_move> moves;
    for (uint32_t i = 0; i < n; i++) moves.push_back({ from + i, to + i, position + (llama_pos) i });
    return moves;
}

void check_step(const translate_step & step, const translate_job & job, const std::vector<uint8_t> & before,
                const std::string & what, bool half_products) {
    const uint32_t from_stream = job.from_stream[step.from.cache], to_stream = job.to_stream[step.to.cache];
    const std::vector<uint8_t> source = cache_memory::stream_of(step.from, from_stream);
    const std::vector<uint8_t> target = cache_memory::stream_of(step.to, to_stream);
    const std::vector<cell_move> & moves = job.of(step);
    const std::vector<std::vector<double>> truth = reference_translate(step, source.data(), moves);

    double worst = 0;
    for (size_t i = 0; i < moves.size(); i++) {
        const std::vector<double> actual = read_row(step.to, target.data(), moves[i].to);
        double largest = 0;
        for (const double value : truth[i]) largest = std::max(largest, std::abs(value));
        const double angle = step.unrotate || step.rerotate ? std::ldexp(8.0, -24) * moves[i].position * largest : 0;
        const std::vector<double> source_row = read_row(step.from, source.data(), moves[i].from);
        double products = 0;
        if (half_products && (step.undo_hadamard() || step.do_hadamard())) {
            double magnitudes = 0;
            for (const double value : source_row) magnitudes = std::max(magnitudes, std::abs(value));
            // A row of the matrix has 64 entries of 1/8.
            products += std::ldexp(1.0, -11) * 64 / 8 * magnitudes;
        }
        const std::vector<double> allowed =
            tolerances(step.to.type(), truth[i], products + angle + accumulated_error(step, source_row, truth[i]));
        for (size_t c = 0; c < actual.size(); c++) {
            const double share = std::abs(actual[c] - truth[i][c]) / allowed[c];
            if (!(share <= worst)) worst = share;
        }
    }
    report(worst <= 1, __FILE__, __LINE__, what + ": error over tolerance is " + std::to_string(worst));

    // Nobody else's cells changed.
    std::vector<uint8_t> expected = before, now = cache_memory::all_of(step.to);
    const size_t begin = to_stream * step.to.stream_bytes();
    for (const cell_move & move : moves) {
        if (!step.to.transposed) {
            const size_t n = step.to.row_bytes();
            std::memcpy(expected.data() + begin + move.to * n, now.data() + begin + move.to * n, n);
            continue;
        }
        const size_t n = ggml_type_size(step.to.type());
        for (size_t c = 0; c < step.to.n_embd(); c++) {
            const size_t at = begin + (c * step.to.n_cells + move.to) * n;
            std::memcpy(expected.data() + at, now.data() + at, n);
        }
    }
    report(expected == now, __FILE__, __LINE__, what + ": other cells are as they were");
}

}  // namespace overfill::test
