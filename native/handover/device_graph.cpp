// A graph is built once for a fixed number of cells and run again for every such window of the sequence; which cells it
// reads and writes are inputs. Rows go through get_rows and set_rows, which also convert. Transposed V is addressed
// value by value in the same way, or, where a window's cells lie next to each other, through views that are moved.
#include "device_graph.h"

#include "device_constants.h"
#include "failure.h"
#include "rotation.h"
#include "stored_rows.h"

#include <ggml-alloc.h>
#include <ggml-cpp.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>

namespace overfill {

namespace {

constexpr uint32_t largest_window = 512;

std::string step_name(const translate_step & step) {
    return std::string(step.is_k ? "K" : "V") + " of layer " + std::to_string(step.layer);
}

class ggml_device_graph final : public device_graph {
  public:
    ggml_device_graph(std::vector<const translate_step *> steps, ggml_backend_dev_t device, int32_t n_threads)
        : steps_(std::move(steps)), device_(device) {
        backend_.reset(ggml_backend_dev_init(device_, nullptr));
        if (!backend_)
            throw failure(error_code::out_of_memory,
                          std::string("no back end for the device ") + ggml_backend_dev_name(device_));
        const auto set_threads = (ggml_backend_set_n_threads_t) ggml_backend_reg_get_proc_address(
            ggml_backend_dev_backend_reg(device_), "ggml_backend_set_n_threads");
        if (set_threads) set_threads(backend_.get(), n_threads);
        constants_.emplace(steps_, backend_.get());
        for (const translate_step * step : steps_) {
            any_transposed_ = any_transposed_ || step->from.transposed || step->to.transposed;
            window_ = std::min({ window_, step->from.n_cells, step->to.n_cells });
        }
        indexed_ = build(false);
        if (any_transposed_) windowed_ = build(true);
    }

    void run(const translate_job & job) override {
        const std::vector<cell_move> & moves = job.of(*steps_.front());
        for (size_t at = 0; at < moves.size(); at += window_) run_window(job, window_of(moves, at));
    }

  private:
    // What a built graph needs to be pointed at a window.
    struct step_inputs {
        ggml_tensor * staged = nullptr;  // the source's cells, where the source is on another device
        // Windowed graphs: all views of a transposed side, to be moved with the window.
        std::vector<ggml_tensor *> source_views, target_views;
        // Indexed graphs: the places of all values of a transposed side, [window * n_embd].
        ggml_tensor * from_values = nullptr;  // I32
        ggml_tensor * to_values = nullptr;    // I64
    };
    struct built {
        bool windowed = false;
        ggml_context_ptr ctx;
        ggml_cgraph * graph = nullptr;
        std::unique_ptr<ggml_gallocr, void (*)(ggml_gallocr_t)> memory{ nullptr, ggml_gallocr_free };
        // Null where no step uses them.
        ggml_tensor * from_rows = nullptr;  // I32 [window]
        ggml_tensor * to_rows = nullptr;    // I64 [window]
        ggml_tensor * positions = nullptr;  // I32 [window]
        ggml_tensor * iota = nullptr;       // I32: 0, 1, 2, ...
        std::map<const translate_step *, step_inputs> inputs;
    };

    bool foreign(const translate_step & step) const { return device_of(step.from.tensor) != device_; }

    // --- building ---

    static ggml_tensor * input(built & g, ggml_type type, int64_t n, const char * name) {
        ggml_tensor * tensor = ggml_new_tensor_1d(g.ctx.get(), type, n);
        ggml_set_input(tensor);
        ggml_set_name(tensor, name);
        return tensor;
    }

    // The first n of all rows.
    ggml_tensor * all(built & g, uint32_t n) {
        if (!g.iota) {
            uint32_t most = window_;
            for (const translate_step * step : steps_)
                most = std::max({ most, step->from.n_embd(), step->to.n_embd() });
            g.iota = input(g, GGML_TYPE_I32, most, "all");
            ggml_set_output(g.iota);  // set once: its memory is not given to others
        }
        return ggml_view_1d(g.ctx.get(), g.iota, n, 0);
    }

