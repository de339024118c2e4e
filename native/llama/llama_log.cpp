#include "llama_log.h"

#include "joined_thread.h"
#include "loaded_module.h"
#include "log_silence.h"

#include <llama.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <optional>
#include <vector>

namespace overfill {

static constexpr size_t max_captured_bytes = 2000, max_line_bytes = 8000;

static thread_local log_capture * current_capture = nullptr;
static thread_local bool silent = false;
static thread_local uint64_t n_lost = 0;

uint64_t lost_log_lines() { return n_lost; }

const char * log_level_name(log_level level) {
    switch (level) {
    case log_level::debug: return "debug";
    case log_level::info: return "info";
    case log_level::warn: return "warn";
    case log_level::error: return "error";
    }
    return "error";
}

static std::optional<log_level> level_of(const char * name) {
    for (const log_level level : { log_level::debug, log_level::info, log_level::warn, log_level::error })
        if (name && !std::strcmp(name, log_level_name(level))) return level;
    return std::nullopt;
}

static log_level level_of(ggml_log_level level) {
    switch (level) {
    case GGML_LOG_LEVEL_ERROR: return log_level::error;
    case GGML_LOG_LEVEL_WARN: return log_level::warn;
    case GGML_LOG_LEVEL_DEBUG: return log_level::debug;
    default: return log_level::info;
    }
}

namespace {

struct log_state {
    std::mutex mutex;
    ggml_log_callback before = nullptr;  // another's callback, and its data
    void * before_data = nullptr;
    std::vector<std::shared_ptr<log_listener>> listeners;
    std::optional<log_level> to_stderr = level_of(std::getenv("OVERFILL_LOG"));

    // Never destroyed: llama.cpp may log while the process ends.
    static log_state & get() {
        static auto * const state = new log_state;
        return *state;
    }
};

}  // namespace

void capture_errors(const char * text) {
    if (!current_capture || current_capture->lines_.size() > max_captured_bytes) return;
    current_capture->lines_ += text;
}

static void pass_on(ggml_log_level level, const char * text) {
    // Two that pass on to each other would go on for ever.
    static thread_local bool passing = false;
    if (passing) return;
    ggml_log_callback before;
    void * data;
    {
        log_state & state = log_state::get();
        const std::lock_guard<std::mutex> lock(state.mutex);
        before = state.before;
        data = state.before_data;
    }
    passing = true;
    if (before) before(level, text, data);
    passing = false;
}

static void tell_listeners(log_level level, const std::string & line) {
    std::vector<std::shared_ptr<log_listener>> listeners;
    {
        log_state & state = log_state::get();
        const std::lock_guard<std::mutex> lock(state.mutex);
        listeners = state.listeners;
    }
    for (const auto & listener : listeners) listener->on_line(level, line);
}

namespace {

// A line that has not ended yet. Plain memory: a thread's variable that has to be destroyed takes memory when it is
// first used, and where there is none, the C library ends the process.
struct begun_line {
    size_t size = 0;
    char text[max_line_bytes];
};

}  // namespace

// llama.cpp gives a line in one piece or in several, all but the first of them at the level CONT.
static void on_own_text(ggml_log_level raw_level, const char * text, begun_line & line) {
    static thread_local log_level level = log_level::info;
    if (raw_level != GGML_LOG_LEVEL_CONT) level = level_of(raw_level);
    if (level == log_level::error) capture_errors(text);
    const auto to_stderr = log_state::get().to_stderr;
    if (to_stderr && level >= *to_stderr) std::fputs(text, stderr);
    for (const char * c = text; *c; c++) {
        if (*c != '\n') {
            if (line.size < max_line_bytes) line.text[line.size++] = *c;
        } else if (line.size > 0) {
            tell_listeners(level, { line.text, line.size });
            line.size = 0;
        }
    }
}

static void on_log(ggml_log_level level, const char * text, void *) {
    if (silent) return;
    if (!does_own_work() && !current_capture) return pass_on(level, text);
    static thread_local begun_line line;
    try {
        on_own_text(level, text, line);
    } catch (const std::bad_alloc &) {
        // This is inside llama.cpp's C code, which no exception may pass: the line is lost.
        line.size = 0;
        n_lost++;
    }
}

void install_llama_log() {
    log_state & state = log_state::get();
    const std::lock_guard<std::mutex> lock(state.mutex);
    ggml_log_callback now;
    void * data;
    llama_log_get(&now, &data);
    if (now == on_log) return;
    // Another copy of this library in the process came later, and its callback passes on to this one.
    if (state.before && same_file_name((const void *) now, (const void *) on_log)) return;
    state.before = now;
    state.before_data = data;
    llama_log_set(on_log, nullptr);
}

void add_log_listener(const std::shared_ptr<log_listener> & listener) {
    log_state & state = log_state::get();
    const std::lock_guard<std::mutex> lock(state.mutex);
    state.listeners.push_back(listener);
}

void remove_log_listener(const log_listener * listener) {
    log_state & state = log_state::get();
    const std::lock_guard<std::mutex> lock(state.mutex);
    state.listeners.erase(std::remove_if(state.listeners.begin(), state.listeners.end(),
                                         [&](const auto & each) { return each.get() == listener; }),
                          state.listeners.end());
}

log_capture::log_capture() : outer_(current_capture) {
    install_llama_log();
    current_capture = this;
}
log_capture::~log_capture() { current_capture = outer_; }

log_silence::log_silence() : before_(silent) {
    install_llama_log();
    silent = true;
}
log_silence::~log_silence() { silent = before_; }

std::string log_capture::errors() const {
    std::string out;
    for (const char c : lines_) {
        if (c != '\n')
            out += c;
        else if (!out.empty() && out.compare(out.size() - std::min<size_t>(2, out.size()), 2, "; ") != 0)
            out += "; ";
    }
    while (!out.empty() && (out.back() == ' ' || out.back() == ';')) out.pop_back();
    return out;
}

}  // namespace overfill
