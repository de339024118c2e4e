#include "cell_values.h"

#include "cache_cells.h"
#include "cache_tensors.h"
#include "memory_parts.h"

namespace overfill {

void cell_values::add(const llama_kv_cache & cache, llama_seq_id sequence, const std::vector<uint32_t> & cells) {
    if (cells.empty()) return;
    auto runs = std::make_shared<std::vector<run>>();
    for (const uint32_t cell : cells)
        if (!runs->empty() && runs->back().from + runs->back().n == cell)
            runs->back().n++;
        else
            runs->push_back({ cell, 1, runs->empty() ? 0 : runs->back().n_before + runs->back().n });
    const uint32_t stream = stream_in(cache, sequence);
    const auto add = [&](ggml_tensor * of, size_t n_lines, size_t line_stride, size_t cell_bytes) {
        const size_t line_bytes = cells.size() * cell_bytes;
        parts_.push_back({ of, size_, stream * of->nb[2], line_bytes, line_stride, cell_bytes, runs });
        size_ += n_lines * line_bytes;
    };
    const auto rows = [&](ggml_tensor * of) { add(of, 1, 0, of->nb[1]); };
    const auto columns = [&](ggml_tensor * of) {
        const size_t one = ggml_type_size(of->type);
        add(of, (size_t) of->ne[0], (size_t) of->ne[1] * one, one);
    };
    for (const cache_tensors & tensors : tensors_of(cache)) {
        rows(tensors.k);
        if (!tensors.v) continue;
        if (is_transposed(cache))
            columns(tensors.v);
        else
            rows(tensors.v);
    }
}

cell_values::place cell_values::find(size_t at, size_t most) const {
    const auto behind = [](size_t value, const part & one) { return value < one.begin; };
    const part & in = *std::prev(std::upper_bound(parts_.begin(), parts_.end(), at, behind));
    const size_t line = (at - in.begin) / in.line_bytes, within = (at - in.begin) % in.line_bytes;
    const auto before = [](size_t cell, const run & one) { return cell < one.n_before; };
    const run & cells = *std::prev(std::upper_bound(in.runs->begin(), in.runs->end(), within / in.cell_bytes, before));
    const size_t within_run = within - cells.n_before * in.cell_bytes;
    const size_t offset = in.base + line * in.line_stride + cells.from * in.cell_bytes + within_run;
    return { in.tensor, offset, std::min(cells.n * in.cell_bytes - within_run, most) };
}

}  // namespace overfill
