// The CPU implementation: cells in blocks that stay in a core's cache, every block through all layers, so that the
// sines of a block's positions are computed once.
#include "failure.h"
#include "leaf.h"
#include "linear_runner.h"
#include "rotation.h"
#include "row_conversion.h"
#include "stored_rows.h"
#include "stream_copy.h"
#include "thread_team.h"
#include "translation.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <numeric>
#include <optional>

namespace overfill {

namespace {

// Cells that a thread takes at a time: few enough for their rotation tables to stay in the second-level cache; where V
// is transposed, enough to fill several cache lines of every channel.
constexpr uint32_t block_cells = 32;
constexpr uint32_t transposed_block_cells = 1024;
// Rows that a linear map gets at a time: enough for mul_mat to be bound by arithmetic.
constexpr uint32_t map_cells = 512;
// Bytes that a thread copies at a time.
constexpr size_t copy_bytes = (size_t) 4 << 20;

constexpr int none = -1;

struct prepared_step {
    const translate_step * step;
    row_conversion load, store;
    int before = none, after = none;  // rotations, by index, before and after the linear map
    uint32_t undo_hadamard = 0, do_hadamard = 0;
    bool same_values = false;                       // only the layout differs
    kernels::half_rows_to_q8_0 quantize = nullptr;  // does all of the step in one pass, if it is there
};

struct thread_memory {
    std::vector<float> row;                  // [n_embd]
    std::vector<uint8_t> in, out;            // typed rows of a block, for transposed sides
    std::vector<uint32_t> from, to, here;    // the cells of a block, and 0, 1, 2, ...
    std::vector<std::vector<float>> tables;  // by rotation, [cells of a block][2 * n_pairs]
};

class translate_cpu final : public translate_implementation {
  public:
    translate_cpu(const translation & plan, int32_t n_threads) : plan_(plan), n_threads_(n_threads) {
        for (const translate_step & step : plan_.steps) prepare(step);
    }

    const char * name() const override { return "cpu"; }

    void run(const translate_job & job) override {
        try {
            thread_team team(n_threads_);
            memory_.resize(team.size());
            for (thread_memory & memory : memory_) reserve(memory);
            copy_raw(job, team);
            for (size_t a = 0; a < 2; a++)
                for (size_t b = 0; b < 2; b++)
                    for (const uint32_t block : { block_cells, transposed_block_cells })
                        convert_on_host(job, a, b, block, team);
            for (const prepared_step & p : steps_)
                if (p.step->map || !on_host(*p.step)) run_alone(p, job, team);
        } catch (const std::bad_alloc &) {
            throw failure(error_code::out_of_memory, "not enough memory to translate the KV cache");
        }
    }

  private:
    static bool on_host(const translate_step & step) { return step.from.on_host() && step.to.on_host(); }

    void prepare(const translate_step & step) {
        prepared_step p;
        p.step = &step;
        p.load = conversion_of(step.from.type());
        p.store = conversion_of(step.to.type());
        if (step.undo_hadamard()) p.undo_hadamard = step.from.hadamard;
        if (step.do_hadamard()) p.do_hadamard = step.to.hadamard;
        const bool joined =
            step.unrotate && step.rerotate && !step.map && rotation::joinable(*step.unrotate, *step.rerotate);
        if (joined) {
            p.after = rotation_of(step.unrotate, step.rerotate);
        } else {
            if (step.unrotate && !step.unrotate->none()) p.before = rotation_of(step.unrotate, nullptr);
            if (step.rerotate && !step.rerotate->none()) p.after = rotation_of(nullptr, step.rerotate);
        }
        p.same_values = step.from.type() == step.to.type() && !step.map && p.before == none && p.after == none &&
                        p.undo_hadamard == 0 && p.do_hadamard == 0;
        p.quantize = quantizer_of(p);
        steps_.push_back(p);
    }

    // Halves that are quantised and at most rotated by the Hadamard matrix are the commonest of what is computed.
    static kernels::half_rows_to_q8_0 quantizer_of(const prepared_step & p) {
        const bool other_work = p.step->map || p.before != none || p.after != none || p.undo_hadamard != 0;
        const bool has_size = p.do_hadamard == 0 || p.do_hadamard == 64 || p.do_hadamard == 128 || p.do_hadamard == 256;
        const bool rows = !p.step->from.transposed && !p.step->to.transposed;
        if (p.step->from.type() != GGML_TYPE_F16 || p.step->to.type() != GGML_TYPE_Q8_0) return nullptr;
        int count = 0;
        return other_work || !has_size || !rows ? nullptr : kernels::leaves(&count)[0]->halves_to_q8_0;
    }

