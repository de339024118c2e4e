#include "micro_batches.h"

#include <algorithm>
#include <numeric>

namespace overfill {

static uint32_t padded(size_t n, uint32_t multiple) { return (uint32_t) ((n + multiple - 1) / multiple * multiple); }

namespace {

struct row {
    std::vector<size_t> sequences;
    size_t n_tokens = 0;
    size_t n_prefix = 0;
};

}  // namespace

// First fit, longest first. A sequence with a prefix has a row to itself: the prefix is one segment's only.
static std::vector<row> make_rows(const std::vector<train_sequence> & sequences, uint32_t room) {
    std::vector<size_t> order(sequences.size());
    std::iota(order.begin(), order.end(), (size_t) 0);
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
        const auto key = [](const train_sequence & s) { return std::make_pair(s.prefix.size(), s.tokens.size()); };
        return key(sequences[a]) > key(sequences[b]);
    });
    std::vector<row> rows;
    for (const size_t i : order) {
        const train_sequence & sequence = sequences[i];
        const size_t n = sequence.tokens.size();
        const auto fits = std::find_if(rows.begin(), rows.end(), [&](const row & candidate) {
            return sequence.prefix.empty() && candidate.n_prefix == 0 && candidate.n_tokens + n <= room;
        });
        row & into = fits == rows.end() ? rows.emplace_back() : *fits;
        into.sequences.push_back(i);
        into.n_tokens += n;
        into.n_prefix = sequence.prefix.size();
    }
    return rows;
}

// Rows that are computed at once: those from `begin` on, before `end`.
struct batch_rows {
    size_t begin, end;
    batch_shape shape;
};

// Longest first, so that rows of a batch are of about one length: all are padded to that of the longest.
static std::vector<batch_rows> split(std::vector<row> & rows, const micro_batch_limits & limits) {
    // Packing makes the rows' lengths differ from the sequences' order.
    std::stable_sort(rows.begin(), rows.end(), [](const row & a, const row & b) {
        return std::make_pair(a.n_prefix, a.n_tokens) > std::make_pair(b.n_prefix, b.n_tokens);
    });
    std::vector<batch_rows> batches;
    for (size_t begin = 0; begin < rows.size();) {
        // The rows are sorted, but a shorter prefix may come with more tokens.
        batch_shape shape{ 0, 0, padded(rows[begin].n_prefix, limits.prefix_bucket) };
        size_t end = begin;
        for (; end < rows.size(); end++) {
            if (padded(rows[end].n_prefix, limits.prefix_bucket) != shape.n_prefix) break;
            const uint32_t n_tokens = std::max(shape.n_tokens, padded(rows[end].n_tokens, limits.token_bucket));
            const uint32_t n_sequences = (uint32_t) (end - begin + 1);
            const uint64_t n_row = (uint64_t) n_tokens + (limits.counts_prefix ? shape.n_prefix : 0);
            if (end > begin && n_row * n_sequences > limits.n_tokens) break;
            shape.n_tokens = n_tokens;
            shape.n_sequences = n_sequences;
        }
        batches.push_back({ begin, end, shape });
        begin = end;
    }
    return batches;
}

// How many keys are computed for all tokens of a row together, padded to n.
static double n_keys_of(const row & one, size_t n, const std::vector<train_sequence> & sequences,
                        const micro_batch_limits & limits) {
    if (limits.key_block == 0) return (double) n * (double) n;
    double sum = 0;
    size_t start = 0;  // of the text that the block's first token is in
    for (size_t block = 0, text = 0; block < n; block += limits.key_block) {
        for (; text < one.sequences.size(); text++) {
            const size_t length = sequences[one.sequences[text]].tokens.size();
            if (start + length > block) break;
            start += length;
        }
        const size_t end = std::min(block + limits.key_block, n), begin = text < one.sequences.size() ? start : block;
        sum += (double) (end - block) * (double) (end - begin);
    }
    return sum;
}

static double cost_of(std::vector<row> & rows, const std::vector<train_sequence> & sequences,
                      const micro_batch_limits & limits) {
    double cost = 0;
    for (const batch_rows & batch : split(rows, limits))
        for (size_t i = batch.begin; i < batch.end; i++)
            cost +=
                batch.shape.n_tokens + limits.key_cost * n_keys_of(rows[i], batch.shape.n_tokens, sequences, limits);
    return cost;
}

// Lengths that few shapes of batches come from: the longest sequence's, padded, and that doubled as often as there is
// room.
static std::vector<row> make_cheapest_rows(const std::vector<train_sequence> & sequences,
                                           const micro_batch_limits & limits) {
    size_t longest = 1;
    for (const train_sequence & sequence : sequences) longest = std::max(longest, sequence.tokens.size());
    std::vector<row> best = make_rows(sequences, limits.row_tokens);
    double least = cost_of(best, sequences, limits);
    for (uint64_t room = padded(longest, limits.token_bucket); room < limits.row_tokens; room *= 2) {
        std::vector<row> rows = make_rows(sequences, (uint32_t) room);
        const double cost = cost_of(rows, sequences, limits);
        if (cost >= least) continue;
        least = cost;
        best = std::move(rows);
    }
    return best;
}

static micro_batch make_batch(const std::vector<train_sequence> & sequences, const std::vector<row> & rows,
                              const batch_shape & shape, float weight) {
    micro_batch made;
    made.shape = shape;
    const size_t n = (size_t) shape.n_sequences * shape.n_tokens;
    made.data.tokens.assign(n, 0);
    made.data.targets.assign(n, 0);
    made.data.weights.assign(n, 0.0f);
    made.data.positions.assign(n, 0);
    made.data.segments.assign(n, -1);
    for (size_t r = 0; r < rows.size(); r++) {
        size_t at = r * shape.n_tokens;
        for (size_t s = 0; s < rows[r].sequences.size(); s++) {
            const train_sequence & sequence = sequences[rows[r].sequences[s]];
            for (size_t i = 0; i < sequence.tokens.size(); i++, at++) {
                made.data.tokens[at] = sequence.tokens[i];
                made.data.positions[at] = (llama_pos) (sequence.prefix.size() + i);
                made.data.segments[at] = (int32_t) s;
                if (i + 1 == sequence.tokens.size()) continue;
                made.data.targets[at] = sequence.tokens[i + 1];
                made.data.weights[at] = i >= sequence.first_target ? weight : 0.0f;
            }
        }
        made.rows.push_back(rows[r].sequences);
    }
    return made;
}

std::vector<micro_batch> make_micro_batches(const std::vector<train_sequence> & sequences,
                                            const micro_batch_limits & limits) {
    uint64_t n_targets = 0;
    for (const train_sequence & sequence : sequences) n_targets += sequence.n_targets();
    std::vector<row> rows = make_cheapest_rows(sequences, limits);
    std::vector<micro_batch> batches;
    for (const auto & [begin, end, shape] : split(rows, limits)) {
        const std::vector<row> some(rows.begin() + (std::ptrdiff_t) begin, rows.begin() + (std::ptrdiff_t) end);
        batches.push_back(make_batch(sequences, some, shape, (float) (1.0 / (double) n_targets)));
    }
    return batches;
}

}  // namespace overfill
