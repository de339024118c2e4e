// The public face of the native engine: a pair of models with a thread of its own, and sessions on it. No Node here.
//
// Everything may be called from any one thread; the completions are called on the engine thread, those of a call for a
// session's place also on the one that calls. Destroying the engine aborts what runs, fails what waits with
// ERR_DISPOSED and joins the thread.
#pragma once

#include "answer_parser.h"
#include "cache_pool.h"
#include "cells_task.h"
#include "chat_templates.h"
#include "decode_task.h"
#include "examples.h"
#include "options.h"
#include "pair.h"
#include "scheduler.h"
#include "score_task.h"
#include "session_files.h"
#include "session_places.h"
#include "session_tasks.h"
#include "token_stream.h"

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace overfill {

class engine;

struct rendered_chat {
    chat_prompt prompt;
    std::vector<llama_token> tokens;
};

class session_handle {
  public:
    session_handle(std::shared_ptr<engine> owner, slot_ptr slot) : owner_(std::move(owner)), slot_(std::move(slot)) {}
    ~session_handle();

    // Each throws ERR_DISPOSED or ERR_SESSION_BUSY at once; all other errors reach the completion or the stream.
    void prefill(prompt_input input, const prefill_options & options,
                 std::function<void(uint32_t, uint32_t)> on_progress, completion<prefill_result> end);
    // Without a writer: the session's own.
    void hand_over(completion<handover_report> end, std::optional<pair_side> writer = std::nullopt);
    std::shared_ptr<token_stream> decode(decode_options options, std::function<void()> on_readable);

    void retract(uint32_t n_tokens, completion<bool> end);
    void truncate(uint32_t n_tokens, completion<bool> end);

    // Makes `to`, an empty session of the same engine that runs nothing, a copy of this one.
    void fork(session_handle & to, completion<bool> end);

    // Writes it to a file (saved_session.h), with a note of the caller's. Nothing else runs meanwhile.
    void save(save_options options, completion<bool> end);
    // Becomes what was saved. The session is empty, and is so again after a failure.
    void restore(std::string path, completion<restored_session> end);

    // Right after a switch: see session::give_cells.
    void give_cells(uint32_t from, uint32_t n, bool with_logits, completion<given_cells> end);
    // What prefill_options::elsewhere waits for. Never blocks.
    void put_cells(cell_source & source, given_cells cells);

    // Fails with ERR_STAGE_ORDER on a session that has read something. The session stays empty.
    void score(score_input input, completion<score_result> end);

    // Ends the stage that runs, if one does.
    void abort();

    session_stats stats() const { return slot_->state.stats(); }

    // Ends the stage that runs and gives the session's place free. Only the first call does something; `done` is called
    // in any case.
    void dispose(std::function<void()> done);

  private:
    void claim();
    template <class Make> void start(const Make & make);

    std::shared_ptr<engine> owner_;
    slot_ptr slot_;
    std::weak_ptr<task> running_;
};

class engine : public std::enable_shared_from_this<engine> {
  public:
    // Begins to load. `on_progress` gets 0..1 on the engine thread.
    static std::shared_ptr<engine> load(const pair_options & options, std::function<void(float)> on_progress,
                                        completion<pair_info> end);
    ~engine();

    void abort_load();

    // After the load has ended well. All are safe beside a running stage: a vocabulary does not change. Without
    // `add_special` a text is one that goes on (text_place::continuation).
    std::vector<llama_token> tokenize(const std::string & text, bool add_special, bool parse_special) const;
    std::string detokenize(const std::vector<llama_token> & tokens, bool special) const;
    // A line of a data file as training reads it, in at most as many tokens as a session holds. Throws
    // ERR_DATA_INVALID, ERR_MODEL_UNSUPPORTED.
    example encode(const std::string & line, bool close_response);

    // The same on a thread for texts, one after the other, so that a long one holds nothing up. Each throws
    // ERR_DISPOSED at once; all other errors reach the completion, which is called there.
    void tokenize(std::string text, bool add_special, bool parse_special, completion<std::vector<llama_token>> end);
    void detokenize(std::vector<llama_token> tokens, bool special, completion<std::string> end);
    void encode(std::string line, bool close_response, completion<example> end);

    // A chat as a prompt, on the same thread: with the prefill model's templates, or with `source` in their place
    // (chat_templates.h). The error for a prompt that cannot be tokenised names `messages`.
    void render_chat(std::string source, chat_request request, completion<rendered_chat> end);
    // Reads more of an answer there.
    void parse_answer(std::shared_ptr<answer_parser> parser, std::string more, bool is_last,
                      completion<std::vector<answer_delta>> end);

    // Throws ERR_DISPOSED at once; see cell_facts_task.
    void tell_cell_facts(pair_side writer, completion<cell_facts> end);

    // Throws ERR_DISPOSED.
    pair_metrics metrics();

    // Gives a session as soon as there is a place for it, which may be at once. Of those that wait the highest priority
    // goes first (waiting_line.h). The ticket is 0 for a call that does not wait. `writer`: who writes where an answer
    // names nobody. `scope`: see prefix_cache. Throws ERR_QUEUE_FULL, ERR_DISPOSED.
    session_places::ticket create_session(int32_t priority, completion<std::shared_ptr<session_handle>> end,
                                          pair_side writer = pair_side::decode, const std::string & scope = {});
    // The call fails with ERR_ABORTED if it still waits.
    void leave_queue(session_places::ticket which) { places_.leave(which); }

    // Frees everything on the engine thread, then calls `done` there. Only the first call's `done` is called.
    void dispose(std::function<void()> done);

    // Stops and waits for the engine thread: for the end of the environment, where nobody waits for a completion.
    void join();

  private:
    friend class session_handle;
    class load_task;

    explicit engine(const pair_options & options);
    const pair & loaded() const;
    example encode_with(std::optional<example_tokenizer> & encoder, const std::string & line,
                        bool close_response) const;
    void finish_prefix_files();
    template <class T> void on_text_thread(std::function<T()> work, completion<T> end);

    pair_options options_;
    std::atomic<bool> disposed_{ false };
    std::unique_ptr<pair> pair_;  // made and freed on the engine thread, like the next
    std::unique_ptr<cache_pool> pool_;
    std::unique_ptr<session_files> files_;
    // Made for the first record; they refer to the pair's model. One for each thread.
    std::optional<example_tokenizer> encoder_, text_encoder_;
    std::map<std::string, chat_templates> chats_;  // by source; "": the model's own. Used on the text thread
    std::function<void()> on_disposed_;
    std::mutex mutex_;  // guards on_disposed_
    session_places places_;
    std::weak_ptr<task> load_;
    std::unique_ptr<scheduler> texts_;  // made for the first long text
    // Last, so that the thread ends before what it uses.
    std::unique_ptr<scheduler> scheduler_;
};

// A claimed session whose task could not be made, for want of memory, is free again: nobody would ever free it.
template <class Make> void session_handle::start(const Make & make) {
    try {
        std::shared_ptr<task> item = make();
        running_ = item;
        owner_->scheduler_->submit(std::move(item));
    } catch (...) {
        slot_->busy = false;
        throw;
    }
}

}  // namespace overfill
