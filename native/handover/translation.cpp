#include "translation.h"

#include <ggml-backend.h>

namespace overfill {

bool kv_storage::on_host() const { return !tensor->buffer || ggml_backend_buffer_is_host(tensor->buffer); }

bool translate_step::undo_hadamard() const {
    if (from.hadamard == 0) return false;
    return unrotate || map || rerotate || from.hadamard != to.hadamard;
}

bool translate_step::do_hadamard() const {
    if (to.hadamard == 0) return false;
    return unrotate || map || rerotate || from.hadamard != to.hadamard;
}

bool translate_step::raw() const {
    return !unrotate && !map && !rerotate && from.hadamard == to.hadamard && from.type() == to.type() &&
           from.transposed == to.transposed;
}

uint64_t bytes_written(const translation & plan, const translate_job & job) {
    uint64_t n = 0;
    for (const translate_step & step : plan.steps) n += (uint64_t) job.of(step).size() * step.to.row_bytes();
    return n;
}

}  // namespace overfill
