// The channel between the engine thread, which writes pieces of an answer, and one reader on another thread. Pieces
// that the reader has not taken yet are joined into one chunk; a writer that is too far ahead is told to wait.
#pragma once

#include "failure.h"
#include "options.h"
#include "sampler.h"

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace overfill {

struct decode_chunk {
    std::string text;
    std::vector<llama_token> tokens;
    std::vector<std::vector<token_log_prob>> log_probs;  // one a token if asked for: its own, then the likeliest ones'

    bool empty() const { return text.empty() && tokens.empty(); }
    void clear();
};

class token_stream {
  public:
    // Tokens that may wait for the reader before the writer has to.
    static constexpr size_t capacity = 256;

    // `on_readable` is called on the writer's thread when a waiting reader has something to take, and must not throw;
    // `on_drained` on the reader's thread when a writer that was told to wait may go on.
    token_stream(std::function<void()> on_readable, std::function<void()> on_drained);

    // Writer. Moves the piece in; returns false when the writer should wait for `on_drained`.
    bool write(decode_chunk & piece);
    void finish(const decode_result & result);
    void fail(const failure & error) noexcept;

    // Reader. Takes what there is. If there is nothing and the answer goes on, returns nothing, and `on_readable` will
    // be called once. At the end `result` is set, or, after the last chunk, `error`.
    struct reading {
        decode_chunk chunk;
        std::optional<decode_result> result;
        std::optional<failure> error;

        bool ready() const { return !chunk.empty() || result || error; }
    };
    reading read();

    // Tokens that wait for the reader now.
    size_t n_waiting() const;
    bool is_full() const { return n_waiting() >= capacity; }

  private:
    std::function<void()> on_readable_, on_drained_;
    mutable std::mutex mutex_;
    decode_chunk waiting_;
    std::optional<decode_result> result_;
    std::optional<failure> error_;
    bool reader_waits_ = false;
    bool writer_waits_ = false;

    void notify(std::unique_lock<std::mutex> & lock);
};

}  // namespace overfill
