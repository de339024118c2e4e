// Patterns of tensors' names, as llama.cpp takes them: regular expressions that are looked for anywhere in a name. Its
// std::regex may take a time that is exponential in the pattern, so what a pattern finds is found here, in a bounded
// time, and llama.cpp is given the names.
#pragma once

#include "quantize.h"
#include "stored_tensors.h"

#include <atomic>
#include <deque>
#include <string>
#include <utility>
#include <vector>

namespace overfill {

// Patterns with the same outcome that are searched for in no time, in the order in which the first that matches counts,
// each with the number of its rule. Throws ERR_INVALID_ARGUMENT for a pattern that is no regular expression, is too
// long or matches no tensor; error_code::aborted.
std::deque<std::pair<std::string, size_t>> simple_patterns(const std::vector<tensor_type_rule> & rules,
                                                           const std::vector<stored_tensor> & tensors,
                                                           const std::atomic<bool> & stop);

}  // namespace overfill