    // One rotation for all layers that turn alike.
    int rotation_of(const std::shared_ptr<const rope_parameters> & from,
                    const std::shared_ptr<const rope_parameters> & to) {
        const auto same = [](const auto & a, const auto & b) { return a == b || (a && b && *a == *b); };
        for (size_t i = 0; i < rotation_keys_.size(); i++)
            if (same(rotation_keys_[i].first, from) && same(rotation_keys_[i].second, to)) return (int) i;
        rotation_keys_.push_back({ from, to });
        if (from && to)
            rotations_.emplace_back(*from, *to);
        else if (from)
            rotations_.emplace_back(*from, rotation::direction::back);
        else
            rotations_.emplace_back(*to, rotation::direction::forward);
        return (int) rotations_.size() - 1;
    }

    void reserve(thread_memory & memory) const {
        size_t n_values = 0, n_bytes = 0;
        for (const prepared_step & p : steps_) {
            n_values = std::max<size_t>(n_values, std::max(p.step->from.n_embd(), p.step->to.n_embd()));
            n_bytes = std::max(n_bytes, block_of(p) * std::max(p.step->from.row_bytes(), p.step->to.row_bytes()));
        }
        memory.row.resize(n_values);
        memory.in.resize(n_bytes);
        memory.out.resize(n_bytes);
        memory.from.resize(transposed_block_cells);
        memory.to.resize(transposed_block_cells);
        memory.here.resize(transposed_block_cells);
        std::iota(memory.here.begin(), memory.here.end(), 0u);
        memory.tables.resize(rotations_.size());
        for (size_t i = 0; i < rotations_.size(); i++)
            memory.tables[i].resize((size_t) transposed_block_cells * 2 * rotations_[i].n_pairs());
    }

    static uint32_t block_of(const prepared_step & p) {
        return p.step->from.transposed || p.step->to.transposed ? transposed_block_cells : block_cells;
    }

    // The rotations that the steps of one kind of block need.
    void fill_tables(const std::vector<const prepared_step *> & steps, const cell_move * moves, uint32_t n,
                     thread_memory & memory) const {
        for (int r = 0; r < (int) rotations_.size(); r++) {
            const auto uses = [r](const prepared_step * p) { return p->before == r || p->after == r; };
            if (std::none_of(steps.begin(), steps.end(), uses)) continue;
            const rotation & turn = rotations_[(size_t) r];
            float * table = memory.tables[(size_t) r].data();
            for (uint32_t i = 0; i < n; i++) turn.fill(moves[i].position, table + i * 2 * turn.n_pairs());
        }
    }

    // --- the parts of a step, for the cells of one block ---

    void turn(int which, uint32_t cell, float * row, const kv_storage & storage, const thread_memory & memory) const {
        if (which == none) return;
        const rotation & r = rotations_[(size_t) which];
        r.apply(memory.tables[(size_t) which].data() + (size_t) cell * 2 * r.n_pairs(), row, storage.n_head,
                storage.head_size);
    }

    // The cell's typed row as float, up to the linear map.
    void load(const prepared_step & p, const uint8_t * typed, uint32_t cell, float * row,
              const thread_memory & memory) const {
        const uint32_t n_embd = p.step->from.n_embd();
        p.load.to_float(typed, row, n_embd);
        if (p.undo_hadamard) hadamard_rotate(row, n_embd, p.undo_hadamard);
        turn(p.before, cell, row, p.step->from, memory);
    }

    // From the linear map on.
    void store(const prepared_step & p, float * row, uint32_t cell, uint8_t * typed,
               const thread_memory & memory) const {
        const uint32_t n_embd = p.step->to.n_embd();
        const linear_map * map = p.step->map.get();
        if (map && !map->bias.empty())
            for (uint32_t c = 0; c < n_embd; c++) row[c] += map->bias[c];
        turn(p.after, cell, row, p.step->to, memory);
        if (p.do_hadamard) hadamard_rotate(row, n_embd, p.do_hadamard);
        p.store.from_float(row, typed, n_embd);
    }

    // Where the typed rows of a block are to be read: in the cache, or gathered.
    static const uint8_t * source_row(const stored_rows & from, const cell_move * moves, uint32_t i,
                                      const thread_memory & memory) {
        return from.transposed ? memory.in.data() + i * from.row_bytes : from.row(moves[i].from);
    }
    static uint8_t * target_row(const stored_rows & to, const cell_move * moves, uint32_t i, thread_memory & memory) {
        return to.transposed ? memory.out.data() + i * to.row_bytes : to.row(moves[i].to);
    }