    // A stream-spanning view of a cache as rows, or of a transposed one as single values.
    static ggml_tensor * as_rows(ggml_context * ctx, ggml_tensor * tensor) {
        return ggml_reshape_2d(ctx, tensor, tensor->ne[0], tensor->ne[1] * tensor->ne[2]);
    }
    static ggml_tensor * as_values(ggml_context * ctx, ggml_tensor * tensor) {
        return ggml_reshape_2d(ctx, tensor, 1, ggml_nelements(tensor));
    }
    ggml_tensor * as_window(ggml_context * ctx, const kv_storage & s) {
        return ggml_view_2d(ctx, s.tensor, window_, s.n_embd(), s.n_cells * ggml_type_size(s.type()), 0);
    }

    // The source's rows as f32 [n_embd, window].
    ggml_tensor * load(built & g, const translate_step & step) {
        ggml_context * ctx = g.ctx.get();
        const kv_storage & from = step.from;
        step_inputs & inputs = g.inputs[&step];
        const bool staged = foreign(step);
        if (staged) {
            inputs.staged = from.transposed ? ggml_new_tensor_2d(ctx, from.type(), window_, from.n_embd())
                                            : ggml_new_tensor_2d(ctx, from.type(), from.n_embd(), window_);
            ggml_set_input(inputs.staged);
        }
        if (!from.transposed) {
            if (staged) return ggml_get_rows(ctx, inputs.staged, all(g, window_));
            if (!g.from_rows) g.from_rows = input(g, GGML_TYPE_I32, window_, "from");
            return ggml_get_rows(ctx, as_rows(ctx, from.tensor), g.from_rows);
        }
        if (staged || g.windowed) {
            ggml_tensor * view = staged ? inputs.staged : as_window(ctx, from);
            if (!staged) inputs.source_views = { view };
            // Channels are rows here: they are converted whole and turned afterwards.
            return ggml_cont(ctx, ggml_transpose(ctx, ggml_get_rows(ctx, view, all(g, from.n_embd()))));
        }
        const int64_t n = (int64_t) window_ * from.n_embd();
        inputs.from_values = input(g, GGML_TYPE_I32, n, "from values");
        ggml_tensor * values = ggml_get_rows(ctx, as_values(ctx, from.tensor), inputs.from_values);
        return ggml_reshape_2d(ctx, values, from.n_embd(), window_);
    }

    void store(built & g, const translate_step & step, ggml_tensor * rows) {
        ggml_context * ctx = g.ctx.get();
        const kv_storage & to = step.to;
        step_inputs & inputs = g.inputs[&step];
        ggml_tensor * out = nullptr;
        if (!to.transposed) {
            if (!g.to_rows) g.to_rows = input(g, GGML_TYPE_I64, window_, "to");
            out = ggml_set_rows(ctx, as_rows(ctx, to.tensor), rows, g.to_rows);
        } else if (g.windowed) {
            ggml_tensor * view = as_window(ctx, to);
            out = ggml_set_rows(ctx, view, ggml_cont(ctx, ggml_transpose(ctx, rows)), all(g, to.n_embd()));
            inputs.target_views = { view, out };
        } else {
            const int64_t n = (int64_t) window_ * to.n_embd();
            inputs.to_values = input(g, GGML_TYPE_I64, n, "to values");
            out = ggml_set_rows(ctx, as_values(ctx, to.tensor), ggml_reshape_2d(ctx, rows, 1, n), inputs.to_values);
        }
        ggml_build_forward_expand(g.graph, out);
    }

    ggml_tensor * hadamard(built & g, ggml_tensor * rows, uint32_t size) {
        ggml_context * ctx = g.ctx.get();
        const int64_t n_embd = rows->ne[0];
        ggml_tensor * blocks = ggml_reshape_2d(ctx, rows, size, n_embd / size * window_);
        ggml_tensor * turned = ggml_mul_mat(ctx, constants_->hadamard(size), blocks);
        ggml_prec_set_acc(turned, GGML_PREC_F32);
        // Back ends that know what the matrix is need no multiplications.
        ggml_mul_mat_set_hint(turned, GGML_HINT_SRC0_IS_HADAMARD);
        return ggml_reshape_2d(ctx, turned, n_embd, window_);
    }

