// The lines of a text file over and over, shuffled within a window, read as they are needed: the file may be larger
// than memory. Where the reading stands is plain data, so that a run can be stopped and resumed without a difference.
#pragma once

#include "random_state.h"

#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

namespace overfill {

struct line_place {
    uint64_t offset;  // of its first byte
    uint64_t n_bytes;
    uint64_t number;  // from 1
};

struct line_position {
    uint64_t epoch = 0;
    line_place next{ 0, 0, 1 };      // the next line that comes into the window
    std::vector<line_place> window;  // read, not given out
    random_state random;
};

struct data_line {
    std::string text;
    uint64_t number;
    uint64_t epoch;
};

class shuffled_lines {
  public:
    // `window`: lines to choose from; 1: the file's own order. Throws ERR_FILE_READ_FAILED, or
    // ERR_DATA_INVALID for a file without a line. Lines of white space only are no lines.
    shuffled_lines(const std::string & path, uint64_t window, uint64_t seed);

    // The next line; after the last one of the file the next epoch begins. Throws ERR_FILE_READ_FAILED.
    data_line next();

    const line_position & position() const { return position_; }
    // Of the same file and window. Throws ERR_DATA_INVALID if it cannot be this file's.
    void resume(line_position position);

    // How much of the file this epoch has read, 0 to 1.
    double fraction() const;

  private:
    std::optional<line_place> read_place();
    std::string text_at(const line_place & place);
    bool fill();

    std::string path_;
    uint64_t size_, n_bytes_ = 0;
    std::ifstream scan_, pick_;  // one reads ahead, one goes back for what is drawn
    line_position position_;
};

}  // namespace overfill
