#include "row_batches.h"

#include "cached_sequence.h"
#include "clock.h"

#include <algorithm>
#include <tuple>

namespace overfill {

namespace {

using requests = std::vector<scheduler::row_request>;

// Those of [begin, end) that go into one batch, and how many tokens are read of each.
struct batch_of_rows {
    size_t end;
    uint32_t n_each = 0;  // 0: its own
    size_t n_tokens = 0, n_read = 0;
};

batch_of_rows fit(const pair & models, const requests & all, size_t begin, size_t end) {
    const uint32_t n_context = models.info().context_size;
    batch_of_rows out{ begin };
    uint32_t longest = 0;
    bool has_room = models.in_streams();
    for (; out.end < end; out.end++) {
        const batch_row & row = all[out.end].row;
        const uint32_t longer = std::max(longest, row.n);
        const size_t n_tokens = out.n_tokens + row.n, n_rows = out.end + 1 - begin;
        if (n_tokens > models.most_logits_of_rows() || n_rows * longer > models.most_in_rows()) break;
        longest = longer;
        out.n_tokens = n_tokens;
    }
    for (size_t i = begin; i < out.end; i++) has_room = has_room && all[i].row.cache->size() + longest <= n_context;
    if (has_room) out.n_each = longest;
    out.n_read = has_room ? longest * (out.end - begin) : out.n_tokens;
    return out;
}

// The next tokens of each task's session in one batch of one context. What does not fit in is left to the tasks. False:
// nothing was read.
bool read_batch(pair & models, requests & all, size_t begin, size_t end) {
    const pair_side by = all[begin].row.by;
    const batch_of_rows batch = fit(models, all, begin, end);
    std::vector<batch_row> rows;
    std::vector<uint32_t> lengths;
    const stopwatch watch;
    try {
        for (size_t i = begin; i < batch.end; i++) {
            rows.push_back(all[i].row);
            lengths.push_back(all[i].row.n);
        }
        if (rows.size() < 2 || !models.costs(by).pays(batch.n_read, lengths)) return false;
        if (!cached_sequence::read_rows(models, rows, batch.n_each)) return false;
    } catch (...) {
        return false;  // whose fault it is shows when each reads alone
    }
    llama_context * ctx = models.context(by);
    llama_synchronize(ctx);
    const double ms = watch.milliseconds();
    models.costs(by).saw(batch.n_read, ms);
    int32_t first = 0;
    for (size_t i = begin; i < batch.end; i++) {
        const batch_row & row = all[i].row;
        if (const float * logits = llama_get_logits_ith(ctx, first)) {
            all[i].by->got_row({ logits, first, ms, (double) row.n / (double) batch.n_tokens });
            all[i].was_read = true;
        } else {
            row.cache->cut(row.cache->size() - row.n);
        }
        first += (int32_t) std::max(row.n, batch.n_each);
    }
    return true;
}

}  // namespace

// A batch for each context, since a second one would take the place of the first one's logits. Single tokens and longer
// checks do not go together: where rows are filled up to the longest, each single one would become as long.
void read_rows(pair & models, requests & all) {
    const auto place = [&](const scheduler::row_request & request) {
        // llama.cpp makes one micro-batch of sequences that follow one another.
        return std::make_tuple(models.context(request.row.by), request.row.n > 1, request.row.cache->sequence());
    };
    std::sort(all.begin(), all.end(), [&](const auto & a, const auto & b) { return place(a) < place(b); });
    for (size_t begin = 0, end = 0; begin < all.size(); begin = end) {
        size_t checks = begin;
        for (; end < all.size() && std::get<0>(place(all[end])) == std::get<0>(place(all[begin])); end++)
            checks += all[end].row.n == 1;
        const bool checks_first = end - checks > checks - begin;
        const auto read = [&](bool longer) {
            return longer ? checks < end && read_batch(models, all, checks, end)
                          : begin < checks && read_batch(models, all, begin, checks);
        };
        if (!read(checks_first)) read(!checks_first);
    }
}

}  // namespace overfill
