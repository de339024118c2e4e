// Looks at the files that a long job will write before it begins.
#pragma once

#include <string>
#include <vector>

namespace overfill {

// Whether both paths name one file that is there.
bool same_file(const std::string & a, const std::string & b);

// Throws ERR_INVALID_ARGUMENT (parameter options.<option>) if `path` names one of the files in `taken`, of which one
// that does not exist yet may be another output; ERR_FILE_WRITE_FAILED if it cannot be written.
void check_output(const std::string & option, const std::string & path, const std::vector<std::string> & taken);

}  // namespace overfill
