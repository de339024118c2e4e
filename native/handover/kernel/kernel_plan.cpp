#include "kernel_plan.h"

#include "failure.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace overfill {

namespace {

const size_t no_rope = std::numeric_limits<size_t>::max();

static_assert(sizeof(kernel_move) == sizeof(cell_move), "a cell_move is copied as a kernel_move");

[[noreturn]] void refuse(const translate_step & step, const std::string & why) {
    const std::string layer = std::to_string(step.layer);
    throw failure(error_code::handover_unavailable,
                  "the device kernels cannot translate " + std::string(step.is_k ? "K" : "V") + " of layer " + layer +
                      ": " + why,
                  { { "layer", step.layer }, { "reason", why } });
}

bool is_cache_type(ggml_type type) {
    switch (type) {
    case GGML_TYPE_F32:
    case GGML_TYPE_F16:
    case GGML_TYPE_BF16:
    case GGML_TYPE_Q8_0:
    case GGML_TYPE_Q5_1:
    case GGML_TYPE_Q5_0:
    case GGML_TYPE_Q4_1:
    case GGML_TYPE_Q4_0:
    case GGML_TYPE_IQ4_NL: return true;
    default: return false;
    }
}

void check_side(const translate_step & step, const kv_storage & side, uint32_t hadamard) {
    const std::string type = ggml_type_name(side.type());
    if (!is_cache_type(side.type())) refuse(step, "the cache type " + type);
    const bool quantised = ggml_is_quantized(side.type());
    if (quantised && side.transposed) refuse(step, "a transposed cache of type " + type);
    if (quantised && side.n_embd() % 32 != 0)
        refuse(step, "rows of " + std::to_string(side.n_embd()) + " values in " + type);
    if (side.n_embd() == 0) refuse(step, "rows without values");
    if (hadamard != 0 && ((hadamard & (hadamard - 1)) != 0 || side.head_size % hadamard != 0))
        refuse(step, "a Hadamard rotation over " + std::to_string(hadamard) + " values");
}

void check_rope(const translate_step & step, const std::shared_ptr<const rope_parameters> & rope,
                const kv_storage & side) {
    if (!rope || rope->none()) return;
    if (!rope->plain()) refuse(step, "several positions per token");
    if (rope->n_dims % 2 != 0 || rope->n_dims < 0 || (uint32_t) rope->n_dims > side.head_size)
        refuse(step, "a rotation of " + std::to_string(rope->n_dims) + " dimensions in heads of size " +
                         std::to_string(side.head_size));
}

// Values that belong together on this side: a piece holds a multiple of it, or the whole row.
uint32_t unit_of(const kv_storage & side, const std::shared_ptr<const rope_parameters> & rope, bool hadamard) {
    const bool whole_heads = hadamard || (rope && !rope->none());
    // Quantised blocks; loads of eight values and the four outputs of a lane.
    const uint32_t least = ggml_is_quantized(side.type()) ? 32 : 8;
    return std::min(whole_heads ? std::lcm(side.head_size, least) : 32u, side.n_embd());
}

uint32_t power_of_two_within(uint32_t n) {
    uint32_t power = 1;
    while (power * 2 <= n) power *= 2;
    return power;
}

// The largest multiple of `unit` up to `limit` that cuts `n` into pieces of nearly equal length.
uint32_t piece_of(uint32_t n, uint32_t unit, uint32_t limit) {
    const uint32_t most = std::max(unit, limit / unit * unit);
    const uint32_t n_pieces = (n + most - 1) / most;
    const uint32_t even = (n + n_pieces - 1) / n_pieces;
    return std::min((even + unit - 1) / unit * unit, n);
}

kernel_side side_of(const kv_storage & storage, bool hadamard, const std::shared_ptr<const rope_parameters> & rope,
                    bool undo) {
    kernel_side side = {};
    const size_t type_size = ggml_type_size(storage.type());
    side.type = (uint32_t) storage.type();
    side.transposed = storage.transposed;
    side.stride =
        storage.transposed ? storage.n_cells * type_size : ggml_row_size(storage.type(), storage.tensor->ne[0]);
    side.n_values = storage.n_embd();
    side.hadamard = hadamard ? storage.hadamard : 0;
    side.hadamard_scale = hadamard ? (float) (1.0 / std::sqrt((double) storage.hadamard)) : 1.0f;
    if (rope && !rope->none()) {
        const double magnitude = frequencies_of(*rope).magnitude;
        side.rope.n_pairs = (uint32_t) rope->n_dims / 2;
        side.rope.adjacent = rope->adjacent();
        side.rope.magnitude = (float) (undo ? 1.0 / magnitude : magnitude);
        side.rope.head_size = storage.head_size;
    }
    return side;
}

}  // namespace

