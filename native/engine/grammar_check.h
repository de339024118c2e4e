// Looks at a GBNF grammar before llama.cpp's parser does. That one takes on any size: a repetition whose maximum is
// below its minimum makes it allocate without end, deep nesting overflows its stack.
#pragma once

#include <string>

namespace overfill {

// Throws ERR_GRAMMAR_INVALID with the place.
void check_grammar(const std::string & grammar);

}  // namespace overfill
