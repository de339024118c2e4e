#include "row_batches.h"

#include "cached_sequence.h"
#include "clock.h"

#include <algorithm>
#include <utility>

namespace overfill {

// One token of each task's session in one batch of one writer's.
static void read_batch(pair & models, const scheduler::row_request * requests, size_t n) {
    const pair_side by = requests[0].row.by;
    if (n < 2 || !models.costs(by).pays(n)) return;
    const stopwatch watch;
    try {
        std::vector<batch_row> rows;
        for (size_t i = 0; i < n; i++) rows.push_back(requests[i].row);
        if (!cached_sequence::read_rows(models, rows)) return;
    } catch (...) {
        return;  // whose fault it is shows when each reads alone
    }
    llama_context * ctx = models.context(by);
    llama_synchronize(ctx);
    const double ms = watch.milliseconds();
    models.costs(by).saw(n, ms);
    for (size_t i = 0; i < n; i++) {
        const auto & [task, row] = requests[i];
        if (const float * logits = llama_get_logits_ith(ctx, (int32_t) i))
            task->got_row(logits, ms, n);
        else
            row.cache->cut(row.cache->size() - 1);
    }
}

// A batch for each context, since a second one would take the place of the first one's logits.
void read_rows(pair & models, std::vector<scheduler::row_request> & requests) {
    const auto place = [&](const scheduler::row_request & request) {
        // llama.cpp makes one micro-batch of sequences that follow one another.
        return std::make_pair(models.context(request.row.by), request.row.cache->sequence());
    };
    std::sort(requests.begin(), requests.end(), [&](const auto & a, const auto & b) { return place(a) < place(b); });
    for (size_t begin = 0, end = 0; begin < requests.size(); begin = end) {
        while (end < requests.size() && place(requests[end]).first == place(requests[begin]).first) end++;
        read_batch(models, &requests[begin], end - begin);
    }
}

}  // namespace overfill
