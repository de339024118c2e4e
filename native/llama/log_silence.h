// While it lives, what llama.cpp logs on this thread goes nowhere: for what is made only to be looked at, of which a
// reader of the log would think that it is the real thing.
#pragma once

namespace overfill {

class log_silence {
  public:
    log_silence();
    ~log_silence();
    log_silence(const log_silence &) = delete;
    log_silence & operator=(const log_silence &) = delete;

  private:
    bool before_;
};

}  // namespace overfill
