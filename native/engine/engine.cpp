#include "engine.h"

#include "failure.h"
#include "prompt.h"
#include "row_batches.h"
#include "second_thread.h"
#include "text.h"
#include "unused_memory.h"

#include <algorithm>
#include <new>

namespace overfill {

// --- engine ---

class engine::load_task final : public task {
  public:
    load_task(engine & owner, std::function<void(float)> on_progress, completion<pair_info> end)
        : owner_(owner), on_progress_(std::move(on_progress)), end_(std::move(end)) {}

    turn step() override {
        owner_.pair_ = std::make_unique<pair>(owner_.options_, scheduler::should_abort, owner_.scheduler_.get(),
                                              [this](float progress) {
                                                  on_progress_(progress);
                                                  return !scheduler::should_abort(owner_.scheduler_.get());
                                              });
        if (owner_.options_.cache_tokens > 0) {
            owner_.pool_ = std::make_unique<cache_pool>([tasks = owner_.scheduler_.get()] { tasks->wake(); });
            owner_.pair_->on_no_room([pool = owner_.pool_.get()] { pool->make_room(); });
        }
        if (owner_.pair_->runs_apart())
            owner_.pair_->use_second_thread(second_thread_of(*owner_.scheduler_, owner_.pool_.get()));
        owner_.files_ = std::make_unique<session_files>(*owner_.pair_, owner_.options_,
                                                        [tasks = owner_.scheduler_.get()] { tasks->wake(); });
        end_.done(owner_.pair_->info());
        return turn::done;
    }

    void fail(const failure & error) noexcept override { end_.failed(error); }

