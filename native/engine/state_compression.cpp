#include "state_compression.h"

#include "failure.h"
#include "row_conversion.h"

#include <algorithm>
#include <memory>

namespace overfill {

static constexpr ggml_type stored = GGML_TYPE_Q8_0;
static constexpr uint64_t most_at_once = (uint64_t) 1 << 16;  // values

static uint64_t n_blocks(const value_run & run) { return run.n_values / (uint64_t) ggml_blck_size(stored); }

std::string runs_defect(const std::vector<value_run> & runs) {
    for (const value_run & run : runs) {
        if (run.type != GGML_TYPE_F32 && run.type != GGML_TYPE_F16 && run.type != GGML_TYPE_BF16)
            return std::string("the cache's type is ") + ggml_type_name(run.type);
        if (run.n_values % (uint64_t) ggml_blck_size(stored) != 0)
            return "a layer's width is not a multiple of " + std::to_string(ggml_blck_size(stored));
    }
    return "";
}

std::string runs_defect(const std::vector<value_run> & runs, size_t n_bytes) {
    uint64_t n_left = n_bytes / ggml_type_size(stored);
    if (n_bytes % ggml_type_size(stored) != 0) return "compressed values end within a block";
    for (const value_run & run : runs) {
        if (n_blocks(run) > n_left) return "there are fewer compressed values than there should be";
        n_left -= n_blocks(run);
    }
    return n_left == 0 ? runs_defect(runs) : "there are more compressed values than there should be";
}

namespace {

struct room {
    std::shared_ptr<uint8_t> bytes;
    size_t size;

    explicit room(size_t n) : bytes(new uint8_t[n], std::default_delete<uint8_t[]>()), size(n) {}
};

// Through float: from one type to the other, run by run.
void convert(const kept_bytes & bytes, uint8_t * to, const std::vector<value_run> & runs, bool packs,
             const stop_check & stopped) {
    std::vector<float> values(most_at_once);
    std::vector<uint8_t> from;
    size_t at_byte = 0;
    for (const value_run & run : runs) {
        const ggml_type source = packs ? run.type : stored, target = packs ? stored : run.type;
        const row_conversion reads = conversion_of(source), writes = conversion_of(target);
        for (uint64_t at = 0; at < run.n_values; at += most_at_once) {
            if (stopped()) throw failure(error_code::aborted, "aborted");
            const auto n = (int64_t) std::min(most_at_once, run.n_values - at);
            from.resize(ggml_row_size(source, n));
            bytes.read(at_byte, from.data(), from.size());
            at_byte += from.size();
            reads.to_float(from.data(), values.data(), n);
            writes.from_float(values.data(), to, n);
            to += ggml_row_size(target, n);
        }
    }
}

}  // namespace

kept_bytes compress(const kept_bytes & values, const std::vector<value_run> & runs, const stop_check & stopped) {
    uint64_t n = 0;
    for (const value_run & run : runs) n += n_blocks(run);
    const room out((size_t) n * ggml_type_size(stored));
    convert(values, out.bytes.get(), runs, true, stopped);
    return { out.bytes, out.size };
}

kept_bytes decompress(const kept_bytes & compressed, const std::vector<value_run> & runs, const stop_check & stopped) {
    size_t n = 0;
    for (const value_run & run : runs) n += (size_t) run.n_values * ggml_type_size(run.type);
    const room out(n);
    convert(compressed, out.bytes.get(), runs, false, stopped);
    return { out.bytes, out.size };
}

}  // namespace overfill
