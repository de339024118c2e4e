// Looks at the files that a long job will write before it begins.
#pragma once

#include <string>
#include <vector>

namespace overfill {

// Whether both paths name one file that is there.
bool same_file(const std::string & a, const std::string & b);

// Throws ERR_FILE_WRITE_FAILED where nothing could be written; a text may also go into a device or a pipe. Leaves
// nothing.
void check_writable(const std::string & path, bool is_text);

// Throws ERR_INVALID_ARGUMENT (parameter options.<option>) if `path` names one of the files in `taken`, of which one
// that does not exist yet may be another output; ERR_FILE_WRITE_FAILED if it cannot be written.
void check_output(const std::string & option, const std::string & path, const std::vector<std::string> & taken,
                  bool is_text = false);

}  // namespace overfill