    // ggml's RoPE with a base of one and no scaling turns by position / factor: any rotation is one of its own factors.
    ggml_tensor * rotate(built & g, ggml_tensor * rows, const rotation & turn, const kv_storage & storage) {
        if (turn.n_pairs() == 0) return rows;
        ggml_context * ctx = g.ctx.get();
        if (!g.positions) g.positions = input(g, GGML_TYPE_I32, window_, "positions");
        ggml_tensor * heads = ggml_reshape_3d(ctx, rows, storage.head_size, storage.n_head, window_);
        ggml_tensor * turned = ggml_rope_ext(
            ctx, heads, g.positions, constants_->inverse_angles(turn), 2 * (int) turn.n_pairs(),
            turn.adjacent() ? LLAMA_ROPE_TYPE_NORM : LLAMA_ROPE_TYPE_NEOX, /*n_ctx_orig*/ 1,
            /*freq_base*/ 1.0f, /*freq_scale*/ 1.0f, /*ext_factor*/ 0.0f, (float) turn.magnitude(), 32.0f, 1.0f);
        return ggml_reshape_2d(ctx, turned, rows->ne[0], window_);
    }

    built build(bool windowed) {
        built g;
        g.windowed = windowed;
        const size_t n_nodes = 24 * steps_.size() + 16;
        g.ctx.reset(ggml_init(
            { 2 * n_nodes * ggml_tensor_overhead() + ggml_graph_overhead_custom(n_nodes, false), nullptr, true }));
        if (!g.ctx) throw std::bad_alloc();
        g.graph = ggml_new_graph_custom(g.ctx.get(), n_nodes, false);
        for (const translate_step * step : steps_) {
            ggml_tensor * rows = load(g, *step);
            if (step->undo_hadamard()) rows = hadamard(g, rows, step->from.hadamard);
            const std::vector<rotation> turns = turns_of(*step);
            rows = rotate(g, rows, turns[0], step->from);
            if (const linear_map * map = step->map.get()) {
                rows = ggml_mul_mat(g.ctx.get(), constants_->weight(*map), rows);
                ggml_prec_set_acc(rows, GGML_PREC_F32);
                if (!map->bias.empty()) rows = ggml_add(g.ctx.get(), rows, constants_->bias(*map));
            }
            rows = rotate(g, rows, turns[1], step->to);
            if (step->do_hadamard()) rows = hadamard(g, rows, step->to.hadamard);
            store(g, *step, rows);
            check_supported(g, *step);
        }
        g.memory.reset(ggml_gallocr_new(ggml_backend_get_default_buffer_type(backend_.get())));
        if (!g.memory || !ggml_gallocr_alloc_graph(g.memory.get(), g.graph)) throw std::bad_alloc();
        if (g.iota) {
            std::vector<int32_t> rows((size_t) g.iota->ne[0]);
            std::iota(rows.begin(), rows.end(), 0);
            ggml_backend_tensor_set(g.iota, rows.data(), 0, rows.size() * sizeof(int32_t));
        }
        return g;
    }

    // ggml_get_rows takes 32-bit indices: of rows, and for V that lies transposed of single values.
    void check_supported(const built & g, const translate_step & step) const {
        const int64_t n_indices =
            step.from.transposed ? ggml_nelements(step.from.tensor) : ggml_nrows(step.from.tensor);
        if (n_indices > INT32_MAX)
            throw failure(error_code::handover_unavailable,
                          step_name(step) + " is too large a cache for a graph to translate");
        for (int i = 0; i < ggml_graph_n_nodes(g.graph); i++) {
            const ggml_tensor * node = ggml_graph_node(g.graph, i);
            if (ggml_backend_supports_op(backend_.get(), node)) continue;
            throw failure(error_code::handover_unavailable,
                          std::string("the device ") + ggml_backend_dev_name(device_) + " cannot translate " +
                              step_name(step) + " as a graph: it has no " + ggml_op_desc(node) + " from " +
                              ggml_type_name(node->src[0]->type) + " to " + ggml_type_name(node->type),
                          { { "device", ggml_backend_dev_name(device_) }, { "operation", ggml_op_desc(node) } });
        }
    }

    // --- running ---

    // A window's moves. The last one begins earlier, so that it is full; where there are too few cells for that, the
    // last cell is repeated. What is translated twice comes out the same.
    struct window {
        std::vector<cell_move> moves;  // [window]
        uint32_t n_cells;              // different ones
    };
    window window_of(const std::vector<cell_move> & moves, size_t at) {
        if (moves.size() >= window_) at = std::min(at, moves.size() - window_);
        const size_t n = std::min<size_t>(window_, moves.size() - at);
        window out{ { moves.begin() + (long) at, moves.begin() + (long) (at + n) }, (uint32_t) n };
        out.moves.resize(window_, out.moves.back());
        return out;
    }

