// Saving and restoring sessions: tasks of the engine thread, which take a session's state and put it back, and the
// thread on which files are read and written meanwhile, so that other sessions go on.
#pragma once

#include "completion.h"
#include "pair_identity.h"
#include "saved_session.h"
#include "scheduler.h"
#include "session_slot.h"

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace overfill {

// Work on the thread for files.
class file_job final : public task {
  public:
    using stop_check = std::function<bool()>;

    // `wake`: called there when the work is over.
    file_job(std::function<void(const stop_check &)> work, std::function<void()> wake)
        : work_(std::move(work)), wake_(std::move(wake)) {}
    turn step() override;
    void fail(const failure & error) noexcept override;

    // Any thread.
    bool over() const { return over_.load(std::memory_order_acquire); }
    // What it failed with, once it is over.
    void rethrow() const {
        if (failure_) throw failure(*failure_);
    }

  private:
    void end() noexcept;

    std::function<void(const stop_check &)> work_;
    std::function<void()> wake_;
    std::optional<failure> failure_;
    std::atomic<bool> over_{ false };
};

class session_files {
  public:
    // `wake`: lets parked tasks of the engine thread take turns again. Any thread.
    session_files(const pair & models, const pair_options & options, std::function<void()> wake)
        : models_(models), options_(options), wake_(std::move(wake)) {}

    const pair & models() const { return models_; }

    // Engine thread.
    std::shared_ptr<file_job> start(std::function<void(const file_job::stop_check &)> work);

    // On the thread for files. Throws what identify throws.
    const std::vector<side_identity> & identity();

  private:
    const pair & models_;
    const pair_options & options_;
    std::function<void()> wake_;
    std::vector<side_identity> identity_;  // when it is first asked for
    std::unique_ptr<scheduler> thread_;    // made for the first file; last, so that it ends before what it uses
};

// Who writes next in a session that was restored, and the note that it was saved with.
struct restored_session {
    std::string writer, note;
};

struct save_options {
    std::string path, note;
    bool compress = false;  // K and V in q8_0
};

// The values of the caches go through pieces of memory of bounded size, one of which is written while the next is read:
// nobody waits for all of them, and they are there once.
class save_task final : public task {
  public:
    save_task(slot_ptr slot, session_files & files, save_options options, completion<bool> end)
        : slot_(std::move(slot)), files_(files), options_(std::move(options)), end_(std::move(end)) {}
    turn step() override;
    void fail(const failure & error) noexcept override;

  private:
    // What the task and its jobs have in common: one of them at a time uses it, and the piece that it was given.
    struct output {
        saved_session saved;
        std::unique_ptr<saved_session_writer> writer;  // files' thread
    };
    using piece = std::shared_ptr<std::vector<uint8_t>>;

    void begin();
    void describe_caches(saved_session & saved) const;
    void start(std::function<void(output &, const file_job::stop_check &)> work);
    void read_ahead();
    void go_on();

    slot_ptr slot_;
    session_files & files_;
    save_options options_;
    completion<bool> end_;
    std::shared_ptr<output> output_;
    std::shared_ptr<file_job> job_;
    bool is_last_job_ = false;
    // The values that are still in the caches: how far they were read, and what was read last and is not written yet.
    size_t cache_ = 0, at_ = 0;
    piece next_, free_;
};

// Into an empty session.
class restore_task final : public task {
  public:
    restore_task(slot_ptr slot, session_files & files, std::string path, completion<restored_session> end)
        : slot_(std::move(slot)), files_(files), path_(std::move(path)), end_(std::move(end)) {}
    turn step() override;
    void fail(const failure & error) noexcept override;

  private:
    void begin();
    void adopt();
    turn finish();

    struct loaded {
        saved_session saved;
        std::vector<side_identity> identity;
    };

    slot_ptr slot_;
    session_files & files_;
    std::string path_;
    completion<restored_session> end_;
    std::shared_ptr<file_job> job_;
    std::shared_ptr<loaded> loaded_;  // filled by the job
    bool adopted_ = false;
    restored_session result_;
};

}  // namespace overfill