kernel_plan::kernel_plan(std::vector<translate_step> steps, kernel_address address)
    : source_(std::move(steps)), address_(std::move(address)) {
    if (!address_) address_ = [](const ggml_tensor * tensor) { return (uint8_t *) tensor->data; };
    for (const translate_step & step : source_) add_step(step);
    placed_.clear();
}

size_t kernel_plan::rope_index(const std::shared_ptr<const rope_parameters> & rope) {
    if (!rope || rope->none() || rope->n_dims < 2) return no_rope;
    for (size_t i = 0; i < rope_parameters_.size(); i++)
        if (rope_parameters_[i] == *rope) return i;
    rope_parameters_.push_back(*rope);
    ropes_.push_back({ frequencies_of(*rope), 0, 0 });
    return ropes_.size() - 1;
}

void kernel_plan::add_step(const translate_step & step) {
    const kv_storage & from = step.from;
    const kv_storage & to = step.to;
    const bool raw = step.raw(), undo = step.undo_hadamard(), redo = step.do_hadamard();
    check_side(step, from, undo ? from.hadamard : 0);
    check_side(step, to, redo ? to.hadamard : 0);
    check_rope(step, step.unrotate, from);
    check_rope(step, step.rerotate, to);
    if (step.map ? step.map->n_in != from.n_embd() || step.map->n_out != to.n_embd() : from.n_embd() != to.n_embd())
        refuse(step, "rows of " + std::to_string(from.n_embd()) + " and of " + std::to_string(to.n_embd()) + " values");

    kernel_step shape = {};
    shape.from = side_of(from, undo, step.unrotate, true);
    shape.to = side_of(to, redo, step.rerotate, false);
    const bool transposed = from.transposed || to.transposed;
    const uint32_t unit_from = unit_of(from, step.unrotate, undo), unit_to = unit_of(to, step.rerotate, redo);
    const uint32_t n = to.n_embd();

    if (raw) {
        shape.raw = 1;
        shape.raw_bytes = (uint32_t) to.row_bytes();
        shape.piece = transposed ? std::min(n, 128u) : n;
        shape.n_cells = transposed ? (uint32_t) kernel_max_cells
                                   : std::min((uint32_t) kernel_max_cells,
                                              power_of_two_within(std::max(1u, 32768 / shape.raw_bytes)));
    } else if (step.map) {
        if (unit_to > kernel_max_mapped || unit_from > kernel_max_mapped)
            refuse(step, "a linear map over heads of " + std::to_string(std::max(unit_from, unit_to)) + " values");
        shape.piece = piece_of(n, unit_to, 128);
        // 4 x 4 results for each lane.
        const uint32_t n_fours = (shape.piece + 3) / 4;
        shape.n_cells = std::min(32u, 4 * power_of_two_within(kernel_lanes / n_fours));
        while (shape.n_cells > 4 && unit_from * shape.n_cells > kernel_tile_values) shape.n_cells /= 2;
        shape.chunk = piece_of(from.n_embd(), unit_from, kernel_tile_values / shape.n_cells);
    } else {
        const uint32_t unit = std::min(std::lcm(unit_from, unit_to), n);
        if (unit > kernel_tile_values) refuse(step, "heads of " + std::to_string(unit) + " values");
        // Across a transposed side neighbouring cells lie together, so a tile takes more cells and fewer values.
        shape.piece = piece_of(n, unit, transposed ? 64 : 1024);
        shape.n_cells = std::min((uint32_t) kernel_max_cells, power_of_two_within(kernel_tile_values / shape.piece));
    }
    shape.n_pieces = (n + shape.piece - 1) / shape.piece;

    if (step.map) {
        const linear_map & map = *step.map;
        has_maps_ = true;
        const uint32_t pitch = (map.n_out + 3) / 4 * 4;
        const auto known = placed_.find(&map);
        const uint64_t at = known != placed_.end() ? known->second : weights_.size();
        if (known == placed_.end()) {
            placed_[&map] = at;
            weights_.resize(at + ((size_t) map.n_in + 1) * pitch, 0.0f);
            for (uint32_t o = 0; o < map.n_out; o++)
                for (uint32_t i = 0; i < map.n_in; i++)
                    weights_[at + (size_t) i * pitch + o] = map.weight[(size_t) o * map.n_in + i];
            for (size_t o = 0; o < map.bias.size(); o++) weights_[at + (size_t) map.n_in * pitch + o] = map.bias[o];
        }
        shape.weights = at;
        shape.bias = at + (uint64_t) map.n_in * pitch;
        shape.weight_pitch = pitch;
    }
    shapes_.push_back(shape);
    rope_uses_.push_back({ rope_index(step.unrotate), rope_index(step.rerotate) });
}