  private:
    engine & owner_;
    std::function<void(float)> on_progress_;
    completion<pair_info> end_;
};

engine::engine(const pair_options & options) : options_(options), places_(options.max_sessions, options.max_waiting) {}

std::shared_ptr<engine> engine::load(const pair_options & options, std::function<void(float)> on_progress,
                                     completion<pair_info> end) {
    std::shared_ptr<engine> self(new engine(options));
    engine * raw = self.get();
    const auto free_all = [raw] {
        raw->places_.close();
        // Nobody makes it any more: the pair counts as disposed by now.
        raw->texts_.reset();
        raw->text_encoder_.reset();
        raw->chats_.clear();
        raw->files_.reset();
        raw->pool_.reset();
        raw->finish_prefix_files();
        raw->pair_.reset();
        return_unused_memory();
        std::function<void()> done;
        {
            const std::lock_guard<std::mutex> lock(raw->mutex_);
            done = std::move(raw->on_disposed_);
        }
        if (done) done();
    };
    const auto rest = [raw] {
        if (raw->pair_) raw->pair_->rest();
    };
    scheduler::hooks hooks;
    hooks.on_exit = free_all;
    hooks.on_idle = rest;
    hooks.read_rows = [raw](std::vector<scheduler::row_request> & rows) {
        if (raw->pair_) read_rows(*raw->pair_, rows);
    };
    hooks.read_ms = [raw](pair_side by, size_t n_tokens) {
        return raw->pair_ ? raw->pair_->costs(by).at_least(n_tokens) : 0;
    };
    hooks.before_piece = [raw](std::optional<double> answers_ms) {
        if (raw->pair_) raw->pair_->begin_piece(answers_ms);
    };
    hooks.after_piece = [raw] {
        if (raw->pair_) raw->pair_->end_piece();
    };
    self->scheduler_ = std::make_unique<scheduler>(std::move(hooks));
    auto item = std::make_shared<load_task>(*raw, std::move(on_progress), std::move(end));
    self->load_ = item;
    self->scheduler_->submit(std::move(item));
    return self;
}

engine::~engine() {
    places_.close();
    scheduler_.reset();
}

void engine::join() {
    disposed_ = true;
    places_.close();
    scheduler_->join();
}

void engine::abort_load() {
    if (const auto item = load_.lock()) item->abort();
}

const pair & engine::loaded() const {
    if (disposed_ || !pair_) throw failure(error_code::disposed, "the pair was disposed");
    return *pair_;
}

std::vector<llama_token> engine::tokenize(const std::string & text, bool add_special, bool parse_special) const {
    return overfill::tokenize(loaded().vocab(), text, add_special ? text_place::whole : text_place::continuation,
                              parse_special);
}

static void check_known(const llama_vocab * vocab, const std::vector<llama_token> & tokens) {
    const int32_t n_vocab = llama_vocab_n_tokens(vocab);
    for (const llama_token token : tokens)
        if (token < 0 || token >= n_vocab)
            throw failure(error_code::invalid_argument,
                          "token " + std::to_string(token) + " is outside the vocabulary of " + std::to_string(n_vocab),
                          { { "parameter", "tokens" }, { "actual", std::to_string(token) } });
}

std::string engine::detokenize(const std::vector<llama_token> & tokens, bool special) const {
    check_known(loaded().vocab(), tokens);
    return overfill::detokenize(loaded().vocab(), tokens, special);
}

example engine::encode_with(std::optional<example_tokenizer> & encoder, const std::string & line,
                            bool close_response) const {
    if (!encoder) encoder.emplace(pair_->prefill_model(), pair_->info().context_size, time_of_chats);
    return encoder->to_example(parse_data_record(line), close_response);
}

example engine::encode(const std::string & line, bool close_response) {
    loaded();
    return encode_with(encoder_, line, close_response);
}

// --- texts on a thread of their own ---

namespace {

template <class T> class text_task final : public task {
  public:
    text_task(std::function<T()> work, completion<T> end) : work_(std::move(work)), end_(std::move(end)) {}

    turn step() override {
        end_.done(work_());
        return turn::done;
    }
    void fail(const failure & error) noexcept override { end_.failed(error); }

  private:
    std::function<T()> work_;
    completion<T> end_;
};

}  // namespace

template <class T> void engine::on_text_thread(std::function<T()> work, completion<T> end) {
    loaded();
    if (!texts_) texts_ = std::make_unique<scheduler>();
    texts_->submit(std::make_shared<text_task<T>>(std::move(work), std::move(end)));
}

void engine::tokenize(std::string text, bool add_special, bool parse_special,
                      completion<std::vector<llama_token>> end) {
    const llama_vocab * vocab = loaded().vocab();
    const text_place place = add_special ? text_place::whole : text_place::continuation;
    on_text_thread<std::vector<llama_token>>(
        [=, text = std::move(text)] { return overfill::tokenize(vocab, text, place, parse_special); }, std::move(end));
}

void engine::detokenize(std::vector<llama_token> tokens, bool special, completion<std::string> end) {
    const llama_vocab * vocab = loaded().vocab();
    on_text_thread<std::string>(
        [=, tokens = std::move(tokens)] {
            check_known(vocab, tokens);
            return overfill::detokenize(vocab, tokens, special);
        },
        std::move(end));
}

void engine::encode(std::string line, bool close_response, completion<example> end) {
    on_text_thread<example>(
        [this, line = std::move(line), close_response] { return encode_with(text_encoder_, line, close_response); },
        std::move(end));
}

void engine::render_chat(std::string source, chat_request request, completion<rendered_chat> end) {
    on_text_thread<rendered_chat>(
        [this, source = std::move(source), request = std::move(request)] {
            auto found = chats_.find(source);
            if (found == chats_.end()) {
                // A program that makes up templates does not fill the memory.
                if (chats_.size() >= 16) chats_.clear();
                found = chats_.emplace(source, chat_templates(pair_->prefill_model(), source)).first;
            }
            rendered_chat made;
            made.prompt = found->second.apply(request);
            made.tokens = tokens_of_chat(made.prompt.pieces, pair_->vocab());
            return made;
        },
        std::move(end));
}

void engine::parse_answer(std::shared_ptr<answer_parser> parser, std::string more, bool is_last,
                          completion<std::vector<answer_delta>> end) {
    on_text_thread<std::vector<answer_delta>>(
        [parser = std::move(parser), more = std::move(more), is_last] { return parser->push(more, is_last); },
        std::move(end));
}

session_places::ticket engine::create_session(int32_t priority, completion<std::shared_ptr<session_handle>> end,
                                              pair_side writer, const std::string & scope) {
    loaded();
    const auto got = [this, end, writer, scope](llama_seq_id sequence) {
        const auto slot = std::make_shared<session_slot>(*pair_, pool_.get(), sequence, writer);
        slot->state.set_scope(scope);
        const auto made = std::make_shared<session_handle>(shared_from_this(), slot);
        try {
            end.done(made);
        } catch (...) {
            // From here on the session gives its place back itself.
            end.failed(current_failure());
        }
    };
    return places_.take(priority, { got, end.failed });
}

pair_metrics engine::metrics() {
    pair_metrics out = loaded().metrics();
    out.tasks = scheduler_->counts();
    out.n_sessions = places_.n_taken();
    out.n_waiting = places_.n_waiting();
    out.n_aside = pool_ ? pool_->n_aside() : 0;
    out.n_put_aside = pool_ ? pool_->n_put_aside() : 0;
    out.n_turns_beside = scheduler_->n_turns_beside();
    return out;
}

// Who only ends the environment does not wait for a disk.
void engine::finish_prefix_files() {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!on_disposed_) return;
    }
    if (pair_ && pair_->prefix_files()) pair_->prefix_files()->finish();
}

