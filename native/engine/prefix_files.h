// What a prefix cache keeps on disk: full blocks of it, each in a file of its own, for the pairs that come after this
// one and for those of other processes. A file counts only when all of it is as it should be; any other is removed.
//
// A block's key is a hash (XXH3, 128 bits) chained over what tells the prefill model and its cache, the scope, and the
// tokens from the text's beginning on. Little end first:
//
//   24 bytes  "overfill prefix v1\n", zeros
//   16        key
//    8        how it was computed, as a hash: 0 unless in whole micro-batches, see `reading`
//    4        number of tokens: of a block
//    4        0: rows, 1: state
//    8        number of bytes that follow the tokens
//    8        XXH3 over all before and behind it
//             tokens, 4 bytes each; then the rows as kv_rows.h has them, or the state
#pragma once

#include "joined_thread.h"
#include "prefix_cache.h"
#include "prefix_folder.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace overfill {

// Of the folder, other processes' blocks included, as it was when it was last looked at; and of this object.
struct prefix_files_counts {
    uint64_t n_bytes = 0, n_blocks = 0;
    uint64_t n_read = 0, n_written = 0;  // blocks
    uint64_t n_failures = 0;             // files that could not be written, or were damaged
};

class prefix_files {
  public:
    struct options {
        std::string directory;
        uint64_t max_bytes = 0;
        std::string identity;   // of the prefill model and its cache: what rows depend on
        std::string computing;  // what their last bits depend on
        size_t token_bytes = 0;
    };

    // Throws what prefix_folder and joined_thread throw.
    explicit prefix_files(const options & options);
    // What still waits to be written is not.
    ~prefix_files();

    // Writes what waits; not for longer than a few seconds.
    void finish();

    // A block that follows `before`, or the first one of a scope's texts.
    prefix_place first(const std::string & scope, const llama_token * tokens) const;
    static prefix_place next(const prefix_key & before, const llama_token * tokens);

    bool has(const prefix_place & place, prefix_part part) const;

    struct stored_rows {
        shared_bytes bytes;
        reading how;
    };
    // Throw std::bad_alloc.
    std::optional<stored_rows> read_rows(const prefix_place & place, const llama_token * tokens);
    struct stored_state {
        kept_state state;
        reading how;
    };
    std::optional<stored_state> read_state(const prefix_place & place, const llama_token * tokens);

    // Soon, by a thread of its own. What cannot be written in time, or at all, is not there.
    void write_rows(const prefix_place & place, const llama_token * tokens, reading how, shared_bytes rows);
    void write_state(const prefix_place & place, const llama_token * tokens, reading how, kept_state state);

    // Any thread.
    prefix_files_counts counts() const { return { n_bytes_, n_blocks_, n_read_, n_written_, n_failures_ }; }

  private:
    struct header;
    struct job {
        prefix_place place;
        prefix_part part;
        reading how;
        std::vector<llama_token> tokens;
        shared_bytes rows;
        kept_state state;
        const uint8_t * data() const { return state ? state->data() : rows.data(); }
        size_t size() const { return state ? state->size() : rows.size(); }
    };

    template <class Allocate>
    std::optional<reading> read(const prefix_place & place, prefix_part part, const llama_token * tokens,
                                std::optional<uint64_t> n_bytes, const Allocate & allocate);
    void queue(job next);
    void write_queued();
    void write(const job & next);
    bool is_there(const job & next, const std::filesystem::path & file) const;
    void look(uint64_t most_bytes);

    const prefix_folder folder_;
    const uint64_t max_bytes_, token_bytes_, computing_;
    const prefix_key identity_;
    std::atomic<uint64_t> n_bytes_{ 0 }, n_blocks_{ 0 }, n_read_{ 0 }, n_written_{ 0 }, n_failures_{ 0 };
    std::atomic<bool> look_again_{ true };
    uint64_t n_since_look_ = 0;  // bytes written

    std::mutex mutex_;  // guards what follows
    std::condition_variable changed_;
    std::deque<job> queue_;  // the first is being written
    size_t n_queued_bytes_ = 0;
    bool stopped_ = false;
    joined_thread writer_;
};

}  // namespace overfill