    void run_window(const translate_job & job, const window & w) {
        const std::vector<cell_move> & moves = w.moves;
        built & g = any_transposed_ && runs_of(moves).size() == 1 ? windowed_ : indexed_;
        const translate_step & any = *steps_.front();
        const uint32_t from_stream = job.from_stream[any.from.cache], to_stream = job.to_stream[any.to.cache];

        // Rows are counted over all streams; the layers of a cache have one number of cells.
        std::vector<int32_t> from, positions;
        std::vector<int64_t> to;
        for (const cell_move & move : moves) {
            from.push_back((int32_t) ((int64_t) from_stream * any.from.n_cells + move.from));
            to.push_back((int64_t) to_stream * any.to.n_cells + move.to);
            positions.push_back(move.position);
        }
        const auto set = [](ggml_tensor * tensor, const auto & values) {
            if (tensor) ggml_backend_tensor_set(tensor, values.data(), 0, values.size() * sizeof(values[0]));
        };
        set(g.from_rows, from);
        set(g.to_rows, to);
        set(g.positions, positions);
        for (const translate_step * step : steps_) point(g, *step, w, from_stream, to_stream);

        const ggml_status status = ggml_backend_graph_compute(backend_.get(), g.graph);
        if (status == GGML_STATUS_ALLOC_FAILED) throw std::bad_alloc();
        if (status != GGML_STATUS_SUCCESS)
            throw failure(error_code::inference_failed,
                          std::string("the device ") + ggml_backend_dev_name(device_) +
                              " could not translate the KV cache",
                          { { "status", (int) status } });
    }

    static void move_view(ggml_tensor * view, size_t offset) {
        view->view_offs = offset;
        view->data = (uint8_t *) view->view_src->data + offset;
    }

    template <class Index>
    void set_values(ggml_tensor * tensor, const kv_storage & s, uint32_t stream, const std::vector<cell_move> & moves,
                    uint32_t cell_move::*side) {
        std::vector<Index> index;
        index.reserve((size_t) window_ * s.n_embd());
        const Index begin = (Index) (stream * (s.stream_bytes() / ggml_type_size(s.type())));
        for (const cell_move & move : moves)
            for (uint32_t c = 0; c < s.n_embd(); c++) index.push_back(begin + (Index) c * s.n_cells + move.*side);
        ggml_backend_tensor_set(tensor, index.data(), 0, index.size() * sizeof(Index));
    }

    // Points one step's inputs at a window.
    void point(built & g, const translate_step & step, const window & w, uint32_t from_stream, uint32_t to_stream) {
        const step_inputs & in = g.inputs.at(&step);
        const std::vector<cell_move> & moves = w.moves;
        if (in.staged) {
            staging_.resize(ggml_nbytes(in.staged));
            const stored_rows here = compact_rows(step.from, window_, staging_.data());
            fetch_cells(step.from, from_stream, runs_of({ moves.begin(), moves.begin() + w.n_cells }), here);
            repeat_last_cell(here, w.n_cells);
            ggml_backend_tensor_set(in.staged, staging_.data(), 0, staging_.size());
        }
        for (ggml_tensor * view : in.source_views)
            move_view(view, from_stream * step.from.stream_bytes() + moves[0].from * ggml_type_size(step.from.type()));
        for (ggml_tensor * view : in.target_views)
            move_view(view, to_stream * step.to.stream_bytes() + moves[0].to * ggml_type_size(step.to.type()));
        if (in.from_values) set_values<int32_t>(in.from_values, step.from, from_stream, moves, &cell_move::from);
        if (in.to_values) set_values<int64_t>(in.to_values, step.to, to_stream, moves, &cell_move::to);
    }

    std::vector<const translate_step *> steps_;
    ggml_backend_dev_t device_;
    ggml_backend_ptr backend_;
    std::optional<device_constants> constants_;
    built indexed_, windowed_;
    uint32_t window_ = largest_window;  // cells
    bool any_transposed_ = false;
    std::vector<uint8_t> staging_;
};

}  // namespace

std::unique_ptr<device_graph> make_device_graph(std::vector<const translate_step *> steps, ggml_backend_dev_t device,
                                                int32_t n_threads) {
    return std::make_unique<ggml_device_graph>(std::move(steps), device, n_threads);
}

}  // namespace overfill