    // Brings a block of a transposed source into rows, and rows into a block of a transposed target.
    static void gather(const prepared_step & p, const stored_rows & from, const cell_move * moves, uint32_t n,
                       thread_memory & memory) {
        for (uint32_t i = 0; i < n; i++) memory.from[i] = moves[i].from;
        stored_rows rows = compact_rows(p.step->from, n, memory.in.data());
        rows.transposed = false;
        rows_from_transposed(from, memory.from.data(), n, rows, memory.here.data());
    }
    static void scatter(const prepared_step & p, const cell_move * moves, uint32_t n, const stored_rows & to,
                        thread_memory & memory) {
        for (uint32_t i = 0; i < n; i++) memory.to[i] = moves[i].to;
        stored_rows rows = compact_rows(p.step->to, n, memory.out.data());
        rows.transposed = false;
        transposed_from_rows(rows, memory.here.data(), n, to, memory.to.data());
    }

    void convert_block(const prepared_step & p, const stored_rows & from, const stored_rows & to,
                       const cell_move * moves, uint32_t n, thread_memory & memory) const {
        if (p.same_values) return transpose_block(from, to, moves, n, memory);
        if (p.quantize) return quantize_block(p, from, to, moves, n, memory);
        if (from.transposed) gather(p, from, moves, n, memory);
        for (uint32_t i = 0; i < n; i++) {
            load(p, source_row(from, moves, i, memory), i, memory.row.data(), memory);
            store(p, memory.row.data(), i, target_row(to, moves, i, memory), memory);
        }
        if (to.transposed) scatter(p, moves, n, to, memory);
    }

    static void quantize_block(const prepared_step & p, const stored_rows & from, const stored_rows & to,
                               const cell_move * moves, uint32_t n, thread_memory & memory) {
        for (uint32_t i = 0; i < n; i++) {
            const uint16_t * row = (const uint16_t *) from.row(moves[i].from);
            p.quantize(row, memory.out.data(), from.n_embd, (int) p.do_hadamard);
            stream_copy(to.row(moves[i].to), memory.out.data(), to.row_bytes);
        }
    }

    // From cache to cache, one of them transposed.
    static void transpose_block(const stored_rows & from, const stored_rows & to, const cell_move * moves, uint32_t n,
                                thread_memory & memory) {
        for (uint32_t i = 0; i < n; i++) {
            memory.from[i] = moves[i].from;
            memory.to[i] = moves[i].to;
        }
        if (from.transposed)
            rows_from_transposed(from, memory.from.data(), n, to, memory.to.data());
        else
            transposed_from_rows(from, memory.from.data(), n, to, memory.to.data());
    }

    // Calls work(first cell, number of cells, member) for blocks of the moves.
    template <class Work>
    static void each_block(thread_team & team, size_t n_moves, uint32_t block, const Work & work) {
        team.each((n_moves + block - 1) / block, [&](size_t index, size_t member) {
            const size_t first = index * block;
            work(first, (uint32_t) std::min<size_t>(block, n_moves - first), member);
            stream_fence();
        });
    }

    // --- the loops ---

    void copy_raw(const translate_job & job, thread_team & team) const {
        std::vector<byte_move> pieces;
        for (const translate_step & step : plan_.steps)
            if (step.raw() && on_host(step))
                append_byte_moves(rows_of(step.from, job.from_stream[step.from.cache]),
                                  rows_of(step.to, job.to_stream[step.to.cache]), runs_of(job.of(step)), copy_bytes,
                                  pieces);
        team.each(pieces.size(), [&](size_t i, size_t) {
            stream_copy(pieces[i].to, pieces[i].from, pieces[i].n_bytes);
            stream_fence();
        });
    }

    // All steps without a linear map between two caches in host memory, block by block.
    void convert_on_host(const translate_job & job, size_t from_cache, size_t to_cache, uint32_t block,
                         thread_team & team) {
        std::vector<const prepared_step *> steps;
        for (const prepared_step & p : steps_)
            if (!p.step->raw() && !p.step->map && on_host(*p.step) && p.step->from.cache == from_cache &&
                p.step->to.cache == to_cache && block_of(p) == block)
                steps.push_back(&p);
        const std::vector<cell_move> & moves = job.moves[from_cache][to_cache];
        if (steps.empty()) return;
        each_block(team, moves.size(), block, [&](size_t first, uint32_t n, size_t member) {
            thread_memory & memory = memory_[member];
            fill_tables(steps, moves.data() + first, n, memory);
            for (const prepared_step * p : steps)
                convert_block(*p, rows_of(p->step->from, job.from_stream[from_cache]),
                              rows_of(p->step->to, job.to_stream[to_cache]), moves.data() + first, n, memory);
        });
    }

