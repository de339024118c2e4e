// llama.cpp explains a refused file only in its log. While a log_capture lives, the warnings and errors that its thread
// logs are kept, so that a coded error can quote them. Outside a capture llama.cpp is silent, unless OVERFILL_LOG is
// set to error, warn, info or debug: then it also writes to standard error.
#pragma once

#include <string>

namespace overfill {

// Installs the log callback; process-wide, idempotent.
void install_llama_log();

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

    friend void append_log_line(const char * text);
};

}  // namespace overfill
