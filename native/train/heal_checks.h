// Looks at the options of a training before the long work begins.
#pragma once

#include "heal.h"
#include "parameters.h"

#include <string>

namespace overfill {

// The files that a training writes. That of the reader is empty where it is not trained.
std::string checkpoint_path_of(const heal_options & options);
std::string reader_out_of(const heal_options & options);

// Throws ERR_INVALID_ARGUMENT (parameter options.<name>) for a value that no training can have, values that do not go
// together, or a file to be written that is one to be read; ERR_FILE_WRITE_FAILED for one that cannot be written.
void check_heal_options(const heal_options & options);

// The same for the translator file that the student's metadata names, where the training will read it. Throws
// ERR_INVALID_ARGUMENT as above.
void check_named_translator(const heal_options & options);

}  // namespace overfill
