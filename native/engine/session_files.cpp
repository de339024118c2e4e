#include "session_files.h"

#include "session_tasks.h"
#include "state_compression.h"

#include <utility>

namespace overfill {

static failure aborted() { return failure(error_code::aborted, "aborted"); }

// --- the thread for files ---

task::turn file_job::step() {
    work_([this] { return aborted(); });
    end();
    return turn::done;
}

void file_job::fail(const failure & error) noexcept {
    failure_.emplace(error);
    end();
}

void file_job::end() noexcept {
    work_ = nullptr;
    over_.store(true, std::memory_order_release);
    wake_();
}

std::shared_ptr<file_job> session_files::start(std::function<void(const file_job::stop_check &)> work) {
    if (!thread_) thread_ = std::make_unique<scheduler>();
    auto job = std::make_shared<file_job>(std::move(work), wake_);
    thread_->submit(job);
    return job;
}

const std::vector<side_identity> & session_files::identity() {
    if (identity_.empty()) identity_ = identify(options_, models_.info());
    return identity_;
}

// --- save ---

// Between two turns others' tokens are written: large enough for few turns, small enough to delay none of them.
static constexpr size_t piece_size = (size_t) 16 << 20;

task::turn save_task::step() {
    if (!job_) {
        begin();
        return turn::parked;
    }
    if (!job_->over()) {
        if (aborted())
            job_->abort();
        else
            read_ahead();
        return turn::parked;
    }
    job_->rethrow();
    if (is_last_job_) {
        slot_->busy = false;
        end_.done(true);
        return turn::done;
    }
    go_on();
    return turn::parked;
}

void save_task::begin() {
    if (aborted()) throw overfill::aborted();
    const pair & models = files_.models();
    const model_traits & traits = models.info().prefill;
    if (!can_save_sequences(models.prefill_context()))
        throw failure(error_code::model_unsupported,
                      "sessions of a " + traits.architecture + " model cannot be saved: " + traits.memory.name(),
                      { { "architecture", traits.architecture }, { "memory", traits.memory.name() } });
    auto made = std::make_shared<output>();
    // It takes no cells. Those it has may be put aside meanwhile.
    run_in_pool(slot_, *this, false, [&] {
        // What is to be rounded is copied first.
        made->saved.image = slot_->state.take_image(/*gradual*/ !options_.compress);
        return turn::done;
    });
    made->saved.image.n_before_space = slot_->n_before_space;
    made->saved.note = std::move(options_.note);
    describe_caches(made->saved);
    output_ = std::move(made);
    start([&files = files_, path = options_.path](output & to, const file_job::stop_check & stopped) {
        to.saved.models = files.identity();
        to.writer = std::make_unique<saved_session_writer>(path, to.saved, stopped);
    });
}

// What was written is taken away before anybody hears of a failure.
void save_task::start(std::function<void(output &, const file_job::stop_check &)> work) {
    job_ = files_.start([to = output_, work = std::move(work)](const file_job::stop_check & stopped) {
        try {
            work(*to, stopped);
        } catch (...) {
            to->writer.reset();
            throw;
        }
    });
}

void save_task::read_ahead() {
    const std::vector<session_image::cache> & caches = output_->saved.image.caches;
    const auto n_left = [&] { return caches[cache_].held.values ? caches[cache_].held.values->size() - at_ : 0; };
    for (; cache_ < caches.size() && n_left() == 0; cache_++) at_ = 0;
    if (next_ || cache_ == caches.size()) return;
    next_ = free_ ? std::exchange(free_, nullptr) : std::make_shared<std::vector<uint8_t>>();
    next_->resize(std::min(n_left(), piece_size));
    slot_->state.give_values(output_->saved.image, cache_, at_, next_->data(), next_->size());
    at_ += next_->size();
}

void save_task::go_on() {
    if (aborted()) return start([](output &, const file_job::stop_check &) { throw overfill::aborted(); });
    read_ahead();
    if (!next_) {
        is_last_job_ = true;
        return start([](output & to, const file_job::stop_check & stopped) {
            to.writer->finish(stopped);
            to.writer.reset();
        });
    }
    const piece written = std::exchange(next_, nullptr);
    start([written](output & to, const file_job::stop_check & stopped) {
        to.writer->put(written->data(), written->size(), stopped);
    });
    read_ahead();
    free_ = written;
}

void save_task::describe_caches(saved_session & saved) const {
    const pair & models = files_.models();
    for (const session_image::cache & cache : saved.image.caches) {
        const llama_context * ctx = models.context(cache.of);
        saved.layouts.push_back(state_layout_of(ctx));
        saved.compressed.emplace_back();
        if (!options_.compress || !cache.held.cells) continue;
        saved.compressed.back() = value_runs_of(ctx, cache.held.cells->state);
        const std::string defect =
            saved.compressed.back().empty()
                ? "only K and V of single tokens can be, and there is more in a " + models.info().prefill.memory.name()
                : runs_defect(saved.compressed.back());
        if (!defect.empty())
            throw failure(error_code::invalid_argument,
                          "options.compress: the session cannot be stored in q8_0: " + defect,
                          { { "parameter", "options.compress" } });
    }
}

void save_task::fail(const failure & error) noexcept {
    slot_->busy = false;
    end_.failed(error);
}

// --- restore ---

task::turn restore_task::step() {
    if (!job_) {
        begin();
        return turn::parked;
    }
    if (!job_->over()) {
        if (aborted()) job_->abort();
        return turn::parked;
    }
    if (!adopted_) adopt();
    return run_in_pool(slot_, *this, !aborted(), [this] { return finish(); });
}

void restore_task::begin() {
    if (aborted()) throw overfill::aborted();
    loaded_ = std::make_shared<loaded>();
    job_ = files_.start([&files = files_, to = loaded_, path = path_](const file_job::stop_check & stopped) {
        to->saved = read_saved_session(path, stopped, value_check::when_used);
        to->identity = files.identity();
    });
}

void restore_task::adopt() {
    job_->rethrow();
    session & state = slot_->state;
    if (state.stats().stage != session_stage::empty)
        throw failure(error_code::internal, "a session was to be restored into one that is not empty");
    saved_session & saved = loaded_->saved;
    fit_to_pair(saved, path_, files_.models(), loaded_->identity, state.sequence());
    slot_->n_before_space = (size_t) saved.image.n_before_space;
    result_ = { files_.models().name_of(saved.image.writer), std::move(saved.note) };
    state.adopt(std::move(saved.image));
    loaded_.reset();
    adopted_ = true;
}

// The pool has brought the cells back; where there is none, there is room for every session.
task::turn restore_task::finish() {
    if (aborted()) throw overfill::aborted();
    for (cached_sequence * cache : slot_->state.caches())
        if (!cache->bring_back()) throw failure(error_code::internal, "a restored session's cells could not be taken");
    slot_->busy = false;
    end_.done(std::move(result_));
    return turn::done;
}

void restore_task::fail(const failure & error) noexcept {
    slot_->state.clear();
    slot_->n_before_space = 0;
    slot_->busy = false;
    end_.failed(error);
}

}  // namespace overfill
