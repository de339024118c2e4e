// llama.cpp's log. It has one callback for the whole process, and the same llama.cpp may serve another package beside
// this one. So the callback here tells the lines apart by their thread (own_work in joined_thread.h):
//
//   lines of this library's work   the errors go to the log_capture that lives on the thread, so that a coded error can
//                                  quote them; all go to the listeners; and to standard error if OVERFILL_LOG is set to
//                                  error, warn, info or debug
//   all others                     go to the callback that was installed before
//
// The callback stays installed for as long as the process lives: llama.cpp may call it at any time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace overfill {

// Installs the callback in front of the one that is there. Any thread, any number of times: another package may have
// installed its own in the meantime.
void install_llama_log();

enum class log_level { debug, info, warn, error };
const char * log_level_name(log_level level);

class log_listener {
  public:
    virtual ~log_listener() = default;

    // On the thread that logs: a line without its end. Must neither throw nor wait.
    virtual void on_line(log_level level, const std::string & line) noexcept = 0;
};
void add_log_listener(const std::shared_ptr<log_listener> & listener);
void remove_log_listener(const log_listener * listener);

// Lines of the calling thread that did not reach the listeners, in all, for want of memory.
uint64_t lost_log_lines();

class log_capture {
  public:
    log_capture();
    ~log_capture();
    log_capture(const log_capture &) = delete;
    log_capture & operator=(const log_capture &) = delete;

    // The captured error lines joined by "; ", at most some hundred characters. Empty if there was none.
    std::string errors() const;

  private:
    std::string lines_;
    log_capture * outer_;

    friend void capture_errors(const char * text);
};

}  // namespace overfill