void kernel_plan::make_angles(uint32_t n_coarse) {
    std::vector<float> angles;
    const auto add = [&](const rope_frequencies & rope, uint64_t position) {
        for (double angle : rope.angles) {
            angles.push_back((float) std::cos((double) position * angle));
            angles.push_back((float) std::sin((double) position * angle));
        }
    };
    for (rope_table & rope : ropes_) {
        rope.fine = (uint32_t) angles.size();
        for (uint32_t p = 0; p < kernel_fine; p++) add(rope.frequencies, p);
        rope.coarse = (uint32_t) angles.size();
        for (uint32_t p = 0; p < n_coarse; p++) add(rope.frequencies, (uint64_t) p * kernel_fine);
    }
    angles_ = std::move(angles);
    n_coarse_ = n_coarse;
    angles_version_++;
}

void kernel_plan::prepare(const translate_job & job) {
    steps_.clear();
    moves_.clear();
    n_groups_ = 0;

    uint32_t first_move[2][2] = {};
    cell_move last[2][2] = {};  // the furthest cells
    llama_pos last_position = 0;
    for (int from = 0; from < 2; from++) {
        for (int to = 0; to < 2; to++) {
            first_move[from][to] = (uint32_t) moves_.size();
            for (const cell_move & move : job.moves[from][to]) {
                if (move.position < 0)
                    throw failure(error_code::inference_failed,
                                  "a cell at the position " + std::to_string(move.position));
                cell_move & furthest = last[from][to];
                furthest.from = std::max(furthest.from, move.from);
                furthest.to = std::max(furthest.to, move.to);
                last_position = std::max(last_position, move.position);
                moves_.push_back({ move.from, move.to, move.position });
            }
        }
    }
    // Twice what is needed, so that a growing conversation makes new tables seldom.
    const uint32_t n_coarse = (uint32_t) last_position / kernel_fine + 1;
    if (!ropes_.empty() && n_coarse > n_coarse_) make_angles(std::max(2 * n_coarse, 32u));

    uint64_t n_groups = 0;
    for (size_t i = 0; i < source_.size(); i++) {
        const translate_step & step = source_[i];
        const std::vector<cell_move> & moves = job.of(step);
        if (moves.empty()) continue;
        const cell_move & furthest = last[step.from.cache][step.to.cache];
        if (furthest.from >= step.from.n_cells || furthest.to >= step.to.n_cells)
            throw failure(error_code::inference_failed,
                          "a cell outside the cache of layer " + std::to_string(step.layer));
        kernel_step out = shapes_[i];
        out.from.data = address_(step.from.tensor) + job.from_stream[step.from.cache] * step.from.stream_bytes();
        out.to.data = address_(step.to.tensor) + job.to_stream[step.to.cache] * step.to.stream_bytes();
        for (kernel_side * side : { &out.from, &out.to }) {
            const uintptr_t place = (uintptr_t) side->data | (uintptr_t) side->stride;
            if (out.raw) {
                side->wide = place % 16 == 0 && (side->transposed || out.raw_bytes % 16 == 0);
            } else if (ggml_is_quantized((ggml_type) side->type)) {
                const auto bytes = [&](uint32_t n) { return n / 32 * ggml_type_size((ggml_type) side->type); };
                // Reading needs two bytes only, and every block lies on two.
                side->wide = side == &out.from ||
                             (place % 4 == 0 && bytes(out.piece) % 4 == 0 && bytes(side->n_values) % 4 == 0);
            } else {
                side->wide = place % 16 == 0 && side->n_values % 8 == 0;
            }
        }
        const rope_use & use = rope_uses_[i];
        const auto fill = [&](kernel_rope & rope, size_t index) {
            if (index == no_rope) return;
            rope.fine = ropes_[index].fine;
            rope.coarse = ropes_[index].coarse;
        };
        fill(out.from.rope, use.from);
        fill(out.to.rope, use.to);
        out.first_move = first_move[step.from.cache][step.to.cache];
        out.n_moves = (uint32_t) moves.size();
        out.first_group = (uint32_t) n_groups;
        n_groups += (uint64_t) ((out.n_moves + out.n_cells - 1) / out.n_cells) * out.n_pieces;
        steps_.push_back(out);
    }
    if (n_groups > (uint64_t) std::numeric_limits<int32_t>::max())
        throw failure(error_code::inference_failed, "more cells than one launch of the device kernels can take");
    n_groups_ = (uint32_t) n_groups;
}

}  // namespace overfill
