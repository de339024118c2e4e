#include "llama_log.h"

#include <llama.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

namespace overfill {

static constexpr size_t max_captured_bytes = 2000;

static thread_local log_capture * current_capture = nullptr;

static ggml_log_level level_from_environment() {
    const char * name = std::getenv("OVERFILL_LOG");
    if (!name) return GGML_LOG_LEVEL_NONE;
    if (!std::strcmp(name, "error")) return GGML_LOG_LEVEL_ERROR;
    if (!std::strcmp(name, "warn")) return GGML_LOG_LEVEL_WARN;
    if (!std::strcmp(name, "info")) return GGML_LOG_LEVEL_INFO;
    if (!std::strcmp(name, "debug")) return GGML_LOG_LEVEL_DEBUG;
    return GGML_LOG_LEVEL_NONE;
}

// GGML_LOG_LEVEL_NONE is 0, then DEBUG < INFO < WARN < ERROR; CONT goes on with the line before.
static ggml_log_level threshold = GGML_LOG_LEVEL_NONE;

void append_log_line(const char * text) {
    if (!current_capture || current_capture->lines_.size() > max_captured_bytes) return;
    current_capture->lines_ += text;
}

static void on_log(ggml_log_level level, const char * text, void *) {
    static thread_local ggml_log_level last = GGML_LOG_LEVEL_NONE;
    if (level != GGML_LOG_LEVEL_CONT) last = level;
    if (last == GGML_LOG_LEVEL_ERROR) append_log_line(text);
    if (threshold != GGML_LOG_LEVEL_NONE && last >= threshold) std::fputs(text, stderr);
}

void install_llama_log() {
    static std::once_flag once;
    std::call_once(once, [] {
        threshold = level_from_environment();
        llama_log_set(on_log, nullptr);
    });
}

log_capture::log_capture() : outer_(current_capture) { current_capture = this; }
log_capture::~log_capture() { current_capture = outer_; }

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
