// For this room only (it includes llama.cpp's internals): the values of a sequence's cells as one row of bytes, and
// where in the tensors of its caches each of them lies. K of a cache's first layer for all its cells, V of that layer,
// K of the next, ...; the next cache. V may lie channel by channel.
#pragma once

#include "llama-kv-cache.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace overfill {

class cell_values {
  public:
    // The next cache. `cells`: of the sequence's stream, in their order.
    void add(const llama_kv_cache & cache, llama_seq_id sequence, const std::vector<uint32_t> & cells);

    size_t size() const { return size_; }

    // Of the n bytes from `at` on, those that lie together in a tensor, one after the other: move(tensor, offset, n).
    template <class F> void each(size_t at, size_t n, const F & move) const {
        for (size_t done = 0; done < n;) {
            const place where = find(at + done, n - done);
            move(where.tensor, where.offset, where.n);
            done += where.n;
        }
    }

  private:
    // Cells that follow one another.
    struct run {
        size_t from, n, n_before;
    };
    // A tensor: of each line, which is a cell's row or a channel, the cells' pieces.
    struct part {
        ggml_tensor * tensor;
        size_t begin, base, line_bytes, line_stride, cell_bytes;
        std::shared_ptr<const std::vector<run>> runs;
    };
    struct place {
        ggml_tensor * tensor;
        size_t offset, n;
    };
    place find(size_t at, size_t most) const;

    std::vector<part> parts_;
    size_t size_ = 0;
};

}  // namespace overfill
