#include "fit_job.h"

#include "failure.h"

namespace overfill {

fit_job::fit_job(fit_options options, std::function<void(const fit_progress &)> on_progress,
                 completion<fit_result> end) {
    thread_ =
        std::thread([this, options = std::move(options), on_progress = std::move(on_progress), end = std::move(end)] {
            try {
                end.done(fit(options, on_progress, stop_));
            } catch (...) {
                end.failed(current_failure());
            }
        });
}

void fit_job::join() {
    abort();
    if (thread_.joinable()) thread_.join();
}

}  // namespace overfill