void engine::dispose(std::function<void()> done) {
    disposed_ = true;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        on_disposed_ = std::move(done);
    }
    places_.close();
    scheduler_->stop();
}

// --- session_handle ---

session_handle::~session_handle() {
    try {
        dispose([] {});
    } catch (const std::bad_alloc &) {
        // Nobody is left to be told. The place in the caches stays taken until the pair goes.
    }
}

// Marks the session as busy, or says why it cannot be used.
void session_handle::claim() {
    owner_->loaded();
    if (slot_->disposed) throw failure(error_code::disposed, "the session was disposed");
    if (slot_->busy.exchange(true))
        throw failure(error_code::session_busy, "the session is busy with another stage; await it first");
}

void session_handle::prefill(prompt_input input, const prefill_options & options,
                             std::function<void(uint32_t, uint32_t)> on_progress, completion<prefill_result> end) {
    claim();
    start([&] {
        return std::make_shared<prefill_task>(slot_, owner_->pair_->vocab(), std::move(input), options,
                                              std::move(on_progress), std::move(end));
    });
}

void session_handle::hand_over(completion<handover_report> end, std::optional<pair_side> writer) {
    claim();
    start([&] { return std::make_shared<switch_task>(slot_, writer, std::move(end)); });
}

std::shared_ptr<token_stream> session_handle::decode(decode_options options, std::function<void()> on_readable) {
    claim();
    std::shared_ptr<token_stream> stream;
    start([&] {
        // The reader may outlive the engine, so it holds on to it weakly.
        std::weak_ptr<engine> owner = owner_;
        stream = std::make_shared<token_stream>(std::move(on_readable), [owner] {
            if (const auto engine = owner.lock()) engine->scheduler_->wake();
        });
        return std::make_shared<decode_task>(slot_, *owner_->pair_, std::move(options), stream);
    });
    return stream;
}

void session_handle::retract(uint32_t n_tokens, completion<bool> end) {
    claim();
    start([&] { return std::make_shared<shorten_task>(slot_, &session::retract, n_tokens, std::move(end)); });
}

void session_handle::truncate(uint32_t n_tokens, completion<bool> end) {
    claim();
    start([&] { return std::make_shared<shorten_task>(slot_, &session::truncate, n_tokens, std::move(end)); });
}

void session_handle::fork(session_handle & to, completion<bool> end) {
    claim();
    start([&] {
        to.claim();
        try {
            return std::make_shared<fork_task>(slot_, to.slot_, std::move(end));
        } catch (...) {
            to.slot_->busy = false;
            throw;
        }
    });
}

void session_handle::save(save_options options, completion<bool> end) {
    claim();
    start([&] { return std::make_shared<save_task>(slot_, *owner_->files_, std::move(options), std::move(end)); });
}

void session_handle::restore(std::string path, completion<restored_session> end) {
    claim();
    start([&] { return std::make_shared<restore_task>(slot_, *owner_->files_, std::move(path), std::move(end)); });
}

void session_handle::score(score_input input, completion<score_result> end) {
    claim();
    start([&] { return std::make_shared<score_task>(slot_, *owner_->pair_, std::move(input), std::move(end)); });
}

void session_handle::abort() {
    if (const auto item = running_.lock()) item->abort();
    owner_->scheduler_->wake();
}

void session_handle::dispose(std::function<void()> done) {
    if (slot_->disposed) return done();
    const llama_seq_id sequence = slot_->state.sequence();
    // The engine frees itself only after its last task, so the plain pointer holds for as long as the task lives.
    engine * owner = owner_.get();
    auto item = std::make_shared<release_task>(slot_, [owner, sequence, done] {
        owner->places_.give_back(sequence);
        done();
    });
    if (slot_->disposed.exchange(true)) return done();
    abort();
    try {
        owner_->scheduler_->submit(std::move(item));
    } catch (const std::bad_alloc &) {
        // Another call may have the memory, or the session would keep its place.
        slot_->disposed = false;
        throw;
    }
}

}  // namespace overfill
