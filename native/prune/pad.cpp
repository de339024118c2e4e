// Pads a model's widths with channels that are zero (prune.h). A model that was pruned to odd widths can be quantised
// then.
#include "clock.h"
#include "failure.h"
#include "job_progress.h"
#include "output_paths.h"

#include <limits>

namespace overfill {

static uint32_t padded(uint32_t width, uint32_t multiple) {
    const uint64_t wide = ((uint64_t) width + multiple - 1) / multiple * multiple;
    if (wide > (uint64_t) std::numeric_limits<int32_t>::max())
        throw failure(error_code::invalid_argument, "options.multiple: the widths would be too large",
                      { { "parameter", "options.multiple" } });
    return (uint32_t) wide;
}

pad_result pad(const pad_options & options, const std::function<void(const prune_progress &)> & on_progress,
               const std::atomic<bool> & stop) {
    const stopwatch watch;
    const job_progress progress(on_progress, stop);
    const parent_model parent(options.model_path);
    if (options.multiple == 0)
        throw failure(error_code::invalid_argument, "options.multiple: there are no multiples of 0",
                      { { "parameter", "options.multiple" } });

    pad_result result;
    result.before = parent.shape();
    result.after = counts_of(parent.shape());
    result.after.n_embd = padded(result.after.n_embd, options.multiple);
    result.after.n_ff = padded(result.after.n_ff, options.multiple);
    check_output("out", options.output.out_path, parent.paths());

    rewrite_options output = options.output;
    output.compensate = true;  // else the norms would divide by too large a width
    output.notes.emplace_back("overfill.pad.multiple", std::to_string(options.multiple));
    const rewrite_result written = rewrite(
        parent, keep_all(parent.shape()), result.after, output,
        [&](uint64_t done, uint64_t total) { progress.written(done, total); }, stop);
    result.n_params_before = parent.n_params();
    result.n_bytes_before = parent.n_bytes();
    result.n_params_after = written.plan.n_params;
    result.n_bytes_after = written.plan.n_bytes;
    result.type = output.type;
    result.paths = written.paths;
    result.milliseconds = watch.milliseconds();
    return result;
}

}  // namespace overfill
