#include "kernel_cases.h"

#include "translate_reference.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>

namespace overfill::test {

namespace {

const ggml_type types[] = { GGML_TYPE_F32,  GGML_TYPE_F16,  GGML_TYPE_BF16, GGML_TYPE_Q8_0,  GGML_TYPE_Q5_1,
                            GGML_TYPE_Q5_0, GGML_TYPE_Q4_1, GGML_TYPE_Q4_0, GGML_TYPE_IQ4_NL };

const uint8_t untouched = 0xa5;

std::string describe(const side_shape & side) {
    return std::string(ggml_type_name(side.type)) + (side.transposed ? " transposed " : " ") +
           std::to_string(side.n_head) + " x " + std::to_string(side.head_size) +
           (side.hadamard ? " hadamard " + std::to_string(side.hadamard) : "");
}

// Values of about 1, of different scale from channel to channel as in real caches, some of them 0.
void fill(const kv_storage & storage, std::vector<uint8_t> & data, std::mt19937 & random) {
    std::normal_distribution<float> normal;
    const size_t n_values = (size_t) storage.tensor->ne[0];
    std::vector<float> scale(n_values), row(n_values);
    for (float & x : scale) x = std::exp(normal(random));
    // A transposed cache is filled as if it had rows: its values are as random that way.
    const size_t row_bytes = ggml_row_size(storage.type(), storage.tensor->ne[0]), n_rows = data.size() / row_bytes;
    for (size_t r = 0; r < n_rows; r++) {
        for (size_t i = 0; i < n_values; i++) row[i] = random() % 64 == 0 ? 0.0f : scale[i] * normal(random);
        ggml_quantize_chunk(storage.type(), row.data(), data.data() + r * row_bytes, 0, 1, (int64_t) n_values, nullptr);
    }
}

std::vector<uint32_t> cells_of(uint32_t n_cells, uint32_t n, bool holes, std::mt19937 & random) {
    std::vector<uint32_t> cells(n_cells);
    std::iota(cells.begin(), cells.end(), 0u);
    if (holes) std::shuffle(cells.begin(), cells.end(), random);
    cells.resize(n);
    return cells;
}

}  // namespace

std::shared_ptr<const rope_parameters> make_rope(int type, int32_t n_dims, float base) {
    auto rope = std::make_shared<rope_parameters>();
    rope->type = type;
    rope->n_dims = n_dims;
    rope->base = base;
    return rope;
}

std::string case_shape::title() const {
    return describe(from) + " to " + describe(to) + (unrotate ? " unrotate" : "") + (rerotate ? " rerotate" : "") +
           (map ? " map" : "") + (bias ? " bias" : "") + (holes ? " holes" : "");
}

kernel_case::kernel_case(const case_shape & shape, uint32_t seed) : steps(2 * shape.n_layers) {
    tensors_ = ggml_init({ ggml_tensor_overhead() * (4 * shape.n_layers + 1), nullptr, true });
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (uint32_t i = 0; i < 2 * shape.n_layers; i++) {
        translate_step step;
        step.layer = i / 2;
        step.is_k = i % 2 == 0;
        step.from = make_storage(shape.from, steps[i].from);
        step.to = make_storage(shape.to, steps[i].to);
        fill(step.from, steps[i].from, random);
        step.unrotate = shape.unrotate;
        step.rerotate = shape.rerotate;
        if (shape.map) {
            auto map = std::make_shared<linear_map>();
            map->n_in = step.from.n_embd();
            map->n_out = step.to.n_embd();
            map->weight.resize((size_t) map->n_in * map->n_out);
            for (float & w : map->weight) w = normal(random) / std::sqrt((float) map->n_in);
            if (shape.bias) map->bias.resize(map->n_out);
            for (float & b : map->bias) b = normal(random);
            step.map = map;
            // K and V of the last layer share one.
            if (i + 1 == 2 * shape.n_layers) step.map = plan.steps.back().map;
        }
        plan.steps.push_back(step);
    }
    job.from_stream[0] = shape.from_stream;
    job.to_stream[0] = shape.to_stream;
    const std::vector<uint32_t> from = cells_of(shape.from.n_cells, shape.n_moves, shape.holes, random);
    const std::vector<uint32_t> to = cells_of(shape.to.n_cells, shape.n_moves, shape.holes, random);
    for (uint32_t i = 0; i < shape.n_moves; i++)
        job.moves[0][0].push_back({ from[i], to[i], shape.first_position + (llama_pos) i });
    before_ = steps;
}

kernel_case::~kernel_case() { ggml_free(tensors_); }

kv_storage kernel_case::make_storage(const side_shape & shape, std::vector<uint8_t> & data) {
    kv_storage storage;
    storage.n_head = shape.n_head;
    storage.head_size = shape.head_size;
    storage.n_cells = shape.n_cells;
    storage.hadamard = shape.hadamard;
    storage.transposed = shape.transposed;
    storage.tensor = ggml_new_tensor_3d(tensors_, shape.type, storage.n_embd(), shape.n_cells, shape.n_stream);
    data.assign(ggml_nbytes(storage.tensor), untouched);
    storage.tensor->data = data.data();
    return storage;
}

double kernel_case::worst_error() const {
    double worst = 0;
    for (size_t i = 0; i < plan.steps.size(); i++) {
        const translate_step & step = plan.steps[i];
        const std::vector<cell_move> & moves = job.of(step);
        const uint8_t * from = steps[i].from.data() + job.from_stream[step.from.cache] * step.from.stream_bytes();
        const size_t to_start = job.to_stream[step.to.cache] * step.to.stream_bytes();
        const std::vector<std::vector<double>> expected = reference_translate(step, from, moves);
        for (size_t m = 0; m < moves.size(); m++) {
            const std::vector<double> actual = read_row(step.to, steps[i].to.data() + to_start, moves[m].to);
            const double accumulated = accumulated_error(step, read_row(step.from, from, moves[m].from), expected[m]);
            std::vector<double> allowed = tolerances(step.to.type(), expected[m], accumulated);
            if (step.raw()) std::fill(allowed.begin(), allowed.end(), 0.0);
            for (size_t v = 0; v < actual.size(); v++) {
                const double error = std::fabs(actual[v] - expected[m][v]);
                if (error == 0) continue;
                // A NaN is wrong too.
                const double part = error / allowed[v];
                if (!(part <= worst)) worst = std::isnan(part) ? std::numeric_limits<double>::infinity() : part;
            }
        }
        // Every byte outside the moved cells is as it was, and the source altogether.
        std::vector<uint8_t> rest = steps[i].to;
        for (const cell_move & move : moves) {
            const size_t n = ggml_type_size(step.to.type());
            if (step.to.transposed) {
                for (size_t c = 0; c < step.to.n_embd(); c++)
                    std::memset(rest.data() + to_start + (c * step.to.n_cells + move.to) * n, untouched, n);
            } else {
                std::memset(rest.data() + to_start + move.to * step.to.row_bytes(), untouched, step.to.row_bytes());
            }
        }
        if (rest != before_[i].to || steps[i].from != before_[i].from) return std::numeric_limits<double>::infinity();
    }
    return worst;
}

std::vector<case_shape> all_cases() {
    auto scaled = std::make_shared<rope_parameters>(*make_rope(LLAMA_ROPE_TYPE_NORM, 48, 500000.0f));
    scaled->scale = 0.25f;
    for (int i = 0; i < 24; i++) scaled->factors.push_back(1.0f + 0.3f * i);
    auto yarn = std::make_shared<rope_parameters>(*make_rope(LLAMA_ROPE_TYPE_NEOX, 64, 10000.0f));
    yarn->scale = 0.5f;
    yarn->n_ctx_orig = 4096;
    yarn->ext_factor = 1.0f;

    std::vector<case_shape> out;
    for (ggml_type from : types) {
        for (ggml_type to : types) {
            const bool from_quantised = ggml_is_quantized(from), to_quantised = ggml_is_quantized(to);
            for (int layout = 0; layout < 4; layout++) {
                case_shape shape;
                shape.from.type = from;
                shape.to.type = to;
                shape.from.transposed = layout & 1;
                shape.to.transposed = layout & 2;
                if ((shape.from.transposed && from_quantised) || (shape.to.transposed && to_quantised)) continue;
                // Plain.
                out.push_back(shape);

                // Other rotation by position; Hadamard as llama.cpp does it, on quantised caches.
                case_shape rotated = shape;
                rotated.unrotate = make_rope(LLAMA_ROPE_TYPE_NEOX, 64, 10000.0f);
                rotated.rerotate = scaled;
                rotated.from.hadamard = from_quantised ? 64 : 0;
                rotated.to.hadamard = to_quantised ? 64 : 0;
                rotated.holes = true;
                rotated.from_stream = 1;
                rotated.from.n_stream = 2;
                out.push_back(rotated);

                // Hadamard alone, of unequal blocks; far positions.
                case_shape hadamard = shape;
                hadamard.from.head_size = hadamard.to.head_size = 128;
                hadamard.from.hadamard = from_quantised ? 128 : 0;
                hadamard.to.hadamard = 64;
                hadamard.rerotate = make_rope(LLAMA_ROPE_TYPE_NORM, 128, 1000000.0f);
                hadamard.first_position = 131072 - 6;
                hadamard.n_layers = 1;
                hadamard.n_moves = 12;
                out.push_back(hadamard);

                // A linear map to other heads, without and with everything else.
                case_shape mapped = shape;
                mapped.from.n_head = 3;
                mapped.from.head_size = 32;
                mapped.map = true;
                mapped.n_layers = 1;
                out.push_back(mapped);
                mapped.from.n_head = 4;
                mapped.from.head_size = 64;
                mapped.from.hadamard = from_quantised ? 64 : 0;
                mapped.to.head_size = 128;
                mapped.to.hadamard = to_quantised ? 128 : 0;
                mapped.unrotate = yarn;
                mapped.rerotate = make_rope(LLAMA_ROPE_TYPE_NEOX, 128, 500000.0f);
                mapped.bias = mapped.holes = true;
                mapped.to_stream = 1;
                mapped.to.n_stream = 2;
                out.push_back(mapped);

                // A row of the usual length, in tiles of few cells.
                case_shape usual = shape;
                usual.from.n_head = usual.to.n_head = 8;
                usual.from.head_size = usual.to.head_size = 128;
                usual.unrotate = make_rope(LLAMA_ROPE_TYPE_NORM, 128, 10000.0f);
                usual.rerotate = make_rope(LLAMA_ROPE_TYPE_NORM, 128, 500000.0f);
                usual.n_layers = 1;
                usual.n_moves = 11;
                usual.first_position = 250;
                out.push_back(usual);
            }
        }
    }
    return out;
}

case_shape random_case(uint32_t seed) {
    std::mt19937 random(seed);
    const auto below = [&](uint32_t n) { return (uint32_t) (random() % n); };
    case_shape shape;
    shape.map = below(2);
    for (side_shape * side : { &shape.from, &shape.to }) {
        side->type = types[below(9)];
        const bool quantised = ggml_is_quantized(side->type);
        side->transposed = !quantised && below(2);
        side->n_head = 1 + below(6);
        side->head_size = quantised ? 32 * (1 + below(9)) : 2 * (1 + below(100));
        side->n_cells = 1 + below(100);
        side->n_stream = 1 + below(3);
    }
    if (!shape.map) {
        // Both must have the same rows; the quantised side's are good for either.
        if (ggml_is_quantized(shape.from.type))
            shape.to.head_size = shape.from.head_size;
        else
            shape.from.head_size = shape.to.head_size;
        shape.from.n_head = shape.to.n_head;
    }
    for (side_shape * side : { &shape.from, &shape.to }) {
        uint32_t block = 1;
        while (side->head_size % (2 * block) == 0) block *= 2;
        if (block > 1 && below(2)) side->hadamard = block;
    }
    const auto rope = [&](const side_shape & side) -> std::shared_ptr<const rope_parameters> {
        if (below(2)) return nullptr;
        return make_rope(below(2) ? LLAMA_ROPE_TYPE_NORM : LLAMA_ROPE_TYPE_NEOX,
                         (int32_t) (2 * (1 + below(side.head_size / 2))), 10000.0f * (float) (1 + below(50)));
    };
    shape.unrotate = rope(shape.from);
    shape.rerotate = rope(shape.to);
    shape.bias = shape.map && below(2);
    shape.n_moves = 1 + below(std::min(shape.from.n_cells, shape.to.n_cells));
    shape.holes = below(2);
    shape.first_position = (llama_pos) below(100000);
    shape.from_stream = below(shape.from.n_stream);
    shape.to_stream = below(shape.to.n_stream);
    return shape;
}

}  // namespace overfill::test