    // One step with a linear map, or with a side on a device; that side passes through a compact copy of this layer.
    void run_alone(const prepared_step & p, const translate_job & job, thread_team & team) {
        const translate_step & step = *p.step;
        const std::vector<cell_move> & moves = job.of(step);
        const uint32_t n = (uint32_t) moves.size();
        if (n == 0) return;
        const std::vector<cell_run> runs = runs_of(moves);
        const uint32_t from_stream = job.from_stream[step.from.cache], to_stream = job.to_stream[step.to.cache];
        if (step.raw()) return copy_cells(step, from_stream, to_stream, runs, staging_in_);

        std::vector<cell_move> here = moves;
        stored_rows from, to;
        if (step.from.on_host()) {
            from = rows_of(step.from, from_stream);
        } else {
            staging_in_.resize(n * step.from.row_bytes());
            from = compact_rows(step.from, n, staging_in_.data());
            fetch_cells(step.from, from_stream, runs, from);
            for (uint32_t i = 0; i < n; i++) here[i].from = i;
        }
        if (step.to.on_host()) {
            to = rows_of(step.to, to_stream);
        } else {
            staging_out_.resize(n * step.to.row_bytes());
            to = compact_rows(step.to, n, staging_out_.data());
            for (uint32_t i = 0; i < n; i++) here[i].to = i;
        }

        if (step.map) {
            apply_map(p, from, to, here, team);
        } else {
            each_block(team, n, block_of(p), [&](size_t first, uint32_t n_here, size_t member) {
                fill_tables({ &p }, here.data() + first, n_here, memory_[member]);
                convert_block(p, from, to, here.data() + first, n_here, memory_[member]);
            });
        }
        if (!step.to.on_host()) send_cells(to, runs, step.to, to_stream);
    }

    void apply_map(const prepared_step & p, const stored_rows & from, const stored_rows & to,
                   const std::vector<cell_move> & moves, thread_team & team) {
        if (!linear_) linear_.emplace(n_threads_);
        const uint32_t n_in = p.step->from.n_embd(), n_out = p.step->to.n_embd();
        map_in_.resize((size_t) map_cells * n_in);
        map_out_.resize((size_t) map_cells * n_out);
        for (size_t at = 0; at < moves.size(); at += map_cells) {
            const uint32_t n = std::min<uint32_t>(map_cells, (uint32_t) (moves.size() - at));
            const cell_move * here = moves.data() + at;
            each_block(team, n, block_of(p), [&](size_t first, uint32_t n_here, size_t member) {
                thread_memory & memory = memory_[member];
                fill_tables({ &p }, here + first, n_here, memory);
                if (from.transposed) gather(p, from, here + first, n_here, memory);
                for (uint32_t i = 0; i < n_here; i++)
                    load(p, source_row(from, here + first, i, memory), i, map_in_.data() + (first + i) * n_in, memory);
            });
            linear_->run(*p.step->map, map_in_.data(), map_out_.data(), n);
            each_block(team, n, block_of(p), [&](size_t first, uint32_t n_here, size_t member) {
                thread_memory & memory = memory_[member];
                fill_tables({ &p }, here + first, n_here, memory);
                for (uint32_t i = 0; i < n_here; i++)
                    store(p, map_out_.data() + (first + i) * n_out, i, target_row(to, here + first, i, memory), memory);
                if (to.transposed) scatter(p, here + first, n_here, to, memory);
            });
        }
    }

    translation plan_;
    int32_t n_threads_;
    std::vector<prepared_step> steps_;
    std::vector<rotation> rotations_;
    std::vector<std::pair<std::shared_ptr<const rope_parameters>, std::shared_ptr<const rope_parameters>>>
        rotation_keys_;
    std::vector<thread_memory> memory_;
    std::vector<uint8_t> staging_in_, staging_out_;
    std::vector<float> map_in_, map_out_;
    std::optional<linear_runner> linear_;
};

}  // namespace

std::unique_ptr<translate_implementation> make_cpu_translate(const translation & plan, int32_t n_threads) {
    return std::make_unique<translate_cpu>(plan, n_threads);
}

}  // namespace overfill
